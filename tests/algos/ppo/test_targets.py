"""Laws of `algos.ppo.targets`, `update`, `train_state`: nothing is computed that nobody needs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from algos.ppo.config import PPOConfig
from algos.ppo.targets import Targets, make_targets, rows_with_gradient, with_loss_weights
from algos.ppo.train_state import TrainState
from algos.ppo.update import Objective, actor_objective, critic_objective, fit
from algos.recipe.settings import Recipe
from policies.base import TokenBatch
from tests.helpers.toy import ToyPolicy, toy_batch

torch.set_num_threads(1)
GROUP = PPOConfig(advantage="group", episodes_per_question=4)


def two(scores: list[float]) -> TokenBatch:
    """Episodes of one prompt token and one sampled token each."""
    count = len(scores)
    sampled = torch.tensor([[False, True]]).expand(count, -1)
    rewards = torch.zeros(count, 2, dtype=torch.float64)
    rewards[:, 1] = torch.tensor(scores, dtype=torch.float64)
    return TokenBatch(
        torch.ones(count, 2, dtype=torch.long), torch.ones_like(sampled), sampled,
        torch.zeros(count, 2, dtype=torch.long), torch.zeros(count, 2), rewards, [()] * count,
    )  # fmt: skip


@pytest.mark.parametrize(("spread", "white"), [(0.95e-6, False), (1.05e-6, True)])
def test_equal_returns_are_not_whitened_and_others_are(spread: float, white: bool) -> None:
    batch = two([spread, -spread, spread, -spread])
    found = make_targets(GROUP, ToyPolicy(), batch, list("xxxx")).advantages[:, 1]
    raw = make_targets(replace(GROUP, whiten=False), ToyPolicy(), batch, list("xxxx"))
    assert (float(found.abs().max()) > 0.5) == white
    assert white or torch.equal(found, raw.advantages[:, 1])


def test_nothing_is_computed_that_nothing_asks_for() -> None:
    policy, batch, groups = toy_batch()
    plain = make_targets(PPOConfig(), policy, batch, groups)
    assert plain.reference is plain.value_mask is plain.in_loss is plain.weights is None
    assert plain.earned is not None
    tiny = make_targets(PPOConfig(kl_coef=1e-9), policy, batch, groups)
    assert tiny.reference is not None and tiny.reference.shape == batch.ids.shape
    group = make_targets(replace(GROUP, drop_ties=True), policy, batch, groups)
    assert group.earned is None and group.in_loss is not None and not group.old_values.any()
    turns = make_targets(PPOConfig(clock="turn"), policy, batch, groups)
    assert turns.value_mask is not None and turns.value_mask.any(1).all()
    bi_level = make_targets(PPOConfig(clock="bi-level"), policy, batch, groups)
    assert bi_level.value_mask is None


def with_advantages(rows: list[float]) -> tuple[TokenBatch, Targets]:
    batch = two([0.0] * len(rows))
    advantages = torch.tensor(rows)[:, None] * batch.sampled
    zeros = torch.zeros_like(advantages)
    return batch, Targets(advantages, zeros, zeros)


@pytest.mark.parametrize(
    ("config", "advantages", "expected"),
    [
        (GROUP, [0.0, -1e-9, 2.0, 0.0], [2, 1]),
        (GROUP, [0.0, 0.0, 0.0, 0.0], [3]),
        (replace(GROUP, kl_coef=1e-9), [0.0, 1.0, 0.0, 0.0], [3, 2, 1]),
        (replace(GROUP, entropy_coef=1e-9), [0.0, 0.0, 0.0, 0.0], [3, 2, 1]),
    ],
)
def test_only_what_moves_the_actor_is_scored_and_never_nothing(config, advantages, expected):
    batch, targets = with_advantages(advantages)
    assert rows_with_gradient(config, batch, targets, [3, 2, 1]) == expected


def test_an_advantage_where_nothing_was_sampled_moves_nothing() -> None:
    batch, targets = with_advantages([0.0, 0.0])
    targets.advantages[1, 0] = 5.0
    assert rows_with_gradient(GROUP, batch, targets, [0, 1]) == [0]


def test_weights_stand_at_the_rows_of_their_minibatch_only() -> None:
    batch, targets = with_advantages([1.0] * 4)
    batch = replace(batch, sampled=batch.sampled.clone())
    batch.sampled[2, 0] = True  # two sampled tokens
    config = replace(GROUP, aggregation="sequence-mean")
    found = with_loss_weights(config, batch, targets, [2, 0])
    assert found.weights is not None and found.value_weights is None
    assert found.weights[:, 0].tolist() == [1.5, 0.0, 0.75, 0.0]
    first = replace(targets, value_mask=torch.tensor([[False, True]]).expand(4, -1))
    found = with_loss_weights(config, batch, first, [2, 0])
    assert found.value_weights is not None
    assert found.value_weights.tolist() == [[0.0, 1.5], [0.0, 0.0], [0.0, 1.5], [0.0, 0.0]]
    assert with_loss_weights(GROUP, batch, targets, [0]) is targets, "all tokens count alike"


def test_a_part_of_the_targets_has_what_the_whole_has() -> None:
    batch, targets = with_advantages([1.0, 2.0, 3.0])
    whole = replace(targets, in_loss=torch.tensor([True, False, True]), weights=torch.ones(3, 1))
    part = whole.select([2, 1], 1)
    assert part.in_loss is not None and part.in_loss.tolist() == [True, False]
    assert part.advantages.shape == (2, 1) and part.reference is part.earned is None
    assert whole.select([2], 2).advantages.tolist() == [[0.0, 3.0]]


def test_the_actor_alone_runs_side_by_side_and_learns_from_what_is_in_its_loss() -> None:
    batch, targets = with_advantages([1.0, 2.0, 3.0])
    config, policy = replace(GROUP, workers=3), ToyPolicy()
    chosen = replace(targets, in_loss=torch.tensor([True, False, True]))
    actor = actor_objective(config, policy, batch, chosen)
    critic = critic_objective(config, policy, batch, chosen)
    assert (actor.name, actor.workers, list(actor.rows)) == ("actor", 3, [0, 2])
    assert (critic.name, critic.workers, list(critic.rows)) == ("critic", 1, [0, 1, 2])
    assert list(actor_objective(config, policy, batch, targets).rows) == [0, 1, 2]
    assert list(critic.scored([2, 0])) == [2, 0]


def fitted(config: PPOConfig, *, epochs: int, rows: range = range(4), scored=list):
    """Four episodes of one token each; every step pulls the one weight up by the same gradient."""
    weight = torch.nn.Parameter(torch.zeros(()))
    batch, targets = with_advantages([1.0] * 4)

    def loss(part: TokenBatch, _: Targets, denominator: float):
        share = torch.tensor(len(part) / denominator)
        return -weight * share * 4, {"x": share, "entropy": share}

    objective = Objective("actor", batch, targets, loss, rows, scored)
    optimizer = torch.optim.SGD([weight], lr=1.0)
    row = fit(config, objective, optimizer, epochs=epochs, rng=np.random.default_rng(0))
    return row, float(weight.detach())


def test_statistics_are_means_over_the_steps_and_over_what_was_scored() -> None:
    config = replace(GROUP, minibatches=2, micro_batch=1, max_grad_norm=0.5)
    row, weight = fitted(config, epochs=3)
    assert row == pytest.approx(
        {"losses/x": 1.0, "losses/entropy": 1.0, "losses/actor_grad_norm": 4.0}
    )
    assert weight == pytest.approx(3 * 2 * 0.5), "six steps, each held to the largest norm"
    row, weight = fitted(config, epochs=1, scored=lambda rows: rows[:1])
    assert row == pytest.approx(
        {"losses/x": 0.5, "losses/entropy": 1.0, "losses/actor_grad_norm": 2.0}
    )
    for nothing in ({"epochs": 0}, {"epochs": 2, "rows": range(0)}):
        assert fitted(config, **nothing) == ({}, 0.0)  # type: ignore[arg-type]
    assert fitted(replace(config, minibatches=9), epochs=1)[1] == pytest.approx(4 * 0.5)


def test_what_an_update_changes_has_a_critic_only_where_one_is_used() -> None:
    config = PPOConfig(actor_lr=0.25, critic_lr=0.5, recipe=Recipe(target_frames=3.0))
    both = TrainState(config, ToyPolicy())
    assert both.actor.param_groups[0]["lr"] == 0.25 and both.critic is not None
    assert both.critic.param_groups[0]["lr"] == 0.5
    alone = TrainState(replace(GROUP, actor_lr=0.25), ToyPolicy())
    assert alone.critic is None and not any(n.startswith("recipe/") for n in alone.tensors())
    assert "recipe/multiplier" in both.tensors()
    alone.load_tensors(alone.tensors())
    with pytest.raises(ValueError, match='advantage="critic" needs a critic and this policy has'):
        TrainState(config, Silent())  # type: ignore[arg-type]
    assert TrainState(GROUP, Silent()).critic is None  # type: ignore[arg-type]


class Silent(ToyPolicy):
    """A policy without a critic."""

    def critic_parameters(self):
        return []
