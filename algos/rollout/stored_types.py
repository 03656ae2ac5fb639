"""What the values of a stored episode may be: one that a hand or a disk has changed is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sage_env.argument_checks import is_finite


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, float) or is_finite(value)  # a failure has no finite reward


def _numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(is_finite, value))


def _amounts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_number, value.values()))


_OF_INFO: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "span": (lambda value: _numbers(value) and len(value) == 2, "two numbers"),
    "box": (lambda value: _numbers(value) and len(value) == 4, "four numbers"),
    "frame_seconds": (_numbers, "a list of numbers"),
    "reward_terms": (_amounts, "an object of numbers"),
    "credit": (_number, "a number"),
    "stop_reason": (_text, "a text"),
    "correct": (lambda value: isinstance(value, bool), "true or false"),
}
"""Keys of an `info` that tables and reports read; each may be missing or `None`."""


def require_types(trajectory: Any) -> None:
    """Refuse an episode that no play has written.

    Args:
        trajectory: a `Trajectory`, whose values may be of any type.

    Raises:
        ValueError: naming the value, and what it should be.
    """
    for name in ("item_id", "error"):
        value = getattr(trajectory, name)
        if value is not None and not _text(value):
            raise ValueError(f"{name} must be a text or null, got {value!r:.60}")
    _require_info("the reset", trajectory.start_info)
    for number, turn in enumerate(trajectory.turns, 1):
        where = f"turn {number}"
        if not _text(turn.decision.text):
            raise ValueError(f"{where}: text must be a text, got {turn.decision.text!r:.60}")
        if not (_number(turn.reward) and _number(turn.env_reward)):
            raise ValueError(f"{where}: reward must be a number, got {turn.reward!r:.60}")
        _require_info(where, turn.info)


def _require_info(where: str, info: Any) -> None:
    if not isinstance(info, Mapping):
        raise ValueError(f"{where}: info must be an object, got {info!r:.60}")
    for key, (check, wanted) in _OF_INFO.items():
        value = info.get(key)
        if value is not None and not check(value):
            raise ValueError(f"{where}: {key} must be {wanted}, got {value!r:.60}")
