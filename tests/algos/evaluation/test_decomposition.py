"""Laws of `algos.evaluation.decomposition`: routing and skill add up, and are 0 where due."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.cluster_intervals import interval_of_parts
from algos.evaluation.decomposition import decompose
from algos.evaluation.measures import difference
from algos.evaluation.row_results import EpisodeResult


def episode(name: str, turns: int, correct: bool | None, video: str = "a") -> EpisodeResult:
    return EpisodeResult(name, video, 60.0, {}, correct, 8, turns, None, None)


def run(*rows: tuple[int, bool | None]) -> list[EpisodeResult]:
    return [episode(str(k), turns, right, f"video {k}") for k, (turns, right) in enumerate(rows)]


def test_a_case_worked_by_hand() -> None:
    # Before: one turn 2 of 4 questions, accuracy 1/2; more turns 2 of 4, accuracy 1/2.
    before = run((1, True), (1, False), (3, True), (2, False))
    # After: one turn 1 of 4, accuracy 1; more turns 3 of 4, accuracy 2/3.
    after = run((1, True), (2, True), (3, True), (2, False))
    found = decompose(after, before)
    assert found is not None and found.questions == 4
    gain, routing, skill = found.parts
    assert [part.name for part in found.parts] == ["gain", "routing", "skill"]
    # routing: (1/4 - 1/2)(1/2 + 1)/2 + (3/4 - 1/2)(1/2 + 2/3)/2 = -3/16 + 7/48
    # skill:   (1/2 + 1/4)/2 (1 - 1/2) + (1/2 + 3/4)/2 (2/3 - 1/2) = 3/16 + 5/48
    assert gain.mean == pytest.approx(1 / 4)
    assert routing.mean == pytest.approx(-3 / 16 + 7 / 48)
    assert skill.mean == pytest.approx(3 / 16 + 5 / 48)
    moves = {(m.before, m.after): m for m in found.moves}
    moved = moves["one turn", "more turns"]
    assert (moved.questions, moved.accuracy_before, moved.accuracy_after) == (1, 0.0, 1.0)
    assert moved.gain == pytest.approx(1 / 4)
    nobody = moves["more turns", "one turn"]
    assert (nobody.questions, nobody.accuracy_before, nobody.gain) == (0, None, 0.0)


def test_only_the_split_moves() -> None:
    """Accuracy 1 at once and 0 with looks, before and after: all of the gain is routing."""
    before, after = run((1, True), (2, False), (2, False)), run((1, True), (1, True), (2, False))
    found = decompose(after, before)
    assert found is not None
    assert [part.mean for part in found.parts] == pytest.approx([1 / 3, 1 / 3, 0.0])


def test_a_route_that_one_run_never_took_is_routing() -> None:
    found = decompose(run((2, True), (2, True)), run((1, True), (1, False)))
    assert found is not None
    assert [part.mean for part in found.parts] == pytest.approx([0.5, 0.5, 0.0])


ROWS = st.tuples(st.integers(1, 3), st.sampled_from([True, False, None]))


@given(st.lists(st.tuples(ROWS, ROWS, st.sampled_from("abc")), min_size=1, max_size=12))
def test_both_ways_of_taking_it_apart_add_up_to_the_paired_gain(rows) -> None:
    before = [episode(str(k), *b, video) for k, (b, _, video) in enumerate(rows)]
    after = [episode(str(k), *a, video) for k, (_, a, video) in enumerate(rows)]
    found, gap = decompose(after, before), difference(after, before)
    if found is None:
        assert gap.mean is None
        return
    gain, routing, skill = found.parts
    assert found.questions == gap.questions == sum(move.questions for move in found.moves)
    assert gain.mean == pytest.approx(gap.mean, abs=1e-12)
    assert routing.mean + skill.mean == pytest.approx(gap.mean, abs=1e-12)
    assert sum(move.gain for move in found.moves) == pytest.approx(gap.mean, abs=1e-12)
    # The same draws as the paired difference: the interval of the gain is the same interval.
    assert gain.interval == (None if gap.interval is None else pytest.approx(gap.interval))


@given(st.lists(ROWS, min_size=1, max_size=12))
def test_a_run_against_itself_gained_nothing(rows) -> None:
    found = decompose(run(*rows), run(*rows))
    if found is not None:
        assert [part.mean for part in found.parts] == [0.0, 0.0, 0.0]
        ends = [part.interval for part in found.parts if part.interval is not None]
        assert all(low == -high < 0 for low, high in ends)


def test_the_worked_example_of_the_docstring() -> None:
    """20 % and 60 % at once; .5 and .6 of them right, .8 of the others."""
    before = [(1, k < 50) for k in range(100)] + [(2, k < 320) for k in range(400)]
    after = [(1, k < 180) for k in range(300)] + [(2, k < 160) for k in range(200)]
    found = decompose(run(*after), run(*before))
    gains = [part.mean for part in found.parts]
    assert gains == pytest.approx([-0.06, -0.10, 0.04], abs=1e-9)


def test_the_intervals_of_all_parts_leave_one_video_out_at_a_time() -> None:
    """From five videos on: the spread of each part over the runs without one video."""
    rows = [((1, True), (1, True)), ((1, False), (2, True)), ((2, True), (2, False)),
            ((3, False), (2, True)), ((2, False), (1, False)), ((1, True), (3, True)),
            ((2, True), (1, True))]  # fmt: skip
    videos = ["a", "a", "b", "c", "d", "e", "e"]

    def split(kept: list[int]):
        before, after = (
            [episode(str(k), *rows[k][side], videos[k]) for k in kept] for side in (0, 1)
        )
        found = decompose(after, before)
        assert found is not None
        return found

    whole = split(list(range(7)))
    parts = [split([k for k in range(7) if videos[k] != name]).parts for name in "abcde"]
    for number, part in enumerate(whole.parts):
        without = np.array([other[number].mean for other in parts])
        assert part.interval == pytest.approx(interval_of_parts(part.mean, without, 7))
    assert len({part.interval for part in whole.parts}) == 3
    few = split([k for k in range(7) if videos[k] != "c"])
    assert [part.interval for part in few.parts] == [None] * 3, "four videos say too little"
