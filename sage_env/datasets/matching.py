"""Is this answer right? Exact rules first; what they cannot decide is left to a judge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from typing import TypeAlias

from sage_env.datasets.item import QAItem
from sage_env.errors import JudgeError, boundary
from sage_env.timeline import parse_seconds

Judge: TypeAlias = Callable[[QAItem, str], bool]

_LETTER = re.compile(
    r"(?:(?:answer|option|choice)(?:\s+is)?\s*:?\s*)?"
    r"(?:\((?P<inside>[a-z])\)|(?P<bare>[a-z])(?P<mark>[).:]?))"
    r"(?P<rest>.*)",
    re.DOTALL,
)
_ARTICLE = re.compile(r"(?:a|an|the)\s+(?=\S)")
_THOUSANDS = re.compile(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?")
_SECONDS_UNIT = re.compile(r"\s*(?:s|secs?|seconds?)$")


def match_answer(item: QAItem, text: str) -> bool | None:
    """Return whether `text` answers `item`; `None` where only a judge can tell.

    With choices: the text of a choice, or its letter (`B`, `(b)`, `B.`, `B) star`, `Option B`); a
    letter that contradicts the text beside it is wrong, and a choice's text wins over a letter.
    Open-ended: the same text up to case, spaces, outer punctuation and a leading article; the same
    number up to `item.tolerance`, where times may be `MM:SS` or have a seconds unit; or an alias.
    An open answer that matches none of these is `None`, unless both sides are numbers.
    """
    if not text.strip():
        return False
    answer = normalise(text)
    if any(answer == normalise(right) for right in (item.answer, *item.aliases)):
        return True
    if item.choices:
        chosen = _choice(item.choices, answer)
        return chosen is not None and item.choices[chosen] == item.answer
    given, gold = _number(answer), _number(normalise(item.answer))
    if given is None or gold is None:
        return None
    # Decimal fractions are not exact in binary: 12.3 - 12.0 must not exceed a tolerance of 0.3.
    return abs(given - gold) <= (item.tolerance or 0.0) + 1e-9 * max(1.0, abs(gold))


def judge_answer(item: QAItem, text: str, judge: Judge | None = None) -> bool:
    """Return whether `text` answers `item`: by `match_answer`, else by `judge`, else it does not.

    Raises:
        JudgeError: if the judge raises an exception or returns something other than a bool.
    """
    verdict = match_answer(item, text)
    if verdict is not None or judge is None:
        return bool(verdict)
    with boundary(JudgeError, f"the judge failed on item {item.id!r}", passes=(JudgeError,)):
        judged: object = judge(item, text)
    if not isinstance(judged, bool):
        raise JudgeError(f"a judge must return True or False, got {judged!r}")
    return judged


def normalise(text: str) -> str:
    """Drop what does not matter: case, spacing, outer quotes and stops, a leading article."""
    folded = " ".join(unicodedata.normalize("NFC", text).casefold().split())
    # A leading dot may be a decimal point, so stops are dropped at the end only.
    bare = folded.lstrip(" \"'`“‘").rstrip(" .,;:!?\"'`”’")
    return _ARTICLE.sub("", bare, count=1) if _ARTICLE.match(bare) else bare or folded


def _choice(choices: tuple[str, ...], answer: str) -> int | None:
    """Return the index of the choice that a normalised answer names, by text or by letter."""
    texts = [normalise(choice) for choice in choices]
    if answer in texts:
        return texts.index(answer)
    named = _LETTER.fullmatch(answer)
    if named is None:
        return None
    index = ord(named["inside"] or named["bare"]) - ord("a")
    rest = named["rest"]
    if index >= len(choices) or (rest and not (named["inside"] or named["mark"])):
        return None  # "a star" is an article, not the letter A
    return index if not rest or normalise(rest) == texts[index] else None


def _number(text: str) -> float | None:
    """Read a number: `5`, `-1.5`, `1,234`, `02:05`, `12 seconds`; `None` if it is none."""
    sign = -1.0 if text.startswith("-") else 1.0
    digits = _SECONDS_UNIT.sub("", text.removeprefix("-").removeprefix("+"))
    if _THOUSANDS.fullmatch(digits):
        digits = digits.replace(",", "")
    value = parse_seconds(digits)
    return None if value is None else sign * value
