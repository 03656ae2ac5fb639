"""Laws of `algos.objectives.aggregation`: the means, and no cut into pieces changes a gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from algos.objectives.aggregation import mask_weights, row_weights
from algos.objectives.losses import entropy_loss
from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_objective, backward, critic_objective
from algos.presets import PRESETS, preset
from policies.base import TokenBatch
from tests.helpers.slow_maths import averaged
from tests.helpers.toy import ToyPolicy, toy_batch

torch.set_num_threads(1)
AGGREGATIONS = ["token-mean", "sequence-mean", "constant-length"]


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    # Rows of 1 and 3 tokens with terms 4 and 1, 2, 3.
    [("token-mean", 10 / 4), ("sequence-mean", (4 + 2) / 2), ("constant-length", 10 / 5 / 2)],
)
def test_the_means_by_hand(aggregation, expected: float) -> None:
    terms = torch.tensor([[0.0, 4.0, 9.0, 9.0], [1.0, 2.0, 3.0, 9.0]], dtype=torch.float64)
    mask = torch.tensor([[False, True, False, False], [True, True, True, False]])
    weights = row_weights(mask, aggregation, length=5)
    loss, stats = entropy_loss(terms, mask, 4, weights=weights)
    assert float(loss) == pytest.approx(-expected)
    assert float(stats["entropy"]) == pytest.approx(10 / 4), "a statistic changed its meaning"


@pytest.mark.parametrize("aggregation", AGGREGATIONS)
def test_the_means_agree_with_the_loop(aggregation) -> None:
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        terms = torch.randn(6, 11, generator=generator, dtype=torch.float64)
        mask = torch.rand(6, 11, generator=generator) < 0.5
        mask[:, 3] = True
        weights = row_weights(mask, aggregation, length=7)
        loss, _ = entropy_loss(terms, mask, int(mask.sum()), weights=weights)
        rows = [row[of].tolist() for row, of in zip(terms, mask, strict=True)]
        assert float(loss) == pytest.approx(-averaged(rows, aggregation, 7), abs=1e-6)


def test_the_worked_example_of_the_docstring() -> None:
    sampled = torch.tensor([[True, False, False], [True, True, True]])
    for aggregation, expected in (("sequence-mean", [2, 2 / 3]), ("constant-length", [0.5, 0.5])):
        found = row_weights(sampled, aggregation, length=4)
        torch.testing.assert_close(found[:, 0], torch.tensor(expected))
    assert row_weights(sampled, "token-mean", length=4) is None


def test_a_part_of_the_tokens_has_its_own_mean() -> None:
    terms = torch.tensor([[1.0, 2.0, 3.0], [5.0, 7.0, 9.0]])
    sampled = torch.tensor([[True, True, True], [True, True, False]])
    first = torch.tensor([[True, False, False], [True, False, False]])
    loss, _ = entropy_loss(terms, sampled, 5, weights=mask_weights(first, sampled))
    assert float(loss) == pytest.approx(-3.0)


def moved(policy: ToyPolicy) -> ToyPolicy:
    """Away from the reference, the old policy and zero values."""
    generator = torch.Generator().manual_seed(4)
    with torch.no_grad():
        for parameter in policy.actor_parameters() + policy.critic_parameters():
            parameter += 0.1 * torch.randn(parameter.shape, generator=generator)
    return policy


def gradients(
    config: PPOConfig, policy: ToyPolicy, batch: TokenBatch, groups: list[str], rows: list[int]
) -> list[Tensor]:
    """The gradients of actor and critic for one minibatch."""
    parameters = policy.actor_parameters() + policy.critic_parameters()
    for parameter in parameters:
        parameter.grad = None
    targets = make_targets(config, policy, batch, groups)
    actor = actor_objective(config, policy, batch, targets)
    backward(config, replace(actor, scored=list), rows, policy.actor_parameters())
    if config.uses_critic:
        critic = critic_objective(config, policy, batch, targets)
        backward(config, critic, rows, policy.critic_parameters())
    return [p.grad for p in parameters if p.grad is not None]


CASES = [
    PPOConfig(
        aggregation=aggregation,
        ratio_level=level,
        kl_coef=0.1,
        entropy_coef=0.01,
        constant_length=5,
        advantage="both",
    )
    for aggregation in AGGREGATIONS
    for level in ("token", "sequence")
] + [preset(name, advantage="critic") for name in ("turn-ppo", "bi-level")]


@pytest.mark.parametrize(
    "config", CASES, ids=lambda c: f"{c.aggregation}-{c.ratio_level}-{c.clock}"
)
def test_neither_micro_batches_nor_the_order_of_rows_change_the_gradient(config) -> None:
    policy, batch, groups = toy_batch()
    moved(policy)
    rows = list(range(1, 30))
    whole = gradients(replace(config, micro_batch=99), policy, batch, groups, rows)
    assert all(float(g.abs().max()) > 1e-4 for g in whole)
    for size in (1, 3, 8):
        pieces = gradients(replace(config, micro_batch=size), policy, batch, groups, rows)
        for x, y in zip(pieces, whole, strict=True):
            torch.testing.assert_close(x, y, atol=1e-5, rtol=0)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(1)).tolist()
    other = batch.select(order)
    places = [order.index(row) for row in rows]
    shuffled = gradients(
        replace(config, micro_batch=3), policy, other, [groups[i] for i in order], places
    )
    for x, y in zip(shuffled, whole, strict=True):
        torch.testing.assert_close(x, y, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "ppo"])
def test_no_preset_depends_on_how_the_batch_is_cut(name: str) -> None:
    policy, batch, groups = toy_batch()
    moved(policy)
    config = preset(name)
    whole, pieces = (
        gradients(replace(config, micro_batch=size), policy, batch, groups, list(range(32)))
        for size in (32, 3)
    )
    for x, y in zip(pieces, whole, strict=True):
        torch.testing.assert_close(x, y, atol=1e-5, rtol=0)


def test_where_nothing_is_asked_nothing_counts() -> None:
    sampled = torch.ones(2, 3, dtype=torch.bool)
    assert mask_weights(torch.zeros_like(sampled), sampled).tolist() == [[0.0] * 3] * 2


def test_a_row_of_nothing_weighs_nothing_and_spoils_nothing() -> None:
    sampled = torch.tensor([[True, True], [False, False]])
    for aggregation in AGGREGATIONS[1:]:
        weights = row_weights(sampled, aggregation, length=2)
        assert weights is not None and weights.shape == (2, 1) and weights.isfinite().all()
    assert row_weights(sampled, "sequence-mean", length=2).tolist() == [[0.5], [1.0]]  # type: ignore[union-attr]


def test_the_weights_of_one_token_among_many() -> None:
    sampled = torch.ones(2, 3, dtype=torch.bool)
    one = torch.zeros_like(sampled)
    one[1, 2] = True
    assert mask_weights(one, sampled).tolist() == [[0.0] * 3, [0.0, 0.0, 6.0]]
