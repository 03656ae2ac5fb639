"""The choices of a question, found by their texts, their numbers and their labels."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NamedTuple

from sage_env.datasets.answer_text import fold, normalise, without_markup
from sage_env.datasets.choice_labels import Labelled, label_choices
from sage_env.datasets.written_numbers import (
    SECONDS_OF_UNIT,
    Number,
    clocks_as_seconds,
    read_number,
    same_number,
)


class Named(NamedTuple):
    """The choice that an answer names.

    Attributes:
        choice: its index; `None` if the answer names none, or not clearly.
        rule: what decided: `text`, `number`, `letter`, `letter_and_text`, `claim`, a rule of
            `choice_naming.WRONG_RULES`, or `undecided`.
    """

    choice: int | None
    rule: str


UNDECIDED = Named(None, "undecided")


_AT = re.compile(r"(?:from|at|between)\s+(?=[0-9])")


class Options:
    """The choices of one question, ready to be found in texts."""

    def __init__(self, choices: tuple[str, ...]) -> None:
        """Take the choices as the dataset has them."""
        self.choices = choices
        self.labelled: list[Labelled] = label_choices(choices)
        self._texts: dict[Callable[[str], str], list[set[str]]] = {}

    @cached_property
    def _numbers(self) -> list[Number | None]:
        return [read_number(normalise(one.text)) for one in self.labelled]

    def by_text(self, text: str) -> Named | None:
        """Return the choice that `text` is, the strictest comparison first; `None` if it is none.

        A text that several choices are, by the strictest comparison that finds any, is undecided:
        of `Will` and `will`, `WILL` is neither.
        """
        for key in _KEYS:
            wanted = key(text)
            found = {k for k, keys in enumerate(self._texts_by(key)) if wanted and wanted in keys}
            if found:
                clear = len(found) == 1 and not self._only_asked(text, min(found))
                return Named(min(found), "text") if clear else UNDECIDED
        return self._by_number(without_markup(text))

    def _texts_by(self, key: Callable[[str], str]) -> list[set[str]]:
        """Return the choices' texts by a comparison, made when it is first needed: few are."""
        if key not in self._texts:
            self._texts[key] = [
                {key(choice), key(one.text)}
                for choice, one in zip(self.choices, self.labelled, strict=True)
            ]
        return self._texts[key]

    def _only_asked(self, text: str, index: int) -> bool:
        """Return whether a text asks for the choice instead of naming it: `blue?`."""
        return is_question(text) and not is_question(self.choices[index])

    def _by_number(self, text: str) -> Named | None:
        """Return the choice that is the same number or time as `text`, if all choices are some."""
        given = None if is_question(text) else read_number(normalise(text))
        numbers = [number for number in self._numbers if number is not None]
        if given is None or len(numbers) < len(self.choices):
            return None
        forms = {number.form for number in numbers}
        given = _in_unit_of(given, forms)
        if given is None:
            return None
        found = [k for k, n in enumerate(numbers) if same_number(given.value, n.value)]
        return Named(found[0], "number") if len(found) == 1 else None

    def index_of(self, label: str) -> int | None:
        """Return the index of the choice with that label, in either case; `None` if none has it."""
        found = [k for k, one in enumerate(self.labelled) if one.label == label.upper()]
        return found[0] if found else None


def _exact(text: str) -> str:
    return " ".join(fold(text).split())


def _bare(text: str) -> str:
    # A leading dot may be a decimal point.
    return _exact(text).casefold().lstrip(" \"'`“‘").rstrip(" .,;:!\"'`”’")


def _plain(text: str) -> str:
    return normalise(" ".join(without_markup(text).split()))


def _times(text: str) -> str:
    plain = _plain(text)
    written = clocks_as_seconds(plain)
    return _AT.sub("", written) if written != plain else ""


def _measures(text: str) -> str:
    return re.sub(r"(?<=[0-9])\s+(?=[^\W\d_])", "", _plain(text))  # 5 kg is 5kg


_KEYS: tuple[Callable[[str], str], ...] = (_exact, _bare, normalise, _plain, _times, _measures)
"""Comparisons of texts, from the strictest to the loosest; `""` compares with nothing."""


def is_question(text: str) -> bool:
    """Return whether a text ends with a question mark, whatever closes behind it."""
    return text.rstrip(" \"'`”’*_)]").endswith("?")


def _in_unit_of(given: Number, forms: set[str]) -> Number | None:
    """Return the number in the choices' terms; `None` where its unit would have to be guessed.

    `15` may be any of `0:15` and `15:00`; among `5 s` and `10 s` it is seconds.
    """
    if "plain" in forms and len(forms) > 1:
        return None
    if given.form != "plain" or forms == {"plain"}:
        return given
    factor = SECONDS_OF_UNIT.get(next(iter(forms))) if len(forms) == 1 else None
    return None if factor is None else Number(given.value * factor, next(iter(forms)))


options_of = lru_cache(maxsize=256)(Options)
"""The `Options` of a tuple of choices, made once."""
