"""Two episodes of one question side by side, turn by turn, as text; and where they part."""

from __future__ import annotations

from itertools import zip_longest
from typing import Any

from algos.rollout.trajectory import Trajectory, Turn
from sage_env.actions.action import ACTION_NAMES, Answer, Invalid, UseTool
from sage_env.timeline import clock

WIDTH = 45
"""Characters of a column: two of them, a number and a mark fit into a terminal of 100."""
_KEPT = ("frame_seconds", "span", "box", "stop_reason", "correct")


def first_difference(one: Trajectory, other: Trajectory) -> int | None:
    """Return the first turn in which two episodes differ, 0 for the overview; `None` for none.

    What counts is what was shown, what was done, and how it ended; not what it cost the machine.
    """
    if _shown(one.start_info) != _shown(other.start_info):
        return 0
    for number, pair in enumerate(zip_longest(one.turns, other.turns), 1):
        if pair[0] is None or pair[1] is None or _of_turn(pair[0]) != _of_turn(pair[1]):
            return number
    return None if one.error == other.error else len(one.turns) + 1


def timelines(
    recorded: Trajectory, replayed: Trajectory, names: tuple[str, str] = ("recorded", "replayed")
) -> str:
    """Return both episodes as two columns; a line of a turn that differs begins with `*`.

    Args:
        recorded: on the left.
        replayed: on the right.
        names: the heads of the columns.
    """
    lines = [_line(" ", "turn", *names), _line(" ", "----", "-" * WIDTH, "-" * WIDTH)]
    both = _shown(recorded.start_info), _shown(replayed.start_info)
    looks = [_look("overview", one.start_info) for one in (recorded, replayed)]
    lines.append(_line(" " if both[0] == both[1] else "*", "0", looks[0], looks[1]))
    for number, (one, other) in enumerate(zip_longest(recorded.turns, replayed.turns), 1):
        same = one is not None and other is not None and _of_turn(one) == _of_turn(other)
        cells = ["" if turn is None else _cell(turn) for turn in (one, other)]
        lines.append(_line(" " if same else "*", str(number), cells[0], cells[1]))
    lines.append(_line(" ", "end", _ending(recorded), _ending(replayed)))
    return "\n".join(line.rstrip() for line in lines)


def _of_turn(turn: Turn) -> tuple[Any, ...]:
    return turn.decision.action, _shown(turn.info)


def _shown(info: dict[str, Any]) -> list[Any]:
    found = (info.get(name) for name in _KEPT)
    return [list(value) if isinstance(value, tuple | list) else value for value in found]


def _cell(turn: Turn) -> str:
    action = turn.decision.action
    if isinstance(action, Answer):
        return f"answer: {action.text}"
    if isinstance(action, Invalid):
        return f"no action: {action.reason}"
    name = ACTION_NAMES[type(action)]
    return _look(f"{name} {action.name}" if isinstance(action, UseTool) else name, turn.info)


def _look(name: str, info: dict[str, Any]) -> str:
    """Return what came of a turn: the stretch that was served, and how many frames of it."""
    words, span, box = [name], info.get("span"), info.get("box")
    if span and name != "overview":
        words.append(f"{clock(span[0])} to {clock(span[1])}")
    if "dropped" in info:
        words.append(f"({len(info['dropped'])} frames dropped)")
    elif info.get("frame_seconds"):
        words.append(f"{len(info['frame_seconds'])} frames")
    return " ".join(words) + (" of a box" if box else "")


def _ending(trajectory: Trajectory) -> str:
    if trajectory.error is not None:
        return f"failed: {trajectory.error}"
    last = trajectory.turns[-1].info if trajectory.turns else trajectory.start_info
    words = {True: "right", False: "wrong", None: "not judged"}[last.get("correct")]
    infos = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    frames = sum(len(info.get("frame_seconds") or ()) for info in infos)
    why = "" if last.get("stop_reason") == "answered" else ", out of turns"
    turns = f"{trajectory.num_turns} turn{'s' * (trajectory.num_turns != 1)}"
    return f"{words}{why}; {turns}, {frames} frames"


def _line(mark: str, turn: str, left: str, right: str) -> str:
    return f"{mark} {turn:>4}  {_cut(left):<{WIDTH}}  {_cut(right)}"


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= WIDTH else f"{text[: WIDTH - 1]}…"
