"""Laws of `algos.objectives.losses`: where a log-ratio is held, rows of one token and of none."""

from __future__ import annotations

import math

import pytest
import torch

from algos.objectives.losses import kl_estimate, policy_loss

torch.set_num_threads(1)


@pytest.mark.parametrize("nats", [19.0, 20.0, 25.0])
def test_a_ratio_is_the_ratio_up_to_20_nats_and_stays_there(nats: float) -> None:
    mask, bad = torch.ones(1, 1, dtype=torch.bool), -torch.ones(1, 1, dtype=torch.float64)
    now = torch.full((1, 1), nats, dtype=torch.float64)
    loss, stats = policy_loss(now, torch.zeros_like(now), bad, mask, 1.0, dual_clip=None)
    held = math.exp(min(nats, 20.0))
    assert float(loss) == pytest.approx(held)
    assert float(stats["approx_kl"]) == pytest.approx(held - 1 - min(nats, 20.0))
    _, below = policy_loss(-now, torch.zeros_like(now), bad, mask, 1.0)
    assert float(below["approx_kl"]) == pytest.approx(min(nats, 20.0) - 1, abs=1e-5)
    for estimator in ("k1", "k2", "k3"):
        far = kl_estimate(-now, torch.zeros_like(now), mask, estimator)
        gap = min(nats, 20.0)
        expected = {"k1": -gap, "k2": gap**2 / 2, "k3": math.exp(gap) - 1 - gap}[estimator]
        assert float(far) == pytest.approx(expected)


def test_the_ratio_of_a_row_of_one_token_is_its_own_and_a_row_of_none_has_none() -> None:
    now = torch.tensor([[0.1, 9.0], [0.2, 0.4], [9.0, 9.0]], dtype=torch.float64)
    now.requires_grad_()
    mask = torch.tensor([[True, False], [True, True], [False, False]])
    ones = torch.ones_like(mask, dtype=torch.float64)
    loss, stats = policy_loss(now, 0 * ones, ones, mask, 3.0, clip_high=9.0, ratio_level="sequence")
    expected = (math.exp(0.1) + 2 * math.exp(0.3)) / 3
    assert float(loss.detach()) == pytest.approx(-expected)
    assert all(bool(x.isfinite()) for x in stats.values())
    (gradient,) = torch.autograd.grad(loss, now)
    assert gradient.tolist() == [
        pytest.approx([-math.exp(0.1) / 3, 0.0]), pytest.approx([-math.exp(0.3) / 3] * 2), [0, 0]
    ]  # fmt: skip
