"""The word error rate of a transcript."""

from __future__ import annotations

import re
from dataclasses import dataclass

_SPEAKER = re.compile(r"\b[A-Z]{2,}:")
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@dataclass(frozen=True)
class WordErrors:
    """Words that have to be put in, taken out or exchanged to get from one text to another.

    Attributes:
        errors: the fewest such changes.
        words: of the reference.
    """

    errors: int
    words: int

    @property
    def rate(self) -> float:
        """Return errors per word of the reference; 0 for an empty one without errors."""
        return self.errors / max(1, self.words)

    def __add__(self, other: WordErrors) -> WordErrors:
        """Return the errors of two texts together."""
        return WordErrors(self.errors + other.errors, self.words + other.words)


def word_errors(heard: str, reference: str) -> WordErrors:
    """Return the errors of what was heard against what was said.

    Case, punctuation and the names of speakers (`NAR:`) do not count.

    >>> word_errors("the cat sat down", "The cat sat.")
    WordErrors(errors=1, words=3)
    """
    ours, theirs = spoken_words(heard), spoken_words(reference)
    row = list(range(len(ours) + 1))
    for number, word in enumerate(theirs, start=1):
        last, row[0] = row[0], number
        for place, other in enumerate(ours, start=1):
            change = last + (word != other)
            last, row[place] = row[place], min(change, row[place] + 1, row[place - 1] + 1)
    return WordErrors(row[-1], len(theirs))


def spoken_words(text: str) -> list[str]:
    """Return the words of a text in lower case."""
    bare = _SPEAKER.sub(" ", text).replace("’", "'").lower()
    return _WORD.findall(bare)
