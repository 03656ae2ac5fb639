"""The answer that is right most often in a split that is not the one played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.floors.choice_floors import ChoiceFloor
from sage_env.datasets.item import QAItem


@dataclass(frozen=True)
class _MostOften:
    """The gold answers of some questions: by text and by position, the most frequent first.

    Attributes:
        texts: of questions with choices.
        positions: of these, from 0.
        open_answer: of open ones, the most frequent; `None` without any.
    """

    texts: tuple[str, ...]
    positions: tuple[int, ...]
    open_answer: str | None

    def __call__(self, choices: Sequence[str]) -> str | None:
        if not choices:
            return self.open_answer
        for text in self.texts:
            if text in choices:
                return text
        return next((choices[k] for k in self.positions if k < len(choices)), None)


def majority(items: Iterable[QAItem]) -> ChoiceFloor:
    """Return a policy that gives the answer that was right most often among other questions.

    Of choices it is the one with the text that was right most often; where none of them ever was,
    the one at the position that was. An open question gets the most frequent answer to open ones.

    Args:
        items: questions of the training split.
    """
    texts: Counter[str] = Counter()
    positions: Counter[int] = Counter()
    written: Counter[str] = Counter()
    for item in items:
        if not item.choices:
            written[item.answer] += 1
        elif item.answer in item.choices:
            texts[item.answer] += 1
            positions[item.choices.index(item.answer)] += 1
    often = tuple(text for text, _ in texts.most_common())
    places = tuple(k for k, _ in positions.most_common())
    answer = next((text for text, _ in written.most_common(1)), None)
    return ChoiceFloor(_MostOften(often, places, answer))
