"""The numbers of one update before its losses: what was played, and what there is to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gymnasium import Env
from torch import Tensor

from algos.ppo.targets import Targets
from algos.rollout.trajectory import Trajectory
from algos.runs.behaviour_metrics import behaviour_row, reward_row
from algos.runs.metrics import MetricsRow, rollout_row
from policies.base import TokenBatch, TrainablePolicy


def played_row(
    policy: TrainablePolicy, env: Env[Any, Any], played: Sequence[Trajectory]
) -> MetricsRow:
    """Return what a rollout says: means, behaviour, and what playing cost where the policy counts.

    Args:
        policy: who played.
        env: one of the environments; whether it has tools, is read from its `tools`.
        played: all episodes, the failed ones too.
    """
    tools = getattr(env.unwrapped, "tools", None)
    behaviour = behaviour_row(
        played,
        stop_token=getattr(policy, "stop_token", None),
        has_tools=None if tools is None else len(tools) > 0,
    )
    row = rollout_row(played) | behaviour
    if hasattr(policy, "measures"):  # frames encoded, tokens read and sampled
        row |= policy.measures()
    return row


def batch_row(episodes: Sequence[Trajectory], batch: TokenBatch, targets: Targets) -> MetricsRow:
    """Return what was earned, by reward term, and how what is learned from is spread over tokens.

    Advantages are in units of reward (of standard deviations with `divide_by_std`), over the
    sampled tokens of episodes in the actor's loss. Values are those before the batch was learned
    from, returns are the critic's targets; both where the critic is read.

    Args:
        episodes: none of them failed, with all rewards that are learned from.
        batch: the same.
        targets: of the batch.

    Returns:
        `rollout/tied` where such episodes are left out of the actor's loss; `reward/TERM`;
        `advantages/...`, and with a critic `values/...` and `returns/...`, each with
        `mean`, `std` (divided by n), `min` and `max`; None where there is no such token.
    """
    learned, tied = batch.sampled, {}
    if targets.in_loss is not None:
        learned = learned & targets.in_loss[:, None]
        tied = {"rollout/tied": len(episodes) - int(targets.in_loss.sum())}
    advantages = targets.advantages if targets.unscaled is None else targets.unscaled
    row = tied | reward_row(episodes) | _spread("advantages", advantages, learned)
    if targets.earned is not None:  # there is a critic
        judged = batch.sampled if targets.value_mask is None else targets.value_mask
        row |= _spread("values", targets.old_values, judged)
        row |= _spread("returns", targets.returns, judged)
    return row


def _spread(name: str, values: Tensor, mask: Tensor) -> MetricsRow:
    """Return mean, deviation, least and greatest of values `(B, L)` where a mask is True."""
    found = values[mask].double()
    measured: list[float | None] = [None] * 4
    if len(found):
        spread = (found.mean(), found.std(correction=0), found.min(), found.max())
        measured = [float(value) for value in spread]
    return dict(zip((f"{name}/{k}" for k in ("mean", "std", "min", "max")), measured, strict=True))
