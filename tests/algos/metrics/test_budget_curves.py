"""Laws of `algos.metrics.budget_curves`, `entry_lines` and `spending`: frames, dollars, by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.metrics.budget_curves import area, area_gap, common_range, curves_of, pareto
from algos.metrics.entry_lines import EntryLine, clue_of, direct_frames, direct_of
from algos.metrics.spending import spending_of
from tests.helpers.handmade import asked


def line(policy, right, frames, *, budget=None, control=None, repeat=0):
    """Return a line of as many questions as `right` has marks: 1, 0, or - for a failure."""
    episodes = [
        asked(
            f"q{k}",
            None if mark == "-" else mark == "1",
            f"video {k}",
            frames=frames,
            error="VideoError: gone" if mark == "-" else None,
        )
        for k, mark in enumerate(right)
    ]
    return EntryLine(policy, episodes, policy, control, budget, repeat)


LADDER = [
    line("agent", "1000", 8, budget=8),
    line("agent", "1100", 16, budget=16),
    line("agent", "1111", 32, budget=32),
    line("uniform:8:agent", "0000", 8),
    line("uniform:32:agent", "1110", 32),
    line("agent", "1111", 16, control="oracle"),
    line("random", "0000", 4),
]


def test_a_curve_is_a_policy_at_its_budgets_and_direct_is_one_of_its_own() -> None:
    agent, direct = curves_of(LADDER[::-1])
    assert (agent.name, agent.direct, direct.name, direct.direct) == ("agent", False, "agent", True)
    assert [(p.budget, p.frames, p.accuracy.mean) for p in agent.points] == [
        (8, 8.0, 0.25), (16, 16.0, 0.5), (32, 32.0, 1.0),
    ]  # fmt: skip
    assert common_range([agent, direct]) == (8.0, 32.0) and common_range([]) is None
    assert curves_of(LADDER[:1]) == [], "one point is no curve"


def test_the_area_by_hand() -> None:
    """Over two doublings: (.25 + .5) / 2 and (.5 + 1) / 2; DIRECT: (0 + .75) / 2 over both."""
    agent, direct = curves_of(LADDER)
    assert area(agent, 8, 32).mean == pytest.approx((0.375 + 0.75) / 2)
    assert area(direct, 8, 32).mean == pytest.approx(0.375)
    assert area(direct, 16, 32).mean == pytest.approx((0.375 + 0.75) / 2)
    assert area_gap(agent, direct, 8, 32).mean == pytest.approx(0.5625 - 0.375)


def test_curves_are_compared_over_the_frames_that_all_reach() -> None:
    ladders = [[line(name, "10", n, budget=n) for n in reach]
               for name, reach in (("a", (4, 32)), ("b", (8, 64)), ("c", (64, 128)))]  # fmt: skip
    a, b, c = (curves_of(lines)[0] for lines in ladders)
    assert common_range([a, b]) == common_range([b, a]) == (8.0, 32.0)
    assert common_range([b, c]) is None is common_range([a, c]), "one point, and none"


def test_of_budgets_that_showed_as_many_frames_the_smallest_counts() -> None:
    lines = [line("agent", right, n, budget=b)
             for right, n, b in (("10", 8, 8), ("11", 8, 16), ("11", 16, 32))]  # fmt: skip
    for order in (lines, lines[::-1]):
        assert [p.budget for p in curves_of(order)[0].points] == [8, 32]


def test_an_area_is_over_the_questions_that_all_points_have() -> None:
    """Question 1 failed at 16 frames: of the others, 1/3, 1/3 and 1 are right."""
    lines = [LADDER[0], line("agent", "1-00", 16, budget=16), LADDER[2]]
    (curve,) = curves_of(lines)
    found = area(curve, 8, 32)
    assert found.questions == 3 and found.mean == pytest.approx((1 / 3 + 2 / 3) / 2)


def test_repeats_are_one_point() -> None:
    lines = [LADDER[0], line("agent", "0100", 8, budget=8, repeat=1), LADDER[2]]
    (curve,) = curves_of(lines)
    assert curve.points[0].right == {"q0": 0.5, "q1": 0.5, "q2": 0.0, "q3": 0.0}
    assert curve.points[0].accuracy.mean == 0.25
    assert area(curve, 8, 32).mean == pytest.approx((0.25 + 1) / 2)


def test_where_frames_are_not_counted_there_is_no_curve() -> None:
    assert curves_of([line("whole", "10", None, budget=b) for b in (8, 16)]) == []


def test_points_that_are_beaten_by_hand() -> None:
    points = [(8, 0.5), (16, 0.5), (16, 0.7), (32, 0.6), (8, 0.5), (16, 0.6)]
    assert pareto(points) == [True, False, True, False, True, False]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(0, 5)), min_size=1, max_size=9))
def test_the_undominated_points_rise_and_beat_the_others(points) -> None:
    kept = sorted({p for p, best in zip(points, pareto(points), strict=True) if best})
    assert kept and all(a[0] < b[0] and a[1] < b[1] for a, b in zip(kept, kept[1:], strict=False))
    for cost, right in points:
        assert any(c <= cost and r >= right for c, r in kept)


def test_the_lines_that_belong_to_a_policy() -> None:
    agent = LADDER[1]
    assert direct_frames("uniform:16") == (16, "") and direct_frames("agent") is None
    assert direct_frames("uniform:16:openai:m") == (16, "openai:m")
    assert direct_of(agent, LADDER).policy == "uniform:8:agent"
    between = replace(agent, budget=20)
    for lines in (LADDER, LADDER[::-1]):
        assert direct_of(between, lines).policy == "uniform:32:agent", "the more of two as near"
    assert direct_of(LADDER[2], LADDER).policy == "uniform:32:agent"
    free = replace(LADDER[2], budget=None)  # no budget was set: as many as it was shown
    assert direct_of(free, LADDER).policy == "uniform:32:agent"
    second = replace(LADDER[3], repeat=1)
    for lines in ([second, *LADDER], [*LADDER, second]):
        assert direct_of(replace(LADDER[0], repeat=1), lines) is second, "with the same seeds"
        assert direct_of(LADDER[0], lines) is LADDER[3]
    assert direct_of(LADDER[-1], LADDER) is None
    assert clue_of(agent, LADDER).control == "oracle" and clue_of(LADDER[-1], LADDER) is None
    named = line("oracle:agent", "1111", 16, control="oracle")
    assert clue_of(agent, [agent, named]) is named


def test_spending_by_hand() -> None:
    """10 and 30 tokens of a right and a wrong answer, 5 of a failure; of one, dollars are known."""
    episodes = [
        asked("a", True, spent={"tokens": 10, "cost": 0.5}),
        asked("b", False, spent={"tokens": 30}),
        asked("c", None, error="JudgeError: no reply", spent={"tokens": 5}),
        asked("d", True),
    ]
    tokens, dollars = spending_of(episodes)
    assert (tokens.name, tokens.total, tokens.known) == ("tokens", 45, 3)
    assert (tokens.each.mean, tokens.per_right.mean) == (20, 40)
    assert (dollars.name, dollars.total, dollars.known) == ("cost", 0.5, 1)
    assert spending_of([asked("a", True)]) == [], "what is not known is not 0"
