"""Anytime answers: what a policy believed of a question's choices after each turn, on record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from algos.rollout.playing import Progress
from algos.rollout.trajectory import Trajectory
from policies.introspection import BelievingPolicy
from sage_env.datasets.item import QAItem


def believer(policy: Any) -> BelievingPolicy | None:
    """Return who can say what it believes: the policy, or who answers for it; `None` for nobody."""
    acting = getattr(policy, "answerer", policy)
    return acting if isinstance(acting, BelievingPolicy) else None


def record_beliefs(policy: Any, item: QAItem, trajectory: Trajectory) -> None:
    """Write into each turn of an episode what the policy believed, where it can say so.

    Nothing that is played later changes. The episode keeps its tokens, actions and rewards.

    Args:
        policy: who played.
        item: the question, for its choices.
        trajectory: the episode, tokens included; those of an open question stay without beliefs.

    Raises:
        ModelError: if a turn's tokens are not those of its episode.
    """
    who = believer(policy)
    spoken = [turn for turn in trajectory.turns if turn.decision.tokens is not None]
    silent = [turn.decision.tokens is None for turn in trajectory.turns]
    whole = silent == sorted(silent)  # else tokens are missing from the context of some turn
    if who is None or len(item.choices) < 2 or not spoken or not whole:
        return
    tokens = [turn.decision.tokens for turn in spoken if turn.decision.tokens is not None]
    (found,) = who.beliefs([tokens], [item.choices])
    by_turn = {id(turn): belief for turn, belief in zip(spoken, found, strict=True)}
    trajectory.turns = [replace(turn, beliefs=by_turn.get(id(turn))) for turn in trajectory.turns]


def believing(policy: Any, items: Iterable[QAItem], progress: Progress) -> Progress:
    """Return a `progress` for `collect` and `evaluate` that first records beliefs.

    Where the policy has none to tell, that is `progress` itself.

    Args:
        policy: who plays.
        items: the questions, those that are played among them.
        progress: what is called with each episode that ended.
    """
    if believer(policy) is None:
        return progress
    asked = {item.id: item for item in items}

    def first_beliefs(trajectory: Trajectory) -> None:
        item = asked.get(str(trajectory.item_id))
        if item is not None:
            record_beliefs(policy, item, trajectory)
        progress(trajectory)

    return first_beliefs


def belief_rows(trajectory: Trajectory) -> list[list[float] | None] | None:
    """Return the beliefs of an episode as a row has them: a list per turn of a number per choice.

    `None` in place of a turn's list, or of all of them, where none was recorded.
    """
    found = [turn.beliefs for turn in trajectory.turns]
    if not any(belief is not None for belief in found):
        return None
    return [None if belief is None else list(belief) for belief in found]
