"""Step credit: what a look was worth, by a counterfactual without its frames.

The counterfactual episode is the same in every token but for the frames of one turn and their
times, which are left out of the prompt. The sampled answer is scored again after it:

    credit = log p(answer | everything) - log p(answer | everything but this turn's frames)

in nats, over all sampled tokens of the answer's turn. It is 0 where the answer does not depend on
the frames, also where another look shows the same, and negative where they spoke against it.

As a reward the credit is paid on the look's last sampled token, if the answer is right. A look
that made a wrong answer likelier is neither paid nor charged: a charge would be one for looking.
The weights that sampled the episode score it, and no gradient passes through the score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor

from algos.batching.token_batches import by_micro_batch, collate
from algos.recipe.frame_target import add_term
from algos.recipe.settings import Recipe
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import AblatesFrames, TokenBatch, TrainablePolicy
from sage_env.actions.action import Answer

KEY = "credit"
"""Where a turn's `info` (and the overview's, `start_info`) has the credit of its frames."""
TERM = "step_credit"
"""Name of the pay among a turn's `reward_terms`."""


def with_credit(
    policy: TrainablePolicy,
    trajectories: Sequence[Trajectory],
    *,
    micro_batch: int,
    temperature: float | None = None,
    overview: bool = False,
) -> list[Trajectory]:
    """Return the episodes with the credit of every turn that showed frames, in its `info`.

    Nothing is measured in episodes that failed, were not answered, or have no tokens.

    Args:
        policy: who sampled them, with the weights that it had then.
        trajectories: the episodes.
        micro_batch: episodes per forward pass.
        temperature: at which they were sampled; by default the policy's.
        overview: also measure what the overview was worth, into `start_info`.

    Raises:
        TypeError: if the policy cannot leave frames out.
    """
    if not isinstance(policy, AblatesFrames):
        raise TypeError(
            f"step credit needs a policy with `without_frames`, and {type(policy).__name__} has "
            "none: give it one (see policies.base.AblatesFrames), or set recipe.step_credit to 0"
        )
    found = list(trajectories)
    asked = [
        (row, turn)
        for row, trajectory in enumerate(found)
        if _answered(trajectory)
        for turn in _shown(trajectory, overview)
    ]
    if not asked:
        return found
    changed = [_counterfactual(policy, found[row], turn) for row, turn in asked]
    at = policy.temperature if temperature is None else temperature
    batch = collate(changed, at, policy.actor_parameters()[0].device)
    without = _answer_logprobs(policy, batch, micro_batch)
    for (row, turn), score in zip(asked, without.tolist(), strict=True):
        tokens = found[row].turns[-1].decision.tokens
        assert tokens is not None
        found[row] = _with_credit_of_turn(
            found[row], turn, float(tokens.logprobs.astype(float).sum()) - score
        )
    return found


def paid(trajectories: Sequence[Trajectory], recipe: Recipe) -> list[Trajectory]:
    """Return the episodes with the credit of their looks paid, where the answer is right."""
    limit = recipe.step_credit_limit

    def pay(turn: Turn) -> Turn:
        credit = turn.info.get(KEY)
        if credit is None:
            return turn
        return add_term(turn, TERM, recipe.step_credit * min(max(credit, -limit), limit))

    return [
        replace(t, turns=[pay(turn) for turn in t.turns]) if _right(t) else t for t in trajectories
    ]


def mean_credit(trajectories: Sequence[Trajectory]) -> float | None:
    """Return the mean credit of all looks that have one, in nats; None if none has."""
    found = [turn.info[KEY] for t in trajectories for turn in t.turns if KEY in turn.info]
    return sum(found) / len(found) if found else None


def _answered(trajectory: Trajectory) -> bool:
    turns = trajectory.turns
    return (
        trajectory.error is None
        and not trajectory.truncated
        and bool(turns)
        and isinstance(turns[-1].decision.action, Answer)
        and all(turn.decision.tokens is not None for turn in turns)
    )


def _right(trajectory: Trajectory) -> bool:
    return bool(trajectory.turns) and trajectory.turns[-1].info.get("correct") is True


def _shown(trajectory: Trajectory, overview: bool) -> list[int]:
    """Return the turns whose prompt brought frames; turn 0 brought the overview."""
    tokens = [turn.decision.tokens for turn in trajectory.turns]
    return [k for k, t in enumerate(tokens) if t is not None and t.frames and (k or overview)]


def _counterfactual(policy: AblatesFrames, trajectory: Trajectory, turn: int) -> Trajectory:
    """Return the episode as if the prompt of one turn had brought no frames."""
    turns = list(trajectory.turns)
    decision = turns[turn].decision
    assert decision.tokens is not None
    changed = replace(decision, tokens=policy.without_frames(decision.tokens))
    turns[turn] = replace(turns[turn], decision=changed)
    return replace(trajectory, turns=turns)


def _answer_logprobs(policy: TrainablePolicy, batch: TokenBatch, micro_batch: int) -> Tensor:
    """Return the log-probability of the last turn's sampled tokens, per row: float64 `(B,)`."""
    last = batch.turn == batch.turn.max(1, keepdim=True).values
    only = replace(batch, sampled=batch.sampled & last, cache={})
    with torch.no_grad():
        scores = by_micro_batch(lambda part: policy.evaluate(part).logprobs, only, micro_batch)
    return torch.where(only.sampled, scores, 0.0).double().sum(1)


def _with_credit_of_turn(trajectory: Trajectory, turn: int, credit: float) -> Trajectory:
    """Return the episode with the credit of the frames in the prompt of turn number `turn`.

    It stands in the `info` of the turn before, which asked for these frames; the credit of turn 0,
    whose prompt shows the overview, in `start_info`.
    """
    if turn == 0:
        return replace(trajectory, start_info={**trajectory.start_info, KEY: credit})
    turns = list(trajectory.turns)
    turns[turn - 1] = replace(turns[turn - 1], info={**turns[turn - 1].info, KEY: credit})
    return replace(trajectory, turns=turns)
