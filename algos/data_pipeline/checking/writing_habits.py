"""What the writing of choices gives away: the longest is right, or one position is, too often.

Of one question little can be said: a right choice several times as long as all others is told, and
rejected where the settings say so. Of all questions together, the share that the longest choice
gets right is compared with what chance gets right, with an interval over videos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algos.data_pipeline.checking.guesses import chance_of
from algos.metrics.estimates import Estimate, gap_estimate
from sage_env.datasets.item import QAItem


@dataclass(frozen=True)
class WritingHabits:
    """What is found over all questions with choices.

    Attributes:
        questions: how many they are.
        longest: share that the longest choice gets right (1/m where m are as long), less chance.
        positions: how often the right choice stands at each position, from 1.
        expected: how often it would, were every position as likely.
        position_gap: share that the most frequent position gets right, less chance. It is chosen
            after the fact, so that it is above 0 by luck; the interval does not allow for that.
    """

    questions: int
    longest: Estimate
    positions: Mapping[int, int]
    expected: Mapping[int, float]
    position_gap: Estimate

    @property
    def length_biased(self) -> bool:
        """Return whether the right choices are the longest ones more often than by chance."""
        ends = self.longest.interval
        return ends is not None and ends[0] > 0


def writing_habits(items: Sequence[QAItem], videos: Sequence[str]) -> WritingHabits:
    """Return what the choices of all questions give away.

    Args:
        items: the questions; those without choices are passed over.
        videos: the name of each one's video.
    """
    asked = [(item, video) for item, video in zip(items, videos, strict=True) if item.choices]
    names = [video for _, video in asked]
    gaps = [longest_hit(item) - chance_of(item.choices) for item, _ in asked]
    places = [item.choices.index(item.answer) + 1 for item, _ in asked]
    counts = Counter(places)
    most = max(counts, key=lambda k: (counts[k], -k), default=0)
    expected: dict[int, float] = {}
    for item, _ in asked:
        for k in range(1, len(item.choices) + 1):
            expected[k] = expected.get(k, 0.0) + chance_of(item.choices)
    at_most = [
        float(place == most) - (chance_of(item.choices) if most <= len(item.choices) else 0.0)
        for (item, _), place in zip(asked, places, strict=True)
    ]
    return WritingHabits(
        len(asked),
        gap_estimate(gaps, names),
        dict(sorted(counts.items())),
        dict(sorted(expected.items())),
        gap_estimate(at_most, names),
    )


def longest_hit(item: QAItem) -> float:
    """Return the probability that the longest choice is right: 1/m where m are as long, or 0."""
    sizes = [len(choice.strip()) for choice in item.choices]
    most = max(sizes)
    if len(item.answer.strip()) < most:
        return 0.0
    return 1 / sizes.count(most)


def length_ratio(item: QAItem) -> float | None:
    """Return how many times as long as the longest other choice the right one is.

    `None` without choices, or where it is the only one.
    """
    others = [len(choice.strip()) for choice in item.choices if choice != item.answer]
    return len(item.answer.strip()) / max(others) if others else None
