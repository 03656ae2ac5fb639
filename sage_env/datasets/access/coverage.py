"""Which questions can be asked, and what share of the official ones they are.

Every set whose videos lie on YouTube loses some over time, so that a score is of the questions
whose videos are there. Beside it stands the share of them, and the score in which each missing
question counts as wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sage_env.datasets.item import QAItem
from sage_env.datasets.native.video_files import missing_videos, with_videos


@dataclass(frozen=True)
class Coverage:
    """How much of a dataset is there.

    Attributes:
        questions: that can be asked: their video is there.
        videos: of these.
        of_questions: that there are: the official number, or those of the annotations if they are
            more or no number is known.
        of_videos: likewise; `None` where the number of questions is official, and that of videos
            is not known.
        official: whether `of_questions` is an official number.
    """

    questions: int
    videos: int
    of_questions: int
    of_videos: int | None
    official: bool = False

    @property
    def whole(self) -> bool:
        """Return whether nothing is missing."""
        return self.questions >= self.of_questions and self.videos >= (self.of_videos or 0)


def present(items: Sequence[QAItem]) -> tuple[Sequence[QAItem], list[QAItem]]:
    """Return the questions whose video is there, and those whose video is missing, in order.

    A dataset that makes its videos when they are asked for (`prepare`) has them all. What the
    dataset has besides its items goes with those that are kept.
    """
    if getattr(items, "prepare", None) is not None:
        return items, []
    lost = set(missing_videos(items))
    if not lost:
        return items, []
    return with_videos(items), [item for item in items if item.video in lost]


def coverage_of(items: Sequence[QAItem], kept: Sequence[QAItem]) -> Coverage:
    """Return how much of a dataset some of its questions are.

    Args:
        items: the dataset, as `load_dataset` gives it: a benchmark knows its official numbers.
        kept: those that can be asked.
    """
    benchmark, split = getattr(items, "benchmark", None), getattr(items, "split", "")
    questions = benchmark.questions.get(split) if benchmark is not None else None
    videos = benchmark.videos.get(split) if benchmark is not None else None
    known = len({item.video for item in items})
    return Coverage(
        questions=len(kept),
        videos=len({item.video for item in kept}),
        of_questions=max(questions or 0, len(items)),
        of_videos=max(videos, known) if videos else None if questions else known,
        official=questions is not None,
    )


def coverage_line(coverage: Coverage, right: float | None = None) -> str:
    """Return it in a line.

    Args:
        coverage: of the questions that were asked.
        right: how many of them were answered rightly; `None` before they are.

    >>> coverage_line(Coverage(812, 271, 2700, 900, official=True), right=651)
    '812 of 2700 official questions, 271 of 900 videos; missing counted wrong: 24.1 %'
    """
    kind = "official questions" if coverage.official else "questions"
    of = "" if coverage.of_videos is None else f" of {coverage.of_videos}"
    line = f"{coverage.questions} of {coverage.of_questions} {kind}, {coverage.videos}{of} videos"
    if right is None or not coverage.of_questions:
        return line
    return f"{line}; missing counted wrong: {100 * right / coverage.of_questions:.1f} %"
