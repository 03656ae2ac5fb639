"""Laws of `benchmarks.learning.critic_or_group`.

At equal time the best update that had ended by then is compared, and gains are paired by seed.
"""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from algos.evaluation.row_results import EpisodeResult  # noqa: E402
from benchmarks.learning.critic_or_group import (  # noqa: E402
    BASE,
    EPISODES,
    TIME,
    RunPoint,
    Settings,
    chosen,
    report,
)

ROWS = [
    {"update": 0, "eval/score": 0.3},
    {"update": 1, "time/cpu": 10.0},
    {"update": 2, "time/cpu": 12.0, "eval/score": 0.5},
    {"update": 3, "time/cpu": 8.0, "eval/score": 0.5},
    {"update": 4, "time/cpu": 10.0, "eval/score": 0.6},
]


@pytest.mark.parametrize(
    "seconds, expected",
    [
        (None, (4, 40.0)),
        (40.0, (4, 40.0)),
        (39.0, (2, 30.0)),
        (22.0, (2, 22.0)),
        (21.0, (0, 10.0)),
        (0.0, (0, 0.0)),
    ],
)
def test_the_best_of_what_had_ended_by_then_is_compared(seconds, expected) -> None:
    assert chosen(ROWS, seconds) == expected


def played(right: list[bool]) -> list[EpisodeResult]:
    return [
        EpisodeResult(str(n), f"video {n}", 60.0 + 1000 * (n % 2), {}, correct, 16, 1, None, None)
        for n, correct in enumerate(right)
    ]


def test_gains_are_paired_with_the_group_of_the_same_seed() -> None:
    worse, better = played([True, False, False, False] * 2), played([True] * 8)
    found = {
        ("group", EPISODES): [RunPoint(4, 40.0, worse), RunPoint(4, 40.0, better)],
        ("group", BASE): [RunPoint(0, 0.0, worse)] * 2,
        ("critic", EPISODES): [RunPoint(4, 44.0, better), RunPoint(4, 44.0, better)],
        ("critic", TIME): [RunPoint(2, 33.0, better), RunPoint(2, 33.0, worse)],
    }
    lines = report(Settings(seeds=(0, 1)), found).splitlines()
    gains = [" ".join(line.split()) for line in lines if " critic  " in line and "+" in line]
    gains += [" ".join(line.split()) for line in lines if line.startswith("1 ") and " -7" in line]
    assert [g.split(" [")[0] for g in gains] == [
        "0 critic equal episodes +75.0",
        "1 critic equal episodes +0.0",
        "0 critic equal time +75.0",
        "1 critic equal time -75.0",
    ]
    (line,) = [line for line in lines if line.startswith("critic") and "episodes" in line]
    assert "100.0" in line and line.endswith("44")
