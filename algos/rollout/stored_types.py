"""What the values of a stored episode may be: one that a hand or a disk has changed is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sage_env.argument_checks import is_finite, is_whole


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, float) or is_finite(value)  # a failure has no finite reward


def _numbers(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(map(is_finite, value))


def _amounts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_number, value.values()))


def _known_amounts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(one is None or _number(one) for one in value.values())


def _count(value: Any) -> bool:
    return is_whole(value) and is_finite(value)


def _counts(value: Any) -> bool:
    return isinstance(value, Mapping) and all(map(_count, value.values()))


def _object(value: Any) -> bool:
    return isinstance(value, Mapping)


_OF_INFO: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "span": (lambda value: _numbers(value) and len(value) == 2, "two numbers"),
    "box": (lambda value: _numbers(value) and len(value) == 4, "four numbers"),
    "frame_seconds": (_numbers, "a list of numbers"),
    "reward_terms": (_amounts, "an object of numbers"),
    "credit": (_number, "a number"),
    "stop_reason": (_text, "a text"),
    "correct": (lambda value: isinstance(value, bool), "true or false"),
    "spent": (_known_amounts, "an object of numbers"),
    "tool_calls": (_counts, "an object of whole numbers"),
    "told": (_object, "an object"),
    "judge": (lambda value: _text(value) or _object(value), "a text or an object"),
    "judge_words": (_text, "a text"),
}
"""Keys of an `info` that tables and reports read; each may be missing or `None`."""
_WHOLE = (_count, "a whole number")
_OF_CONDITIONS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "max_turns": _WHOLE,
    "max_frames": _WHOLE,
    "frames_per_turn": _WHOLE,
    "overview_frames": _WHOLE,
    "top_k": _WHOLE,
    "max_new_tokens": _WHOLE,
    "policy_seed": _WHOLE,
    "temperature": (_number, "a number"),
    "top_p": (_number, "a number"),
    "policy_version": (_text, "a text"),
    "episode": (lambda value: _text(value) or is_whole(value), "a text or a whole number"),
    "whole_video": (lambda value: isinstance(value, bool), "true or false"),
}
"""Fields of `Conditions`; each may be `None`."""


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
    conditions = vars(trajectory.conditions)
    _require("the conditions", {key: conditions[key] for key in _OF_CONDITIONS}, _OF_CONDITIONS)
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
    _require(where, info, _OF_INFO)


def _require(
    where: str, found: Mapping[str, Any], checks: Mapping[str, tuple[Callable[[Any], bool], str]]
) -> None:
    for key, (check, wanted) in checks.items():
        value = found.get(key)
        if value is not None and not check(value):
            raise ValueError(f"{where}: {key} must be {wanted}, got {value!r:.60}")
