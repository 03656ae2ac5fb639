"""What an agent was shown, decoded again: its stored actions in an environment made as then.

Pictures are not stored with an evaluation. They are the same again wherever the same video lies,
which is checked turn by turn; judges and rewards are not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym

from algos.exchange.played_entry import ExchangeError, PlayedEntry, PlayedQuestion, plain_json
from algos.rollout.trajectory import Trajectory
from policies.base import Decision, Observation
from sage_env.actions.action import UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv

_NOT_ASKED = ("judge", "reward", "call_timeout")
"""Options that change nothing in what is shown."""
_CHECKED = ("frame_seconds", "span", "box", "stop_reason")


@contextmanager
def environment_of(
    entry: PlayedEntry,
    *,
    root: Path | None = None,
    call_tools: bool = False,
) -> Iterator[VideoQAEnv]:
    """Give an environment that shows what the entry's own one showed.

    Args:
        entry: whose episodes are played again.
        root: folder of the videos, where they are not where the run had them.
        call_tools: whether tools may be called again, which may cost money and say other things.

    Raises:
        ExchangeError: if no such environment can be made, or tools would have to be called.
    """
    if not call_tools:
        _require_no_tool(entry)
    stored = entry.settings.get("environment") or {}
    options = {name: _tuples(value) for name, value in stored.items() if name not in _NOT_ASKED}
    items = [_below(question.item, root) for question in entry.questions]
    try:
        env = VideoQAEnv(dataset=items, **options)
    except (ValueError, TypeError) as error:
        raise ExchangeError(
            f"the environment of {entry.folder} cannot be made again: {error}"
        ) from error
    with closing(env):
        yield env


def play_again(
    env: gym.Env[Any, Any], question: PlayedQuestion, trajectory: Trajectory, actions: Sequence[Any]
) -> Iterator[Any]:
    """Yield the observation of the reset, then that of each turn.

    Args:
        env: an environment of `environment_of`, or a wrapper around it.
        question: the question.
        trajectory: its episode.
        actions: those of the episode, as `env` takes them.

    Raises:
        ExchangeError: if something else is shown than then; names the turn.
        SageEnvError: if the video cannot be read.
    """
    options = {"item_id": question.item.id, **trajectory.conditions.lowered}
    observation, info = env.reset(seed=trajectory.seed, options=options)
    _require_same(question, "overview", trajectory.start_info, info)
    yield observation
    told = [turn.info for turn in trajectory.turns]
    told += [{}] * trajectory.not_judged  # its last turn has an answer, and no record
    terminated = trajectory.terminated or trajectory.not_judged
    for number, (then, action) in enumerate(zip(told, actions, strict=True), 1):
        observation, _, ended, _, info = env.step(action)
        _require_same(question, f"turn {number}", then, info)
        if ended != (number == len(told) and terminated):
            raise _other(question, f"turn {number}", "the episode ends elsewhere")
        yield observation


def decisions_of(trajectory: Trajectory) -> list[Decision]:
    """Return what was decided, turn by turn; an answer that was not judged is the last."""
    decisions = [turn.decision for turn in trajectory.turns]
    if trajectory.not_judged and trajectory.failed is not None:
        decisions.append(trajectory.failed)
    return decisions


def actions_of(trajectory: Trajectory) -> list[Any]:
    """Return the actions of `decisions_of`."""
    return [decision.action for decision in decisions_of(trajectory)]


def shown_frames(observation: Observation) -> list[float]:
    """Return when the frames of an observation are on screen, in seconds."""
    seconds: list[float] = observation["seconds"][: int(observation["num_frames"])].tolist()
    return seconds


def _require_no_tool(entry: PlayedEntry) -> None:
    for question, trajectory in entry.episodes(not_judged=True):
        if any(isinstance(action, UseTool) for action in actions_of(trajectory)):
            raise ExchangeError(
                f"the question {question.item.id!r} was answered with a tool, whose reply is not "
                "stored: allow with --call-tools to call tools again, or leave out what needs "
                "observations"
            )


def _require_same(question: PlayedQuestion, where: str, then: Any, now: Any) -> None:
    for key in _CHECKED:
        was, found = plain_json(then.get(key)), plain_json(now.get(key))
        if key in then and was != found:
            raise _other(question, where, f"{key} was {was!r}, and is {found!r} now")


def _other(question: PlayedQuestion, where: str, what: str) -> ExchangeError:
    return ExchangeError(
        f"the question {question.item.id!r} shows something else than when it was played ({where}: "
        f"{what}): give the folder of the same videos with --root"
    )


def _below(item: QAItem, root: Path | None) -> QAItem:
    """Return the item with its video below `root`, as much of its path kept as is there."""
    if root is None:
        return item
    parts = item.video.parts[1:] if item.video.is_absolute() else item.video.parts
    tails = [root.joinpath(*parts[k:]) for k in range(len(parts))]
    return replace(item, video=next((path for path in tails if path.exists()), tails[-1]))


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
