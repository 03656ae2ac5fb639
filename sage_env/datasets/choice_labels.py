"""The labels of choices: the letters that an answer can name them by, and their texts without them.

Some benchmarks write the letter into the choice (`"B. blue"`). Then it is the choice's label, is
not written a second time into a prompt, and `blue` alone is the choice's text too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import NamedTuple

from sage_env.datasets.answer_text import fold

# `(B) blue`, `[B] blue`, `B) blue`, `B. blue`, `B: blue`, `B.blue`, `B、blue`, `B - blue`,
# `**B.** blue`, `Option B: blue`. Behind a number's stop or colon there is a blank, or `0:15` would
# have the label 0 and `1.5` the label 1; `1 - 5` is a range. `A.M.` is no label either.
_LETTER, _NUMBER = "[A-Za-zＡ-Ｚａ-ｚ]", "[0-9]{1,2}"
_OWN = re.compile(
    rf"\s*(?P<mark>\*\*|__)?(?:(?:option|choice|answer)\s+)?(?:"
    rf"[(\[（【](?P<inside>{_LETTER}|{_NUMBER})[)\]）】][.:]?\s*"
    rf"|(?P<letter>{_LETTER})(?:[)）、．：|]\s*|[.:](?:\s+|(?=(?(mark)[*_]|\w\w)))|\s+[-–—|]\s+)"
    rf"|(?P<number>{_NUMBER})(?:[)）、]\s*|[.:]\s+)"
    r")(?(mark)(?P=mark)\s*)(?P<text>\S.*)",
    re.IGNORECASE,
)


class Labelled(NamedTuple):
    """A choice with its label.

    Attributes:
        label: a capital letter or a number; `""` for a choice beyond the 26th without its own.
        text: the choice without its own label.
    """

    label: str
    text: str


def label_choices(choices: Sequence[str]) -> list[Labelled]:
    """Return the label and text of each choice.

    The choices' own labels count if all have one and these are the first letters, or the first
    numbers, in any order (`A B C`, `1 2 3`): initials such as `C. elegans` are no labels. Else the
    first is A, the second B, and so on up to Z.

    >>> label_choices(["(a) red", "(b) blue"])
    [Labelled(label='A', text='red'), Labelled(label='B', text='blue')]
    """
    found = [_OWN.fullmatch(choice) for choice in choices]
    own = [fold(m["inside"] or m["letter"] or m["number"]).upper() for m in found if m]
    count = len(choices)
    letters, numbers = ascii_uppercase[:count], [str(k + 1) for k in range(count)]
    if len(own) == count and (sorted(own) == list(letters) or sorted(own) == sorted(numbers)):
        texts = [m["text"] for m in found if m]
        return [Labelled(label, text) for label, text in zip(own, texts, strict=True)]
    labels = [*ascii_uppercase[:count], *[""] * (count - len(letters))]
    return [Labelled(label, choice) for label, choice in zip(labels, choices, strict=True)]


def lettered(choices: Sequence[str]) -> list[str]:
    """Return the choices as a prompt lists them: `B. blue`; as they are where they have labels."""
    labelled = label_choices(choices)
    if [one.text for one in labelled] != list(choices):
        return list(choices)
    return [f"{one.label}. {one.text}" if one.label else one.text for one in labelled]
