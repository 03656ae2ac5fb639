"""Laws of `algos.objectives.mismatch`: weights by hand, as loops, in expectation, in the loss."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from algos.objectives.losses import policy_loss
from algos.objectives.mismatch import mismatch_stats, sequence_weights, token_weights
from tests.helpers.slow_maths import masked_weight, truncated_weight

torch.set_num_threads(1)
NAN = float("nan")
CAPS = st.floats(1.0, 6.0)
LOGPROBS = st.lists(
    st.tuples(st.floats(-6.0, -0.01), st.floats(-6.0, -0.01), st.booleans()), min_size=1, max_size=7
)


def logs(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities], dtype=torch.float64).log()


def everywhere(x: Tensor) -> Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def test_weights_by_hand() -> None:
    old, sampler = logs(0.6, 0.2, 0.5, 0.3), logs(0.2, 0.6, 0.5, 0.2)
    found = token_weights(old, sampler, everywhere(old), 2.0)
    torch.testing.assert_close(found, torch.tensor([[2.0, 1 / 3, 1.0, 1.5]]).double())
    weights, within = sequence_weights(old, sampler, everywhere(old), 2.0)
    # 3 * 1/3 * 1 * 1.5 is within the cap though its first token is not
    assert (weights.item(), within.tolist()) == (pytest.approx(1.5), [True])
    weights, within = sequence_weights(old, sampler, everywhere(old), 1.4)
    assert (weights.item(), within.tolist()) == (0.0, [False])


def test_statistics_by_hand() -> None:
    old, sampler = logs(0.6, 0.2, 0.5, 0.9), logs(0.2, 0.4, 0.5, 0.1)
    mask = torch.tensor([[True, True, True, False]])
    found = {name: float(x) for name, x in mismatch_stats(old, sampler, mask, 2.0).items()}
    k3 = (3 - 1 - math.log(3)) + (0.5 - 1 - math.log(0.5)) + 0.0
    expected = {"kl": k3 / 3, "weight": (3 + 0.5 + 1) / 3, "beyond": 1 / 3}
    assert found == pytest.approx(expected)


@given(LOGPROBS, CAPS)
def test_weights_agree_with_the_loop(tokens, cap: float) -> None:
    old, sampler = (torch.tensor([[t[k] for t in tokens]], dtype=torch.float64) for k in (0, 1))
    mask = torch.tensor([[t[2] for t in tokens]])
    expected = [truncated_weight(a, b, cap) if inside else 0.0 for a, b, inside in tokens]
    assert token_weights(old, sampler, mask, cap)[0].tolist() == pytest.approx(expected)
    chosen = [(a, b) for a, b, inside in tokens if inside]
    one = masked_weight([a for a, _ in chosen], [b for _, b in chosen], cap)
    weights, within = sequence_weights(old, sampler, mask, cap)
    assert weights.item() == pytest.approx(one) and within.item() == (one > 0)


def test_equal_policies_have_the_weight_one_exactly() -> None:
    old = torch.randn(3, 5, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, False, True, True, False]] * 3)
    assert token_weights(old, old.clone(), mask, 2.0).tolist() == mask.float().tolist()
    weights, within = sequence_weights(old, old.clone(), mask, 1.0)
    assert weights.tolist() == [[1.0]] * 3 and within.all()


def test_what_is_not_sampled_has_no_influence_even_when_it_is_not_a_number() -> None:
    mask = torch.tensor([[True, False, True, False], [True, False, False, False]])
    clean = torch.tensor([[-1.0, 0.0, -2.0, 0.0], [-0.5, 0.0, 0.0, 0.0]])
    dirty = torch.tensor([[-1.0, NAN, -2.0, 500.0], [-0.5, -math.inf, NAN, NAN]])
    sampler = torch.tensor([[-1.3, 3.0, -1.9, 0.0], [-0.4, 0.0, NAN, math.inf]])
    for function in (token_weights, lambda *x: sequence_weights(*x)[0]):
        expected = function(clean, torch.where(mask, sampler, 0.0), mask, 2.0)
        assert torch.equal(function(dirty, sampler, mask, 2.0), expected)
    for x, y in zip(
        mismatch_stats(dirty, sampler, mask, 2.0).values(),
        mismatch_stats(clean, torch.where(mask, sampler, 0.0), mask, 2.0).values(),
        strict=True,
    ):
        assert torch.equal(x, y) and bool(x.isfinite())


def test_weights_are_constants() -> None:
    old = logs(0.6, 0.3).requires_grad_()
    sampler = logs(0.5, 0.2).requires_grad_()
    assert not token_weights(old, sampler, everywhere(old), 2.0).requires_grad
    assert not sequence_weights(old, sampler, everywhere(old), 2.0)[0].requires_grad


def test_what_explodes_stays_finite() -> None:
    old, sampler = torch.zeros(1, 2), torch.full((1, 2), -400.0)
    assert token_weights(old, sampler, everywhere(old), 2.0).tolist() == [[2.0, 2.0]]
    weights, within = sequence_weights(old, sampler, everywhere(old), 2.0)
    assert weights.tolist() == [[0.0]] and not within.any()
    unlikely = sequence_weights(sampler, old, everywhere(old), 2.0)[0]
    assert 0 < unlikely.item() < 1e-8 and unlikely.isfinite()


def test_in_expectation_the_gradient_is_that_of_the_learners_own_samples() -> None:
    """Over three tokens by enumeration: untruncated weights undo who sampled."""
    logits = torch.tensor([0.3, -0.2, 0.9], dtype=torch.float64, requires_grad=True)
    sampler = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()
    advantages = torch.tensor([[1.0, -2.0, 0.5]], dtype=torch.float64)
    now = logits.log_softmax(0)[None]
    old, every = now.detach(), everywhere(advantages)
    weights = token_weights(old, sampler[None], every, 100.0)
    loss, _ = policy_loss(now, old, advantages, every, 1.0, weights=weights * sampler.exp())
    (corrected,) = torch.autograd.grad(loss, logits)
    own = -(logits.softmax(0) * advantages[0]).sum()
    (expected,) = torch.autograd.grad(own, logits)
    torch.testing.assert_close(corrected, expected)
    loss, _ = policy_loss(
        logits.log_softmax(0)[None], old, advantages, every, 1.0, weights=sampler.exp()[None]
    )
    (uncorrected,) = torch.autograd.grad(loss, logits)
    assert (uncorrected - expected).abs().max() > 0.1, "the case must need the correction"


def test_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(3)
    old, sampler, advantages = (
        torch.randn(2, 4, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    mask = torch.tensor([[True, True, False, True], [True, False, True, True]])
    weights = token_weights(old, sampler, mask, 1.5)

    def loss(now: Tensor) -> Tensor:
        return policy_loss(now, old, advantages, mask, 6.0, weights=weights)[0]

    now = (old + 0.05 * torch.randn(2, 4, generator=generator).double()).requires_grad_()
    assert torch.autograd.gradcheck(loss, (now,), eps=1e-6, atol=1e-7)
