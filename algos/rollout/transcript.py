"""An episode as text for the terminal: what was looked at, turn by turn, and the answer."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from algos.rollout.trajectory import Trajectory, Turn
from sage_env.actions.action import ACTION_NAMES, Answer, Invalid
from sage_env.actions.action_text import format_action
from sage_env.datasets.item import QAItem
from sage_env.timeline import clock


def transcript(item: QAItem, trajectory: Trajectory, *, judged: bool = True) -> str:
    """Return the question, every turn, and the answer.

    Args:
        item: the question.
        trajectory: the episode.
        judged: say the gold answer and the verdict; False where the gold answer is not known.
    """
    lines = [f"{item.video}", f"question: {item.question}"]
    if item.choices:
        lines.append("choices:  " + " | ".join(item.choices))
    if _seen(trajectory.start_info):
        lines.append(f"overview  {_seen(trajectory.start_info)}")
    for number, turn in enumerate(trajectory.turns, 1):
        lines += _turn_lines(number, turn)
    lines.append(_ending(trajectory))
    if judged and trajectory.error is None:
        verdict = trajectory.turns[-1].info.get("correct")
        words = {True: "right", False: "wrong", None: "not judged"}
        lines.append(f"gold:     {item.answer} ({words[verdict]})")
    return "\n".join(lines)


def _turn_lines(number: int, turn: Turn) -> list[str]:
    action = turn.decision.action
    text = turn.decision.text
    if not text:
        text = action.text if isinstance(action, Invalid) else format_action(action)
    lines = [f"turn {number:<4} {ACTION_NAMES[type(action)]}: {text}"]
    if isinstance(action, Invalid):
        lines.append(f"          not an action: {action.reason}")
    if _seen(turn.info):
        lines.append(f"          {_seen(turn.info)}")
    return lines


def _ending(trajectory: Trajectory) -> str:
    if trajectory.error is not None:
        return f"failed:   {trajectory.error}"
    last = trajectory.turns[-1].decision.action
    return f"answer:   {last.text}" if isinstance(last, Answer) else "answer:   none, out of turns"


def _seen(info: dict[str, Any]) -> str:
    """Return how many frames a turn showed and when they are on screen, "" for none."""
    seconds = info.get("frame_seconds") or ()
    if not seconds:
        return ""
    noun = "frame" if len(seconds) == 1 else "frames"
    return f"{len(seconds)} {noun} at {', '.join(clock(second) for second in seconds)}"


def unjudged(trajectory: Trajectory) -> Trajectory:
    """Return the episode without verdict and reward: its gold answer is not known."""
    if not trajectory.turns:
        return trajectory
    *before, last = trajectory.turns
    info = {**last.info, "reward_terms": {}, "correct": None}
    return replace(
        trajectory, turns=[*before, replace(last, reward=0.0, info=info, env_reward=0.0)]
    )


def spent_in_words(trajectory: Trajectory, seconds: float) -> str:
    """Return what an episode cost: its turns and frames, and `seconds`, the time that it took."""
    last = trajectory.turns[-1].info if trajectory.turns else trajectory.start_info
    spent = last.get("spent")
    if spent is None:  # not even the overview was shown
        return f"{seconds:.1f} s"
    frames = f"{_count(spent.frames_shown, 'frame')}, {spent.frames_unique} different"
    if trajectory.conditions.whole_video:
        frames = "the whole video"
    return (
        f"{_count(spent.turns, 'turn')}, {frames}, {seconds:.1f} s, of which "
        f"{spent.decode_seconds:.1f} s reading the video"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
