"""Laws of `policies.sage_mm.model.packed_attention`: no mask in memory but on a CPU, same numbers.

How spans look at each other is in `test_prefix_packing.py`.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from torch.utils._python_dispatch import TorchDispatchMode  # noqa: E402

from policies.sage_mm.model import packed_attention as module  # noqa: E402
from policies.sage_mm.model.live_bytes import LiveBytes  # noqa: E402
from policies.sage_mm.model.prefix_packing import PackedSpan  # noqa: E402

SPANS = [
    PackedSpan(0, 0, 700, ()),
    PackedSpan(0, 700, 1100, (0,)),
    PackedSpan(1, 700, 1201, (0,)),
    PackedSpan(1, 1201, 1202, (0, 2)),
]
TOKENS = sum(map(len, SPANS))


def rows(device: str, dtype: torch.dtype, heads: int = 8, groups: int = 2, dim: int = 16):
    random = torch.Generator().manual_seed(0)
    return [
        torch.randn(1, n, TOKENS, dim, generator=random).to(device, dtype).requires_grad_()
        for n in (heads, groups, groups)
    ]


def attended(query, key, value):
    return module.attend(torch.nn.Identity(), query, key, value, None, spans=SPANS)[0]


class Recorded(TorchDispatchMode):
    """What each operation made, and which heads the flash kernel was given."""

    def __init__(self) -> None:
        super().__init__()
        self.made: list[torch.Tensor] = []
        self.heads: list[tuple[int, int]] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if "flash_attention.default" in str(func):
            self.heads.append((args[0].shape[1], args[1].shape[1]))
        for tensor in out if isinstance(out, tuple | list) else [out]:
            if isinstance(tensor, torch.Tensor):
                self.made.append(tensor)
        return out


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_no_mask_is_made_where_memory_is_a_gpus(dtype) -> None:
    """On the meta device, forward and backward: neither a mask nor scores of any span."""
    tensors = rows("meta", dtype)
    with Recorded() as recorded, LiveBytes() as counted:
        torch.autograd.grad(attended(*tensors).sum(), tensors)
    assert recorded.heads == [(8, 2)] * len(SPANS), "groups of heads as they are"
    assert not [x.shape for x in recorded.made if x.dtype == torch.bool]
    smallest = 400 * 1100  # queries times keys of the second span
    assert counted.largest < smallest * dtype.itemsize
    assert counted.peak < 12 * sum(x.nbytes for x in tensors)


def test_the_path_without_a_mask_has_the_numbers_of_the_one_with_it(monkeypatch) -> None:
    tensors = rows("cpu", torch.float32)
    weights = torch.randn(1, TOKENS, 8, 16, generator=torch.Generator().manual_seed(1))
    found = []
    for path in (module._causal, module._causal_without_mask):
        monkeypatch.setattr(module, "_causal", path)
        out = attended(*tensors)
        found.append([out, *torch.autograd.grad((out * weights).sum(), tensors)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_a_gpu_has_the_numbers_of_the_cpu_and_makes_no_mask(dtype) -> None:
    tensors, weights = rows("cpu", torch.float32), torch.randn(1, TOKENS, 8, 16)
    out = attended(*tensors)
    expected = [out, *torch.autograd.grad((out * weights).sum(), tensors)]
    there = [x.detach().to("cuda", dtype).requires_grad_() for x in tensors]
    with Recorded() as recorded:
        out = attended(*there)
        found = [out, *torch.autograd.grad((out * weights.to("cuda", dtype)).sum(), there)]
    assert not [x.shape for x in recorded.made if x.dtype == torch.bool]
    for one, other in zip(found, expected, strict=True):
        gap = float((one.float().cpu() - other).abs().max() / other.abs().max())
        assert gap < (2**-6 if dtype == torch.bfloat16 else 1e-4)
