"""Laws of `policies.sage_mm.model.fused_lora`: peft's numbers, both ways, or it steps aside."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
from torch import nn  # noqa: E402

from policies.sage_mm.model import fused_lora as module  # noqa: E402
from policies.sage_mm.model.fused_lora import fuse  # noqa: E402


def layers(bias: bool = False, dropout: float = 0.0, **options):
    """The same peft layer twice: as peft runs it, and fused."""
    torch.manual_seed(0)
    net = nn.ModuleDict({"one": nn.Linear(24, 40, bias=bias)})
    config = peft.LoraConfig(
        r=4, lora_alpha=12, target_modules=["one"], lora_dropout=dropout, **options
    )
    model = peft.get_peft_model(net, config, adapter_name="actor")
    model.add_adapter("critic", config)
    plain = model.base_model.model["one"]
    for name in ("actor", "critic"):
        nn.init.normal_(plain.lora_B[name].weight)
    fused = copy.deepcopy(plain)
    fuse(fused)
    return plain, fused


def results(layer, x, adapter="actor"):
    """Output, and gradients by the input and every adapter weight."""
    layer.enable_adapters(adapter is not None)
    if adapter is not None:
        layer.set_adapter(adapter)
    x = x.clone().requires_grad_()
    out = layer(x)
    (out * torch.arange(out.numel()).view(out.shape).cos()).sum().backward()
    weights = [p for name, p in layer.named_parameters() if "lora" in name]
    found = [x.grad, *(p.grad for p in weights)]
    layer.zero_grad()
    return out.detach(), [g for g in found if g is not None]


@pytest.mark.parametrize("adapter", ["actor", "critic", None])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_it_says_what_peft_says(monkeypatch, adapter, dtype) -> None:
    ran = []
    apply = module._LoraLinear.apply
    monkeypatch.setattr(module._LoraLinear, "apply", lambda *a: ran.append(1) or apply(*a))
    plain, fused = (layer.to(dtype) for layer in layers())
    x = torch.randn(3, 5, 24, dtype=dtype)
    (expected, gradients), (out, found) = results(plain, x, adapter), results(fused, x, adapter)
    assert bool(ran) == (adapter is not None)
    assert out.shape == (3, 5, 40) and len(found) == len(gradients)
    tolerance = 1e-4 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(out, expected, atol=tolerance / 10, rtol=0)
    for mine, theirs in zip(found, gradients, strict=True):
        torch.testing.assert_close(mine, theirs, atol=tolerance, rtol=0)


def test_its_gradient_is_that_of_finite_differences() -> None:
    torch.manual_seed(0)
    x, w, a, b = (
        torch.randn(*shape, dtype=torch.float64, requires_grad=trained)
        for shape, trained in (((2, 3, 4), True), ((5, 4), False), ((2, 4), True), ((5, 2), True))
    )
    assert torch.autograd.gradcheck(lambda *t: module._LoraLinear.apply(*t, 1.5), (x, w, a, b))


@pytest.mark.parametrize(
    "options", [{"bias": True}, {"dropout": 0.5}, {"use_dora": True}, {"lora_bias": True}]
)
def test_other_kinds_run_as_before(monkeypatch, options) -> None:
    bias = {"bias": True} if options.get("lora_bias") else {}
    plain, fused = layers(**(options | bias))
    monkeypatch.setattr(module._LoraLinear, "apply", None)
    x = torch.randn(6, 24)
    torch.manual_seed(1)
    expected, gradients = results(plain, x)
    torch.manual_seed(1)
    out, found = results(fused, x)
    assert torch.equal(out, expected)
    assert all(torch.equal(g, f) for g, f in zip(gradients, found, strict=True))


def test_autocast_and_odd_dtypes_run_as_before(monkeypatch) -> None:
    plain, fused = layers()
    monkeypatch.setattr(module._LoraLinear, "apply", None)
    x = torch.randn(6, 24)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(results(fused, x)[0], results(plain, x)[0])
    for layer in (plain, fused):
        layer.base_layer.double()
    x = x.double()
    assert torch.equal(results(fused, x)[0], results(plain, x)[0])


def mixed_layers():
    """A bfloat16 base with float32 adapters, as peft runs it and fused; and all of it in double."""
    plain, fused = layers()
    for layer in (plain, fused):
        layer.base_layer.bfloat16()
    return plain, fused, copy.deepcopy(plain).double()


@pytest.mark.parametrize("adapter", ["actor", "critic"])
def test_a_bfloat16_base_trains_float32_adapters(monkeypatch, adapter) -> None:
    """As near to peft's numbers as rounding to 8 bits of mantissa allows, and fused."""
    ran, apply = [], module._LoraLinear.apply
    monkeypatch.setattr(module._LoraLinear, "apply", lambda *a: ran.append(1) or apply(*a))
    plain, fused, exact = mixed_layers()
    x = torch.randn(3, 50, 24).bfloat16()
    (expected, theirs), (out, mine) = results(plain, x, adapter), results(fused, x, adapter)
    truth, gradients = results(exact, x.double(), adapter)
    assert ran and out.dtype == expected.dtype == mine[0].dtype == torch.bfloat16
    assert [g.dtype for g in mine[1:]] == [torch.float32] * (len(mine) - 1)
    assert len(mine) == len(theirs) == len(gradients) == 3
    for one, other, exactly in zip(
        [out, *mine], [expected, *theirs], [truth, *gradients], strict=True
    ):
        scale = float(exactly.abs().max())
        assert float((one.double() - exactly).abs().max()) < 2**-6 * scale
        assert float((one.double() - other.double()).abs().max()) < 2**-6 * scale


def test_rounded_adapters_follow_every_change_of_a_weight() -> None:
    """By an optimiser, by copying, by another tensor in its place, and by another adapter."""
    plain, fused, _ = mixed_layers()
    x = torch.randn(5, 24).bfloat16()
    for layer in (plain, fused):
        layer.enable_adapters(True)
        layer.set_adapter("actor")

    def agree() -> bool:
        with torch.no_grad():
            expected = plain(x).double()
            return bool((fused(x) - expected).abs().max() < 2**-6 * expected.abs().max())

    def change(layer, how: int) -> None:
        weight = layer.lora_B["actor"].weight
        if how == 0:
            weight.grad = torch.ones_like(weight)
            torch.optim.SGD([weight], lr=2.0).step()
        elif how == 1:
            with torch.no_grad():
                weight.copy_(3 * weight)
        elif how == 2:
            weight.data = 2 * weight.detach()
        else:
            layer.set_adapter("critic")

    assert agree()
    for how in range(4):
        before = fused(x).detach()
        change(plain, how)
        change(fused, how)
        assert agree(), how
        assert (fused(x) - before).abs().max() > 0.5, "the change must be seen"


def test_what_sampling_has_rounded_can_be_trained_on() -> None:
    _, fused, _ = mixed_layers()
    fused.enable_adapters(True)
    fused.set_adapter("actor")
    x = torch.randn(5, 24).bfloat16()
    with torch.inference_mode():
        sampled = fused(x).clone()
    scored = fused(x)
    assert torch.equal(sampled, scored)
    scored.sum().backward()
    assert fused.lora_A["actor"].weight.grad.abs().max() > 0


def test_what_peft_is_asked_for_beside_the_input_is_left_to_peft() -> None:
    """Such as another adapter for every row; `__base__` is none."""
    plain, fused = layers()
    x = torch.randn(3, 24)
    for layer in (plain, fused):
        layer.enable_adapters(True)
        layer.set_adapter("actor")
    mixed = ["__base__", "actor", "critic"]
    with torch.no_grad():
        found = fused.eval()(x, adapter_names=mixed)
        torch.testing.assert_close(found, plain.eval()(x, adapter_names=mixed))
        torch.testing.assert_close(found[0], fused.base_layer(x[0]))
        assert (found[0] - fused(x)[0]).abs().max() > 0.1


def test_two_adapters_at_once_merged_ones_and_a_trained_base_run_as_before(monkeypatch) -> None:
    """Each of them alone is not the plain case."""
    monkeypatch.setattr(module._LoraLinear, "apply", None)
    monkeypatch.setattr(module, "_apply", None)
    x = torch.randn(6, 24)
    for change in ("two", "merged", "trained"):
        plain, fused = layers()
        for layer in (plain, fused):
            layer.enable_adapters(True)
            layer.set_adapter(["actor", "critic"] if change == "two" else "actor")
            if change == "merged":
                layer.merge()
            layer.base_layer.weight.requires_grad_(change == "trained")
        torch.testing.assert_close(fused(x), plain(x), atol=1e-6, rtol=0)
        if change == "trained":
            fused(x).sum().backward()
            assert fused.base_layer.weight.grad is not None


def test_what_needs_no_gradient_gets_none_and_the_rest_its_own() -> None:
    plain, fused = layers()
    x = torch.randn(6, 24)
    for layer in (plain, fused):
        layer.enable_adapters(True)
        layer.set_adapter("actor")
        layer(x).square().sum().backward()
    assert x.grad is None and fused.base_layer.weight.grad is None
    for name in ("lora_A", "lora_B"):
        mine, theirs = (getattr(layer, name)["actor"].weight.grad for layer in (fused, plain))
        torch.testing.assert_close(mine, theirs, atol=1e-4, rtol=1e-5)
        assert getattr(fused, name)["critic"].weight.grad is None


def test_only_layers_of_peft_are_fused() -> None:
    class Other(module.Linear):
        """Somebody's own."""

    plain, fused = layers()
    assert type(fused) is module.FusedLinear and type(plain) is module.Linear
    plain.__class__ = Other
    fuse(plain)
    assert type(plain) is Other
