"""What the values of a stored row may be: a row that a hand or a disk has changed is refused.

A row of another type would be measured all the same, as another number or as a wrong answer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from algos.evaluation.row_results import SPENT
from sage_env.argument_checks import is_finite, is_whole

Check = Callable[[Any], bool]
_NUMBERS = frozenset((int, float))
_LARGEST = sys.float_info.max


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _amount(value: Any) -> bool:
    if type(value) in _NUMBERS:  # what JSON has for one: there are a million in a large file
        return bool(0 <= value <= _LARGEST)
    return is_finite(value) and value >= 0


def _count(value: Any) -> bool:
    return (type(value) is int or is_whole(value)) and _amount(value)


def _share(value: Any) -> bool:
    return _amount(value) and value <= 1


def _texts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_text, value.values()))


def _amounts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_amount, value.values()))


def _numbers(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(one, float) or is_finite(one) for one in value.values()
    )


def _counts(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_count, value.values()))


def _spans(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(pair, list) and len(pair) == 2 and all(map(is_finite, pair)) for pair in value
    )


def _beliefs(value: Any) -> bool:
    return isinstance(value, list) and all(
        one is None or (isinstance(one, list) and len(one) > 0 and all(map(_share, one)))
        for one in value
    )


_NEEDED: Mapping[str, tuple[Check, str]] = {
    "id": (_text, "a text"),
    "video": (_text, "a text"),
    "group": (_texts, "an object of texts"),
    "turns": (_count, "a whole number >= 0"),
}
_OR_NULL: Mapping[str, tuple[Check, str]] = {
    "verdict": (lambda value: isinstance(value, bool), "true, false or null"),
    "frames": (_count, "a whole number >= 0 or null"),
    "prediction": (_text, "a text or null"),
    "error": (_text, "a text or null"),
    "rule": (_text, "a text or null"),
}
_MAY_LACK: Mapping[str, tuple[Check, str]] = {
    "duration": (_amount, "seconds >= 0 or null"),
    "kind": (_text, "a text"),
    "choices": (_count, "a whole number >= 0"),
    "gold_choice": (_count, "a whole number >= 0 or null"),
    "question": (_text, "a text or null"),
    "gold": (_text, "a text or null"),
    "judge": (lambda value: isinstance(value, str | dict), "a text, an object or null"),
    "judge_words": (_text, "a text or null"),
    "chance": (_share, "a share or null"),
    "played_verdict": (lambda value: isinstance(value, bool), "true, false or null"),
    "evidence": (_spans, "a list of spans"),
    "evidence_recall": (_share, "a share or null"),
    "evidence_precision": (_share, "a share or null"),
    "evidence_hit_turn": (_count, "a whole number >= 0 or null"),
    "answer_iou": (_share, "a share or null"),
    "answer_iop": (_share, "a share or null"),
    "answer_spans": (_spans, "a list of spans or null"),
    "beliefs": (_beliefs, "a list of lists of shares or null"),
    "stop_reason": (_text, "a text or null"),
    "reward_terms": (_numbers, "an object of numbers or null"),
    "tool_calls": (_counts, "an object of whole numbers"),
    "tool_tokens": (_count, "a whole number >= 0 or null"),
    "tool_cost": (_amount, "a number >= 0 or null"),
    "seconds_by_stage": (_amounts, "an object of numbers or null"),
    **{key: (_amount, "a number >= 0 or null") for key in SPENT if key not in ("frames", "turns")},
}
_NOT_NULL = ("kind", "choices", "tool_calls")
_ALL: Sequence[tuple[str, Check, str, bool, bool]] = [
    (key, check, wanted, key in _MAY_LACK, key not in _NEEDED and key not in _NOT_NULL)
    for key, (check, wanted) in {**_NEEDED, **_OR_NULL, **_MAY_LACK}.items()
]
"""Key, check, what it should be, whether it may lack, whether it may be null."""
_ABSENT = object()


def check_row(row: Any) -> dict[str, Any]:
    """Return a row of `samples.jsonl` as it is, if it is one; older ones may lack newer keys.

    Raises:
        ValueError: naming the key whose value no evaluation writes, and what it should be.
    """
    if not isinstance(row, dict):
        raise ValueError(f"expected an object, got {row!r:.60}")
    for key, check, wanted, may_lack, may_be_null in _ALL:
        value = row.get(key, _ABSENT)
        if value is _ABSENT:
            if not may_lack:
                raise ValueError(f"{key} is missing")
        elif value is None:
            if not may_be_null:
                raise ValueError(f"{key} must be {wanted}, got null")
        elif not check(value):
            raise ValueError(f"{key} must be {wanted}, got {value!r:.60}")
    if row["error"] is not None and row["verdict"] is not None:
        raise ValueError(f"an episode that failed has no verdict, got {row['verdict']}")
    if row.get("gold_choice") is not None and row["gold_choice"] >= row.get("choices", 0):
        raise ValueError(f"gold_choice must be one of the choices, got {row['gold_choice']}")
    return row
