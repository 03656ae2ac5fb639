"""Laws of `algos.viewer.run_sections`: what is drawn stands where its numbers say.

Of `headline`, `run_plays`, `effort`, `frontier`, `calibration`, `action_flow`, `surprises` and
`links`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest

from algos.evaluation.row_results import result_of_row
from algos.metrics.entry_lines import EntryLine
from algos.viewer.run_sections.action_flow import flow_section
from algos.viewer.run_sections.calibration import calibration_section
from algos.viewer.run_sections.effort import effort_section
from algos.viewer.run_sections.frontier import frontier_section
from algos.viewer.run_sections.headline import headline_section
from algos.viewer.run_sections.links import filter_term
from algos.viewer.run_sections.run_plays import RunPlays, plays_of_rows
from algos.viewer.run_sections.surprises import surprises_of
from algos.viewer.view_data import EntryView

NUMBER = r"(-?[0-9.]+)"


def row(number: int, verdict: bool | None = True, **changes: Any) -> dict[str, Any]:
    found = {
        "id": f"q{number}", "video": f"v{number}.mp4", "duration": 30.0, "group": {},
        "verdict": verdict, "frames": 8, "turns": 1, "prediction": "x", "error": None,
    }  # fmt: skip
    return {**found, **changes}


def line(title: str, rows: Sequence[dict[str, Any]], **told: Any) -> EntryLine:
    return EntryLine(title, [result_of_row(one) for one in rows], **told)


def entry(frames: int, right: int, **told: Any) -> EntryLine:
    rows = [row(k, k < right, frames=frames) for k in range(10)]
    return line(f"{right} of 10 with {frames}", rows, **told)


def found(pattern: str, html: str) -> list[tuple[float, ...]]:
    """Return the numbers of every place that fits a pattern, where `N` stands for one."""
    places = re.findall(pattern.replace("N", NUMBER), html)
    return [tuple(map(float, one if isinstance(one, tuple) else (one,))) for one in places]


def test_effort_rises_with_its_number_and_circles_lie_at_the_medians() -> None:
    now = [row(0, duration=10, turns=1), row(1, duration=3000, turns=9)]
    lines = {"now": line("Now", now), "then": line("Then", [row(0, duration=10, turns=5)])}
    html = effort_section(RunPlays(lines=lines, shown="now", before="then"))
    turns = html.partition("</svg>")[0]
    circles = sorted(found('class="cell" cx="N" cy="N"', turns))
    (medians,) = found('class="median" d="MN NLN N"', turns)
    points = [medians[:2], medians[2:]]
    assert circles[0][1] > circles[1][1], "more is higher"
    for circle, point in zip(circles, points, strict=True):
        assert circle == pytest.approx(point, abs=13)  # a cell is 12.5 by 10.1
    cells = re.findall("<td[^>]*>([^<]*)</td>", html.partition("</figure>")[0])
    assert cells == ["1", "1", "5", "1", "9", "-"]  # questions, median, median before


def test_intervals_of_the_frontier_lie_within_its_axes() -> None:
    lines = {"a": entry(4, 5), "b": entry(8, 9)}
    html = frontier_section(RunPlays(lines=lines, shown="b"))
    bars = found('class="bar" d="MN NVN"', html)
    assert len(bars) == 2 and all(16 <= y <= 292 for _, *ends in bars for y in ends)


def test_the_curve_of_reference_goes_through_the_better_of_two_that_look_as_much() -> None:
    lines = {"direct-8": entry(8, 5), "even": entry(8, 8), "direct-16": entry(16, 7)}
    plays = RunPlays(lines=lines, shown="even", baselines=frozenset(lines))
    html = frontier_section(plays)
    (curve,) = found('class="reference" d="MN NLN N"', html)
    points = found('class="point" d="MN Nm-5-5', html)[-3:]
    assert (curve[:2], curve[2:]) == (points[1], points[2])


def test_beliefs_go_across_and_what_is_right_goes_up() -> None:
    """Belief 0.95 and right in half: 52 + 0.95 * 252 across, the middle of 274 and 12 up."""
    rows = [row(k, beliefs=[[0.05, 0.95]], gold_choice=k, choices=2) for k in range(2)]
    html = calibration_section(RunPlays(lines={"a": line("A", rows)}, shown="a"))
    assert found('class="belief" cx="N" cy="N"', html) == [(291.4, 143.0)]


def test_a_group_that_is_not_known_is_no_kind() -> None:
    entries = [EntryView(key="a", title="A")]
    rows = [
        {"id": f"q{k}", "entry": "a", "verdict": True, "group.tier": tier, "group.n": k % 2}
        for k, tier in enumerate((None, "", "core"))
    ]
    found = plays_of_rows(entries, rows, "a", None).lines["a"].episodes
    assert [e.group for e in found] == [{"n": "0"}, {"n": "1"}, {"n": "0", "tier": "core"}]


def test_a_share_and_its_interval_are_drawn_in_percent() -> None:
    """Two kinds of 20 questions: half of one is right, three quarters of the other."""
    rights = {"x": 10, "y": 15}
    rows = [
        row(20 * n + k, k < right, group={"kind": name})
        for n, (name, right) in enumerate(rights.items())
        for k in range(20)
    ]
    html = headline_section(RunPlays(lines={"a": line("A", rows)}, shown="a"))
    shares = found('class="of" y="3" width="N"', html)
    ends = found('class="bar" d="MN 7HN"', html)
    assert shares == [(50.0,), (75.0,)] and len(ends) == 2
    for (share,), (low, high) in zip(shares, ends, strict=True):
        assert 10 < low < share < high <= 100


def test_luck_with_the_fewest_frames_comes_first() -> None:
    rows = [row(k, True, evidence_recall=0.0, frames=frames) for k, frames in enumerate((9, 2, 5))]
    lists = surprises_of(RunPlays(lines={"a": line("A", rows)}, shown="a"))
    (luck,) = [one for one in lists if one.title == "Right without the evidence"]
    assert [e.item_id for e, _ in luck.first] == ["q1", "q2", "q0"]


def test_floors_are_no_entries_that_had_it_right_everywhere_else() -> None:
    right, wrong = [row(0, True)], [row(0, False)]
    lines = {"a": line("A", wrong), "b": line("B", right), "c": line("C", right)}
    floor = {"floor": line("Floor", wrong, control="blind")}
    for more, total in ((floor, 1), ({"d": line("D", wrong)}, 0)):
        lists = surprises_of(RunPlays(lines={**lines, **more}, shown="a"))
        assert [one.total for one in lists if "everywhere else" in one.title] == [total]


def test_bands_of_the_flow_lie_beside_each_other_and_are_told() -> None:
    paths = {
        "q0": ("overview", "answer"), "q1": ("overview", "zoom", "answer"),
        "q2": ("overview", "answer"), "q3": ("overview", "skip", "answer"),
    }  # fmt: skip
    rows = [row(0), row(1, False), row(2), row(3, None)]
    html = flow_section(RunPlays(lines={"a": line("A", rows)}, shown="a", paths=paths))
    bands = found('class="band[^"]*" d="MN NCN N N N N NvN', html)
    starts = sorted((one[0], one[1], one[8]) for one in bands)
    ends = sorted((one[6], one[7], one[8]) for one in bands)
    for places in (starts, ends):
        for (x, y, high), (other, below, _) in pairwise(places):
            assert x != other or below >= y + high - 0.15, "no band lies on another"
    table = re.findall(r"<tr><th scope=\"row\">([^<]*)</th><td[^>]*>([^<]*)</td>", html)
    assert {("1. overview", "2. answer"), ("2. answer", "verdict: right")} <= set(table)


@pytest.mark.parametrize(
    ("value", "term"),
    [("plain", "k:plain"), ("none", 'k:"none"'), ("a\\b", r'k:"a\\b"'), ('"', r'k:"\""')],
)
def test_a_value_is_quoted_as_the_script_reads_it(value: str, term: str) -> None:
    assert filter_term("k", value) == term
