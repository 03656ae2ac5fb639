"""Laws of `policies.sage_mm.model.token_scores`: the scores of all logits, a tile at a time."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from hypothesis import given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from policies.sage_mm.model import token_scores as module  # noqa: E402
from policies.sage_mm.model.token_scores import Masking, tiled_scores  # noqa: E402

WIDTH = 5


def case(n: int, v: int, seed: int = 0, dtype=torch.float64, grammar: bool = True):
    """States, an output layer, tokens that may be chosen, and what masks the others."""
    random = torch.Generator().manual_seed(seed)
    hidden, weight = (
        (3 * torch.randn(k, WIDTH, generator=random)).to(dtype).requires_grad_() for k in (n, v)
    )
    chosen = torch.randint(0, v, (n,), generator=random)
    banned = torch.rand(v, generator=random) < 0.3
    banned[chosen] = False
    allowed = None
    if grammar:
        allowed = torch.rand(n, v, generator=random) < 0.6
        allowed[torch.arange(n), chosen] = True
    return hidden, weight, chosen, Masking(0.7, banned, allowed)


def at_once(hidden, weight, chosen, masking):
    """The same from all logits, as the definitions say."""
    logits = (hidden @ weight.T).to(torch.promote_types(hidden.dtype, torch.float32))
    masked = masking.banned if masking.allowed is None else masking.banned | ~masking.allowed
    logits = (logits / (masking.temperature or 1)).masked_fill(masked, -1e5)
    p, logp = logits.softmax(-1), logits.log_softmax(-1)
    return logp[torch.arange(len(chosen)), chosen], -(p * logp).sum(-1)


def tiles(monkeypatch, ids: int, rows: int) -> None:
    monkeypatch.setattr(module, "TILE_IDS", ids)
    monkeypatch.setattr(module, "AT_ONCE", ids * rows)


def gradients(scores, hidden, weight):
    """By states and output layer, of a loss in which every token counts differently."""
    shares = torch.linspace(-1, 2, len(hidden), dtype=scores[0].dtype)
    loss = (shares * scores[0]).sum() + (shares.flip(0) * scores[1]).sum()
    return torch.autograd.grad(loss, [hidden, weight])


@given(
    n=st.integers(1, 7),
    v=st.integers(2, 11),
    ids=st.integers(1, 12),
    rows=st.integers(1, 8),
    seed=st.integers(0, 99),
    grammar=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_tiles_of_any_size_give_the_scores_and_gradients_of_all_logits(
    n, v, ids, rows, seed, grammar
) -> None:
    hidden, weight, chosen, masking = case(n, v, seed, grammar=grammar)
    expected = at_once(hidden, weight, chosen, masking)
    with pytest.MonkeyPatch.context() as patch:
        tiles(patch, ids, rows)
        found = tiled_scores(hidden, weight, chosen, masking)
        mine = gradients(found, hidden, weight)
    theirs = gradients(expected, hidden, weight)
    for one, other in zip((*found, *mine), (*expected, *theirs), strict=True):
        torch.testing.assert_close(one, other, atol=1e-9, rtol=0)


def test_the_gradient_is_that_of_finite_differences(monkeypatch) -> None:
    tiles(monkeypatch, 3, 2)
    hidden, weight, chosen, masking = case(3, 8)
    assert torch.autograd.gradcheck(
        lambda h, w: tuple(tiled_scores(h, w, chosen, masking)), (hidden, weight)
    )


@pytest.mark.parametrize("temperature", [0.0, 1.0, 1e-2])
def test_in_float32_they_are_right_to_the_last_digits(monkeypatch, temperature) -> None:
    """Also where the logits are large, and where the ids of a whole tile are masked."""
    tiles(monkeypatch, 4, 2)
    hidden, weight, chosen, masking = case(6, 23, dtype=torch.float32)
    masking.banned[:4] = masking.banned[20:] = True
    chosen.fill_(9)
    masking.banned[9] = False
    masking.allowed[:, 9] = True
    masking = Masking(temperature, masking.banned, masking.allowed)
    found = tiled_scores(hidden, weight, chosen, masking)
    largest = float((hidden @ weight.T).detach().abs().max()) / (temperature or 1)
    exact = at_once(hidden.double(), weight.double(), chosen, masking)
    for one, other in zip(found, exact, strict=True):
        assert one.dtype == torch.float32
        torch.testing.assert_close(one.double(), other, atol=4e-7 * largest, rtol=0)


def test_a_half_precision_base_has_float32_scores_and_gradients_of_its_own_dtype() -> None:
    hidden, weight, chosen, masking = case(6, 23, dtype=torch.bfloat16)
    found = tiled_scores(hidden, weight, chosen, masking)
    assert {x.dtype for x in found} == {torch.float32}
    mine = gradients(found, hidden, weight)
    assert {g.dtype for g in mine} == {torch.bfloat16}
    wide = [x.detach().double().requires_grad_() for x in (hidden, weight)]
    theirs = gradients(at_once(*wide, chosen, masking), *wide)
    for one, other in zip(mine, theirs, strict=True):
        assert (one - other).abs().max() < 2**-5 * other.abs().max()


def test_what_is_not_trained_gets_no_gradient() -> None:
    hidden, weight, chosen, masking = case(4, 9)
    logprobs, entropy = tiled_scores(
        hidden, weight.detach(), chosen, masking, entropy_gradient=False
    )
    assert logprobs.requires_grad and not entropy.requires_grad
    (mine,) = torch.autograd.grad(logprobs.sum(), [hidden])
    (theirs,) = torch.autograd.grad(at_once(hidden, weight, chosen, masking)[0].sum(), [hidden])
    torch.testing.assert_close(mine, theirs)
    _, entropy = tiled_scores(hidden, weight, chosen, masking)
    (mine,) = torch.autograd.grad(entropy.sum(), [hidden])
    (theirs,) = torch.autograd.grad(at_once(hidden, weight, chosen, masking)[1].sum(), [hidden])
    torch.testing.assert_close(mine, theirs)


def test_a_masked_token_has_no_gradient_though_it_was_chosen() -> None:
    """Nobody samples one; as with all logits, it moves nothing but its own constant."""
    hidden, weight, chosen, masking = case(4, 9)
    masking.banned[int(chosen[1])] = True
    (found,) = torch.autograd.grad(
        tiled_scores(hidden, weight, chosen, masking).logprobs[1], [weight]
    )
    logits = masking.apply(hidden @ weight.T)
    (expected,) = torch.autograd.grad(logits.log_softmax(-1)[1, chosen[1]], [weight])
    torch.testing.assert_close(found, expected)
    assert not found[chosen[1]].any()
