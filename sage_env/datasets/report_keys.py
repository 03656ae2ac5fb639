"""Report keys of which a question has several values: one text, and the values in it."""

from __future__ import annotations

from collections.abc import Iterable

_BETWEEN = " | "


def joined(values: Iterable[str]) -> str:
    """Return several values of one report key as the text that `QAItem.group` holds, each once.

    >>> joined(["reasoning", "entity recognition", "reasoning"])
    'reasoning | entity recognition'
    """
    return _BETWEEN.join(dict.fromkeys(value for value in values if value))


def each_value(text: str | None) -> tuple[str, ...]:
    """Return the values that `joined` put into a text: a table counts the question under each.

    >>> each_value("reasoning | entity recognition"), each_value(None)
    (('reasoning', 'entity recognition'), ())
    """
    return () if text is None else tuple(dict.fromkeys(text.split(_BETWEEN)))
