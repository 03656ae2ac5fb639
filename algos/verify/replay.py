"""Replay: the actions of stored episodes must bring the same frames, prompts and rewards again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium import Env
from numpy.typing import NDArray

from algos.exactness.check_result import CheckResult
from algos.exactness.prompt_checks import frame_seconds
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Observation, TurnTokens
from policies.introspection import DetokenizingPolicy
from sage_env import parse_action
from sage_env.errors import SageEnvError

OLDER = (
    " (its record is of an older version, which kept neither the budget nor the environment's own "
    "reward: with a recipe, such an episode cannot be played again)"
)
SHOWN = 12  # tokens that a problem quotes before and after the one that differs


def replay(
    env: Env[Any, Any], policy: DetokenizingPolicy, trajectories: Sequence[Trajectory]
) -> CheckResult:
    """Play stored actions again, and make the prompts again from what is observed.

    The environment decodes the frames anew, the policy renders, tokenises and encodes anew.
    Everything that was stored must come out: prompts token for token, frames by their content,
    times, actions as their tokens spell them, the environment's own rewards. Each episode gets the
    budget that it was played under. What a recipe added to the rewards is not in them:
    `recipe_check` computes it again.

    Args:
        env: as the episodes were played in.
        policy: reads what `env` shows. It has the features of the frames afterwards.
        trajectories: stored episodes with tokens.
    """
    turns, problem = 0, ""
    for trajectory in trajectories:
        try:
            found = _replay(env, policy, trajectory)
        except SageEnvError as error:
            found = f"it cannot be played again: {type(error).__name__}: {error}"
        turns += trajectory.num_turns
        if found and not problem:
            problem = f"item {trajectory.item_id!r}, {found}"
    measured = f"{turns} turns of {len(trajectories)} episodes" if trajectories else ""
    return CheckResult("played again", measured, problem)


def _replay(env: Env[Any, Any], policy: DetokenizingPolicy, trajectory: Trajectory) -> str:
    """Return the first difference, "" if there is none; plays to the end in either case."""
    options: dict[str, Any] = dict(trajectory.conditions.lowered)
    if trajectory.item_id is not None:
        options["item_id"] = trajectory.item_id
    try:
        observation, info = env.reset(seed=trajectory.seed, options=options or None)
    except ValueError as error:
        return (
            f"it cannot be played again under the budget {trajectory.conditions.lowered}: {error}"
        )
    said = np.zeros(0, np.int64)
    problem = _budget_problem(trajectory.conditions, info)
    for k, turn in enumerate(trajectory.turns):
        tokens = turn.decision.tokens
        if tokens is not None:
            found = _prompt_problem(policy, observation, said, tokens, info, trajectory, k)
            problem = problem or (found and f"turn {k}: {found}")
            said = np.concatenate([said, tokens.prompt, tokens.completion])
        observation, reward, terminated, truncated, info = env.step(turn.decision.action)
        over, last = terminated or truncated, k + 1 == trajectory.num_turns
        found = _turn_problem(policy, turn, float(reward), over, last)
        problem = problem or (found and f"turn {k}: {found}")
        if over:
            break
    if problem and trajectory.conditions == Conditions():
        problem += OLDER
    return problem


def _budget_problem(conditions: Conditions, info: dict[str, Any]) -> str:
    now = conditions.with_budget(info.get("budget") or {})
    differ = [
        f"{name} {getattr(now, name)}, and was stored with {getattr(conditions, name)}"
        for name in ("max_turns", "max_frames", "frames_per_turn", "overview_frames")
        if getattr(now, name) != getattr(conditions, name) is not None
    ]
    return f"the environment plays it with {'; '.join(differ)}" if differ else ""


def _prompt_problem(
    policy: DetokenizingPolicy,
    observation: Observation,
    said: NDArray[np.int64],
    tokens: TurnTokens,
    info: dict[str, Any],
    trajectory: Trajectory,
    turn: int,
) -> str:
    prompt, keys = policy.prompt(observation, said)
    shown = [float(second) for second in info.get("frame_seconds") or ()]
    if shown != frame_seconds(trajectory, turn):
        return (
            f"frames are shown at {shown} seconds, and were stored as "
            f"{frame_seconds(trajectory, turn)}"
        )
    if not np.array_equal(prompt, tokens.prompt):
        return _first_difference(policy, prompt, tokens.prompt)
    if keys != tokens.frames:
        return "the frames have other contents, or were encoded with another vision tower"
    return ""


def _first_difference(
    policy: DetokenizingPolicy, now: NDArray[np.int64], stored: NDArray[np.int64]
) -> str:
    shortest = min(len(now), len(stored))
    differ = np.flatnonzero(now[:shortest] != stored[:shortest])
    at = int(differ[0]) if len(differ) else shortest
    part = slice(max(0, at - SHOWN), at + SHOWN)
    return (
        f"the prompt differs from token {at} on: stored {stored[at : at + 1].tolist()} in "
        f"{policy.read_text(stored[part])!r}, now {now[at : at + 1].tolist()} in "
        f"{policy.read_text(now[part])!r}"
    )


def _turn_problem(
    policy: DetokenizingPolicy, turn: Turn, reward: float, over: bool, last: bool
) -> str:
    decision = turn.decision
    if decision.tokens is not None:
        text = policy.read_text(decision.tokens.completion)
        # A policy that thinks first reads its reply as one that begins inside thoughts.
        readings = [parse_action(text, thinking=thinking) for thinking in (False, True)]
        if text != decision.text or decision.action not in readings:
            return (
                f"its tokens spell {text!r}, and it was stored as {decision.text!r}, the action "
                f"{decision.action}"
            )
    if not abs(reward - turn.env_reward) <= 1e-6:  # a nan is an offence too
        return f"the environment's reward is {reward:g}, and was stored as {turn.env_reward:g}"
    if over != last:
        return "the episode ends here" if over else "the episode goes on after its last turn"
    return ""
