"""Laws of `algos.evaluation.measures`, `decomposition`: what is drawn for an interval is a video.

A video's questions come and go together. So asking the same again of the same videos tells little,
and the same answers about other videos a lot.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from algos.evaluation.decomposition import decompose
from algos.evaluation.measures import difference, measures_of
from algos.evaluation.row_results import EpisodeResult

Interval = tuple[float, float] | None


def episode(name: str, video: str, correct: bool, turns: int) -> EpisodeResult:
    return EpisodeResult(name, video, 60.0, {}, correct, 8, turns, None, None)


def runs(copies: int, *, on_other_videos: bool) -> tuple[list[EpisodeResult], list[EpisodeResult]]:
    """Before and after on eight videos of two questions, all asked `copies` times."""
    before, after = [], []
    for copy in range(copies):
        for number in range(16):
            name, video = f"{number}-{copy}", f"{number // 2}"
            if on_other_videos:
                video += f"-{copy}"
            before.append(episode(name, video, number // 2 % 3 == 0, 1 + number // 4 % 2))
            after.append(episode(name, video, number // 2 % 4 > 0, 1 + number // 2 % 2))
    return before, after


def part(number: int) -> Callable[..., Interval]:
    def interval(before: Sequence[EpisodeResult], after: Sequence[EpisodeResult]) -> Interval:
        found = decompose(after, before)
        assert found is not None
        return found.parts[number].interval

    return interval


INTERVALS: dict[str, Callable[..., Interval]] = {
    "accuracy": lambda before, after: measures_of(after).interval,
    "difference": lambda before, after: difference(after, before).interval,
    "gain": part(0),
    "routing": part(1),
    "skill": part(2),
}


@pytest.mark.parametrize("name", INTERVALS)
def test_more_questions_about_the_same_videos_narrow_nothing(name: str) -> None:
    once, often, others = (
        INTERVALS[name](*runs(copies, on_other_videos=apart))
        for copies, apart in ((1, False), (5, False), (5, True))
    )
    assert once is not None and often is not None and others is not None
    widths = [high - low for low, high in (once, often, others)]
    # Five times the videos narrow it to about 1 / sqrt(5); five times the questions do not.
    assert widths[1] > 0.6 * widths[0] and widths[2] < 0.6 * widths[0]
    assert widths[1] > 1.3 * widths[2]


@pytest.mark.parametrize("name", INTERVALS)
def test_one_video_says_nothing_of_others_however_much_is_asked(name: str) -> None:
    before, after = runs(3, on_other_videos=False)
    only = [[e for e in run if e.video == "3"] for run in (before, after)]
    assert len(only[0]) == 6 and INTERVALS[name](*only) is None
