"""Laws of the losses: values by hand, gradients by finite differences, pieces that add up."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from algos.losses import entropy_loss, kl_loss, policy_loss, value_loss

torch.set_num_threads(1)
NAN = float("nan")


def row(*values: float) -> Tensor:
    return torch.tensor([values], dtype=torch.float64)


def everywhere(x: Tensor) -> Tensor:
    return torch.ones_like(x, dtype=torch.bool)


def test_policy_loss_by_hand() -> None:
    # Ratios 1.5, 1.5, 0.5, 0.5, 4 and 1.1 with clip [0.8, 1.28] and dual clip 3:
    # min(1.5, 1.28) = 1.28; min(-1.5, -1.28) = -1.5; min(.5, .8) = .5; min(-.5, -.8) = -.8;
    # max(min(-4, -1.28), -3) = -3; 1.1 * 2 = 2.2. Sum -1.32, over 6 tokens, negated: 0.22.
    ratio = row(1.5, 1.5, 0.5, 0.5, 4.0, 1.1)
    advantages = row(1, -1, 1, -1, -1, 2)
    loss, stats = policy_loss(ratio.log(), row(*[0.0] * 6), advantages, everywhere(ratio), 6)
    assert float(loss) == pytest.approx(0.22)
    assert float(stats["clipfrac"]) == pytest.approx(3 / 6)
    k3 = sum(r - 1 - math.log(r) for r in ratio[0].tolist()) / 6
    assert float(stats["approx_kl"]) == pytest.approx(k3)


def test_clipped_tokens_have_no_gradient_and_the_others_do() -> None:
    ratio = row(1.5, 1.5, 0.5, 0.5, 4.0, 1.1)
    new = ratio.log().requires_grad_()
    loss, _ = policy_loss(new, row(*[0.0] * 6), row(1, -1, 1, -1, -1, 2), everywhere(ratio), 6)
    loss.backward()
    assert new.grad is not None
    # Unclipped: d(-r A / 6) / d(log r) = -r A / 6.
    torch.testing.assert_close(new.grad, row(0, 1.5 / 6, -0.5 / 6, 0, 0, -2.2 / 6))


def test_what_is_not_sampled_has_no_influence_even_when_it_is_not_a_number() -> None:
    mask = torch.tensor([[True, False, True, False]])
    new = row(-0.1, NAN, -0.2, 500.0).requires_grad_()
    poison = row(-0.1, NAN, -0.3, -500.0)
    for loss in (
        policy_loss(new, poison, poison, mask, 2)[0],
        value_loss(new, poison, poison, mask, 2)[0],
        kl_loss(new, poison, mask, 2)[0],
        entropy_loss(new, mask, 2)[0],
    ):
        new.grad = None
        loss.backward()
        assert new.grad is not None and bool(loss.isfinite())
        assert new.grad[~mask].tolist() == [0.0, 0.0]


def test_an_exploding_ratio_stays_finite() -> None:
    new = row(0.0).requires_grad_()
    loss, _ = policy_loss(new, row(-3000.0), row(-1.0), everywhere(new), 1)
    loss.backward()
    assert loss.item() == 3.0 and new.grad is not None and bool(new.grad.isfinite().all())


def test_gradients_agree_with_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    shape = (3, 7)
    old, advantages, target = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    new = old + 0.5 * torch.randn(shape, generator=generator, dtype=torch.float64)
    mask = torch.rand(shape, generator=generator) < 0.7
    new.requires_grad_()
    count = int(mask.sum())
    check = torch.autograd.gradcheck
    assert check(lambda x: policy_loss(x, old, advantages, mask, count)[0], (new,))
    assert check(lambda x: value_loss(x, old, target, mask, count)[0], (new,))
    assert check(lambda x: entropy_loss(x, mask, count)[0], (new,))


def test_pieces_add_up_under_one_denominator() -> None:
    generator = torch.Generator().manual_seed(1)
    new, old, advantages = (
        torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    mask = torch.rand(6, 5, generator=generator) < 0.5
    count = int(mask.sum())

    def losses(rows: slice) -> list[Tensor]:
        x, o, a, m = new[rows], old[rows], advantages[rows], mask[rows]
        results = [policy_loss(x, o, a, m, count), value_loss(x, o, a, m, count)]
        results += [kl_loss(x, o, m, count), entropy_loss(x, m, count)]
        return [value for loss, stats in results for value in (loss, *stats.values())]

    whole = losses(slice(None))
    parts = [losses(slice(0, 1)), losses(slice(1, 4)), losses(slice(4, 6))]
    for total, *pieces in zip(whole, *parts, strict=True):
        torch.testing.assert_close(sum(pieces), total)


def test_value_loss_by_hand() -> None:
    # (1 - 0)^2 against clipped (0.5 - 0)^2: the larger is 1. (0.2 - 1)^2 = 0.64 twice: inside.
    # 2 from 0 clips to 0.5; towards the return 3 the clipped error 6.25 is the larger.
    values, old, returns = row(1.0, 0.2, 2.0), row(0.0, 0.0, 0.0), row(0.0, 1.0, 3.0)
    values.requires_grad_()
    loss, stats = value_loss(values, old, returns, everywhere(values), 3, clip=0.5)
    assert loss.item() == pytest.approx((1 + 0.64 + 6.25) / 2 / 3)
    assert float(stats["value_clipfrac"]) == pytest.approx(1 / 3)
    loss.backward()
    torch.testing.assert_close(values.grad, row(1 / 3, -0.8 / 3, 0.0))


def test_the_kl_has_the_value_of_k3() -> None:
    new, reference = row(-1.0, -2.0), row(-1.5, -1.0)
    loss, stats = kl_loss(new, reference, everywhere(new), 2)
    expected = (math.exp(-0.5) - 1 + 0.5 + math.exp(1) - 1 - 1) / 2
    assert float(loss) == float(stats["reference_kl"]) == pytest.approx(expected)


def test_the_kl_has_the_gradient_of_the_kl() -> None:
    # Over every token of a small vocabulary, weighted by the policy's own probabilities, the
    # gradient of the estimate must be that of the exact divergence.
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(5, generator=generator, dtype=torch.float64).log_softmax(0)
    logp = logits.log_softmax(0)
    (exact,) = torch.autograd.grad((logp.exp() * (logp - reference)).sum(), logits)
    estimate = torch.zeros(5, dtype=torch.float64)
    for token, weight in enumerate(logits.detach().softmax(0)):
        one = logits.log_softmax(0)[token].reshape(1, 1)
        loss, _ = kl_loss(one, reference[token].reshape(1, 1), everywhere(one), 1)
        estimate += weight * torch.autograd.grad(loss, logits)[0]
    torch.testing.assert_close(estimate, exact)


def test_entropy_is_a_mean_over_sampled_tokens() -> None:
    mask = torch.tensor([[True, True, False]])
    loss, stats = entropy_loss(row(1.0, 2.0, 9.0), mask, 2)
    assert float(loss) == -1.5 and float(stats["entropy"]) == 1.5
