"""Laws of `algos.objectives.losses`: values by hand, gradients, pieces that add up."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from algos.objectives.losses import entropy_loss, kl_estimate, kl_loss, policy_loss, value_loss
from tests.helpers.slow_maths import clipped_objective

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


@pytest.mark.parametrize(
    ("advantage", "objectives", "has_gradient"),
    [(1.0, [0.5, 1, 1.28, 1.28], [1, 1, 0, 0]), (-1.0, [-0.8, -1, -2, -3], [0, 1, 1, 0])],
)
def test_the_table_of_the_clips(advantage, objectives, has_gradient) -> None:
    for ratio, objective, moves in zip((0.5, 1.0, 2.0, 5.0), objectives, has_gradient, strict=True):
        logprobs = torch.tensor([[ratio]]).log().requires_grad_()
        mask, given = torch.ones(1, 1, dtype=torch.bool), torch.tensor([[advantage]])
        loss, _ = policy_loss(logprobs, torch.zeros(1, 1), given, mask, 1.0)
        loss.backward()
        assert loss.item() == pytest.approx(-objective, abs=1e-5)
        expected = -advantage * ratio if moves else 0.0
        assert logprobs.grad.item() == pytest.approx(expected, abs=1e-5)


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


def test_a_value_inside_the_clip_is_not_counted_as_clipped() -> None:
    """`old + (new - old)` is not `new` in floats; its rounding would look like clipping."""
    generator = torch.Generator().manual_seed(3)
    old, returns = torch.randn(2, 20, 50, generator=generator)
    values = old + 0.4 * torch.rand(20, 50, generator=generator)
    for clip in (0.5, math.inf):
        _, stats = value_loss(values, old, returns, everywhere(values), 1000, clip=clip)
        assert float(stats["value_clipfrac"]) == 0.0


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


def sample(seed: int, shape: tuple[int, int] = (4, 9)) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """New and old log-probs, advantages and a mask with at least one token per row."""
    generator = torch.Generator().manual_seed(seed)
    old, advantages, step = (
        torch.randn(shape, generator=generator, dtype=torch.float64) for _ in range(3)
    )
    mask = torch.rand(shape, generator=generator) < 0.6
    mask[:, 0] = True
    return old + 0.7 * step, old, advantages, mask


def of_rows(x: Tensor, mask: Tensor) -> list[list[float]]:
    return [row[of].tolist() for row, of in zip(x, mask, strict=True)]


@pytest.mark.parametrize("level", ["token", "sequence"])
@pytest.mark.parametrize("dual", [None, 1.5, 3.0])
def test_policy_loss_agrees_with_the_loop(level, dual: float | None) -> None:
    for seed in range(5):
        new, old, advantages, mask = sample(seed)
        loss, _ = policy_loss(
            new,
            old,
            advantages,
            mask,
            int(mask.sum()),
            clip_low=0.1,
            clip_high=0.3,
            dual_clip=dual,
            ratio_level=level,
        )
        total = 0.0
        for gaps, row in zip(of_rows(new - old, mask), of_rows(advantages, mask), strict=True):
            if level == "sequence":
                gaps = [sum(gaps) / len(gaps)] * len(gaps)
            for gap, advantage in zip(gaps, row, strict=True):
                total += clipped_objective(math.exp(gap), advantage, 0.1, 0.3, dual)
        assert float(loss) == pytest.approx(-total / int(mask.sum()), abs=1e-6)


def test_the_other_losses_agree_with_the_loop() -> None:
    for seed in range(5):
        x, y, z, mask = sample(seed)
        count = int(mask.sum())
        tokens = list(zip(*(t[mask].tolist() for t in (x, y, z)), strict=True))
        value = 0.0
        for now, old, goal in tokens:
            near = min(max(now, old - 0.5), old + 0.5)
            value += max((now - goal) ** 2, (near - goal) ** 2) / 2
        got = value_loss(x, y, z, mask, count, clip=0.5)[0]
        assert float(got) == pytest.approx(value / count, abs=1e-6)
        estimates = {
            "k1": sum(now - ref for now, ref, _ in tokens),
            "k2": sum((now - ref) ** 2 / 2 for now, ref, _ in tokens),
            "k3": sum(math.exp(ref - now) - 1 - ref + now for now, ref, _ in tokens),
        }
        for name, expected in estimates.items():
            assert float(kl_estimate(x, y, mask, name).sum()) == pytest.approx(expected, abs=1e-6)
            loss, stats = kl_loss(x, y, mask, count, estimator=name)
            assert float(loss) == pytest.approx(expected / count, abs=1e-6)
            assert float(stats["reference_kl"]) == float(loss)
        entropy = entropy_loss(x, mask, count)[0]
        assert float(entropy) == pytest.approx(-sum(t[0] for t in tokens) / count, abs=1e-6)


def test_the_ratio_of_a_sequence_by_hand() -> None:
    # Row 0: ratios 2 and 0.5, geometric mean 1. Row 1: 1.5 and 1.5, clipped at 1.28 where A > 0.
    new = row(2.0, 0.5).log().repeat(2, 1)
    new[1] = math.log(1.5)
    new.requires_grad_()
    advantages = torch.tensor([[3.0, -1.0], [1.0, -2.0]], dtype=torch.float64)
    old = torch.zeros_like(advantages)
    loss, stats = policy_loss(new, old, advantages, everywhere(old), 4, ratio_level="sequence")
    assert loss.item() == pytest.approx(-(3 - 1 + 1.28 - 3) / 4)
    assert float(stats["clipfrac"]) == 1 / 4
    loss.backward()
    # Each token's own advantage, times the ratio of its row; nothing where it is clipped.
    torch.testing.assert_close(new.grad, torch.tensor([[-3, 1], [0, 3]]).double() / 4)


def test_the_ratio_of_a_sequence_has_the_gradient_of_its_geometric_mean() -> None:
    # With one advantage per row, GSPO's objective is a plain function of the log-probs.
    new, old, advantages, mask = sample(3)
    advantages = advantages[:, :1].expand_as(new)
    count = int(mask.sum())

    def plain(x: Tensor) -> Tensor:
        gap = torch.where(mask, x - old, torch.zeros_like(x)).sum(1) / mask.sum(1)
        ratio, a = gap.exp(), advantages[:, 0]
        return -(torch.minimum(ratio * a, ratio.clamp(0.8, 1.28) * a) * mask.sum(1)).sum() / count

    new.requires_grad_()
    loss, _ = policy_loss(new, old, advantages, mask, count, dual_clip=None, ratio_level="sequence")
    (got,) = torch.autograd.grad(loss, new)
    (want,) = torch.autograd.grad(plain(new), new)
    assert torch.autograd.gradcheck(plain, (new,))
    torch.testing.assert_close(got, want)


def test_without_a_bound_a_very_likely_bad_token_counts_in_full() -> None:
    loss, _ = policy_loss(
        row(math.log(50)), row(0.0), row(-1.0), everywhere(row(0.0)), 1, dual_clip=None
    )
    assert float(loss) == pytest.approx(50)


@pytest.mark.parametrize("estimator", ["k1", "k2", "k3"])
def test_every_estimator_pulls_along_the_gradient_of_the_kl(estimator) -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(5, generator=generator, dtype=torch.float64, requires_grad=True)
    reference = torch.randn(5, generator=generator, dtype=torch.float64).log_softmax(0)
    weight = logits.detach().softmax(0)

    def exact(x: Tensor) -> Tensor:
        return (x.softmax(0) * (x.log_softmax(0) - reference)).sum()

    assert torch.autograd.gradcheck(exact, (logits,))
    (wanted,) = torch.autograd.grad(exact(logits), logits)
    in_loss, in_reward = torch.zeros_like(wanted), torch.zeros_like(wanted)
    for token in range(5):
        one = logits.log_softmax(0)[token].reshape(1, 1)
        against = reference[token].reshape(1, 1)
        loss, _ = kl_loss(one, against, everywhere(one), 1, estimator=estimator)
        in_loss += weight[token] * torch.autograd.grad(loss, logits, retain_graph=True)[0]
        # As a reward: the estimate, held fixed, weighs the gradient of the log-prob.
        paid = float(kl_estimate(one.detach(), against, everywhere(one), estimator))
        in_reward += weight[token] * paid * torch.autograd.grad(one.sum(), logits)[0]
    torch.testing.assert_close(in_loss, wanted)
    assert torch.allclose(in_reward, wanted) == (estimator == "k1"), "why only k1 is paid"


def test_weights_move_the_losses_and_not_the_statistics() -> None:
    new, old, advantages, mask = sample(1)
    count = int(mask.sum())
    weights = torch.tensor([[0.5], [2.0], [0.0], [1.0]], dtype=torch.float64)
    for function, extra in ((policy_loss, (old, advantages)), (kl_loss, (old,))):
        plain = function(new, *extra, mask, count)
        rows = [
            function(new[i : i + 1], *(x[i : i + 1] for x in extra), mask[i : i + 1], count)
            for i in range(4)
        ]
        loss, stats = function(new, *extra, mask, count, weights=weights)
        expected = sum(w * r[0] for w, r in zip(weights[:, 0], rows, strict=True))
        torch.testing.assert_close(loss, expected)
        for name in stats.keys() - {"policy_loss"}:
            torch.testing.assert_close(stats[name], plain[1][name])
