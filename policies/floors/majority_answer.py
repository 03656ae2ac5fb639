"""The answer that is right most often in a split that is not the one played."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from policies.floors.choice_floors import ChoiceFloor
from sage_env.datasets.item import QAItem


@dataclass(frozen=True)
class _MostOften:
    """The gold answers of some questions: by text and by position, the most frequent first."""

    texts: tuple[str, ...]
    positions: tuple[int, ...]

    def __call__(self, choices: Sequence[str]) -> str | None:
        for text in self.texts:
            if text in choices:
                return text
        return next((choices[k] for k in self.positions if k < len(choices)), None)


def majority(items: Iterable[QAItem]) -> ChoiceFloor:
    """Return a policy that gives the choice that was right most often among other questions.

    It is the choice with the text that was right most often; where none of the choices ever was,
    the one at the position that was.

    Args:
        items: questions of the training split; those without choices do not count.
    """
    texts: Counter[str] = Counter()
    positions: Counter[int] = Counter()
    for item in items:
        if item.answer in item.choices:
            texts[item.answer] += 1
            positions[item.choices.index(item.answer)] += 1
    often = tuple(text for text, _ in texts.most_common())
    return ChoiceFloor(_MostOften(often, tuple(k for k, _ in positions.most_common())))
