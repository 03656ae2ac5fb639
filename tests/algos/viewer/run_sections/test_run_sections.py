"""Laws of `algos.viewer.run_sections`: figures of hand-made rows, worked by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.metrics.entry_lines import EntryLine
from algos.viewer.run_sections.action_paths import common_paths, flow_of, walked
from algos.viewer.run_sections.calibration import belief_bins, gap_of
from algos.viewer.run_sections.drawing import log_ticks, scale
from algos.viewer.run_sections.effort import ACROSS, UP, binned, bucket_medians
from algos.viewer.run_sections.frontier import spots_of
from algos.viewer.run_sections.headline import failing_words, learned_words, worst_kinds
from algos.viewer.run_sections.outcome_evidence import outcome_section
from algos.viewer.run_sections.run_plays import RunPlays, plays_of_rows
from algos.viewer.run_sections.sections import view_sections
from algos.viewer.run_sections.surprises import surprises_of
from algos.viewer.view_data import EntryView
from tests.helpers.viewer.made_up import HOSTILE


def row(number: int, verdict: bool | None = True, **changes: Any) -> dict[str, Any]:
    """Return a row of question `q{number}`, each about a video of its own."""
    found = {
        "id": f"q{number}",
        "video": f"v{number}.mp4",
        "duration": 30.0,
        "group": {},
        "verdict": verdict,
        "frames": 8,
        "turns": 1,
        "prediction": "x",
        "error": None,
    }
    return {**found, **changes}


def line(title: str, rows: Sequence[Mapping[str, Any]], **told: Any) -> EntryLine:
    return EntryLine(title, [result_of_row(one) for one in rows], **told)


def plays(
    *rows: Mapping[str, Any], before: Sequence[Mapping[str, Any]] = (), **more: Any
) -> RunPlays:
    lines = {"now": line("After", rows)}
    if before:
        lines["then"] = line("Base", before)
    return RunPlays(lines=lines, shown="now", before="then" if before else None, **more)


def text_of(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", html))


# --- what was learned


def test_the_headline_says_the_gain_its_interval_and_that_it_looks_more() -> None:
    """10 videos, 9 of 10 right against 5 of 10, 12 frames and 2 turns against 8 and 1."""
    now = [row(k, k != 0, frames=12, turns=2) for k in range(10)]
    then = [row(k, k >= 5) for k in range(10)]
    words = learned_words(plays(*now, before=then))
    assert "After answers 9 of 10 questions right: 90.0 [" in words
    assert "+40.0 [" in words and "beside Base, paired over 10 questions" in words
    assert "It looks more than before: 12.0 frames a question (before: 8.0)" in words
    assert "in 2.00 turns (before: 1.00)" in words


def test_a_gain_that_may_be_chance_is_called_that() -> None:
    now = [row(k, k > 1) for k in range(8)]
    same = learned_words(plays(*now, before=now))
    assert "+0.0 [" in same and "the interval holds 0, so this may be chance" in same
    assert "It looks as much as before" in same
    all_right = [row(k, True) for k in range(40)]
    sure = learned_words(plays(*all_right, before=[row(k, False) for k in range(40)]))
    assert "+100.0 [" in sure and "the interval lies above 0" in sure
    worse = learned_words(plays(*[row(k, False) for k in range(40)], before=all_right))
    assert "the interval lies below 0" in worse


def test_few_videos_have_no_interval_and_that_is_said() -> None:
    one = [row(k, k > 0, video="same.mp4") for k in range(6)]
    words = learned_words(plays(*one, before=[row(k, False, video="same.mp4") for k in range(6)]))
    assert "83.3 %" in words and "too few videos for an interval" in words


def test_the_headline_is_about_its_group_alone() -> None:
    rows = [row(k, True, group={"tier": "core"}) for k in range(6)]
    rows += [row(k, False, group={"tier": "hard"}) for k in range(6, 12)]
    words = learned_words(plays(*rows, only={"tier": "core"}))
    assert "6 of 6 questions of tier core right" in words


def test_names_of_policies_stay_as_they_are_spelled() -> None:
    for title, first in (("sage-mm-tiny, greedy", "s"), ("uniform:12", "u"), ("base, greedy", "B")):
        found = RunPlays(lines={"now": line(title, [row(0)])}, shown="now")
        assert learned_words(found)[0] == first


def test_only_a_run_with_a_state_before_has_learned() -> None:
    two = [row(0), row(1)]
    alone, taught = plays(*two), plays(*two, before=two)
    assert view_sections(alone)[0][1] == "In short"
    assert view_sections(taught)[0][1] == "What was learned"


def test_a_single_question_is_no_statistic() -> None:
    assert view_sections(plays(row(0), before=[row(0, False)])) == []
    assert view_sections(plays(row(0), before=[row(0, False), row(1)])) != []


def test_nothing_judged_is_said() -> None:
    assert learned_words(plays(row(0, None))) == "After: no question is judged."
    assert learned_words(plays()) == "After: no question has been played yet."


def kinds_of(rights: Mapping[str, tuple[int, int]]) -> list[dict[str, Any]]:
    """Return rows of kinds: of each, how many are right of how many."""
    rows: list[dict[str, Any]] = []
    for name, (right, total) in rights.items():
        for k in range(total):
            rows.append(row(len(rows), k < right, group={"kind": name}))
    return rows


def test_the_kind_that_fails_most_is_named_with_counts_and_only_with_enough_questions() -> None:
    """`rare` is all wrong, and of 4 questions: it is not named."""
    rows = kinds_of({"order": (4, 20), "count": (18, 20), "rare": (0, 4)})
    kinds = worst_kinds([result_of_row(one) for one in rows])
    assert [kind.name for kind in kinds] == ["order", "count"]
    words = failing_words(kinds)
    assert "It fails most on kind order, 16 of 20 wrong (20 % right [" in words
    assert "of 2 kinds with 5 questions or more" in words
    assert "the intervals do not overlap" in words


def test_kinds_that_cannot_be_told_apart_are_not_ranked() -> None:
    rows = kinds_of({"order": (10, 20), "count": (11, 20)})
    words = failing_words(worst_kinds([result_of_row(one) for one in rows]))
    assert "kind order, 10 of 20 wrong" in words
    assert "The next is kind count, 9 of 20 wrong" in words
    assert "the intervals overlap, so the order is not sure" in words


def test_nothing_wrong_is_said() -> None:
    rows = kinds_of({"order": (6, 6), "count": (7, 7)})
    words = failing_words(worst_kinds([result_of_row(one) for one in rows]))
    assert words == "No question is wrong, of 2 kinds with 5 questions or more."


def test_one_kind_is_one() -> None:
    rows = kinds_of({"order": (1, 6), "rare": (1, 2)})
    words = failing_words(worst_kinds([result_of_row(one) for one in rows]))
    assert words.endswith("of 1 kind with 5 questions or more.")


def test_only_a_gain_is_called_learned() -> None:
    rows = [row(k, k > 2) for k in range(6)]
    assert view_sections(plays(*rows))[0][:2] == ("learned", "In short")
    assert view_sections(plays(*rows, before=rows))[0][:2] == ("learned", "What was learned")


def test_a_kind_leads_to_its_wrong_answers_by_a_filter_that_the_table_reads() -> None:
    rows = kinds_of({'in "two" words': (1, 6), "b": (5, 6)})
    rows = [{**one, "duration": 700.0 if k % 2 else 3000.0} for k, one in enumerate(rows)]
    kinds = worst_kinds([result_of_row(one) for one in rows])
    assert {kind.filter for kind in kinds} == {
        r'group.kind:"in \"two\" words"',
        "group.kind:b",
        "duration:600..1200",
        "duration:2400..",
    }
    html = view_sections(plays(*rows))[0][2]
    assert "filter=verdict%3Awrong%20group.kind%3Ab&amp;section=questions" in html


# --- accuracy against frames


def entry(frames: int, right: int, **told: Any) -> EntryLine:
    return line(f"{frames} frames", [row(k, k < right, frames=frames) for k in range(10)], **told)


def test_what_is_dominated_is_by_hand() -> None:
    """By (frames, right of 10): b costs as much as a and is less right; d costs more than c and is
    as right; e is the dearest and the best; the ceiling is not compared."""
    lines = {
        "a": entry(4, 5),
        "b": entry(4, 4),
        "c": entry(8, 7),
        "d": entry(16, 7),
        "e": entry(32, 9),
        "roof": entry(2, 10, control="oracle"),
    }
    spots = spots_of(RunPlays(lines=lines, shown="c"))
    assert [spot.best for spot in spots] == [True, False, True, False, True, None]
    assert [spot.role for spot in spots] == ["policy"] * 5 + ["control"]
    assert [spot.shown for spot in spots] == [False, False, True, False, False, False]
    assert [spot.frames for spot in spots] == [4, 4, 8, 16, 32, 2]
    assert spots[2].accuracy == pytest.approx(0.7) and spots[2].interval is not None


def test_numbers_of_entries_at_one_place_stand_side_by_side() -> None:
    """Three entries with the same frames and accuracy, one elsewhere: two labels."""
    many = {f"e{k}": line(f"E{k}", [row(0), row(1, False)]) for k in range(3)}
    many["far"] = line("Far", [row(0, frames=64), row(1, frames=64)])
    sections = view_sections(RunPlays(lines=many, shown="e1"))
    html = dict((name, html) for name, _, html in sections)["frontier"]
    names = re.findall(r'<g class="(spot[^"]*)"><text[^>]*>([^<]+)</text>', html)
    assert names == [("spot shown", "1, 2, 3"), ("spot", "4")]


def test_even_looks_are_a_curve_of_reference_and_one_entry_is_no_frontier() -> None:
    lines = {
        "direct-8": entry(8, 5),
        "uniform": entry(16, 6, policy="uniform:16:sage"),
        "ours": entry(12, 7, policy="sage"),
    }
    plays_all = RunPlays(lines=lines, shown="ours", baselines=frozenset({"direct-8", "uniform"}))
    html = dict((name, html) for name, _, html in view_sections(plays_all))["frontier"]
    assert html.count('class="reference"') == 1 and html.count("spot baseline") >= 2
    alone = RunPlays(lines={"ours": lines["ours"]}, shown="ours")
    assert "frontier" not in [name for name, *_ in view_sections(alone)]


def test_an_entry_that_saw_no_frame_has_a_place_on_the_axis() -> None:
    lines = {"blind": entry(0, 3, control="blind"), "ours": entry(12, 7)}
    sections = view_sections(RunPlays(lines=lines, shown="ours"))
    assert ">0</text>" in dict((name, html) for name, _, html in sections)["frontier"]


# --- right or wrong by evidence


def seen(number: int, verdict: bool, recall: float | None) -> dict[str, Any]:
    return row(number, verdict, evidence_recall=recall)


def test_the_four_cells_are_counted() -> None:
    """3 right and seen, 1 right and not, 2 wrong and seen, 4 wrong and not; 2 not known."""
    rows = [seen(k, True, 1.0) for k in range(3)] + [seen(3, True, 0.0)]
    rows += [seen(k, False, 0.5) for k in (4, 5)] + [seen(k, False, 0.0) for k in range(6, 10)]
    rows += [seen(10, True, None), row(11, None, evidence_recall=1.0)]
    html = outcome_section(plays(*rows, before=[seen(0, False, 0.0)]))
    found = re.findall(r">(\w+)</a> <b>(\d+)</b> (\d+) %", html)
    assert found == [
        ("grounded", "3", "30"),
        ("lucky", "1", "10"),
        ("misread", "2", "20"),
        ("missed", "4", "40"),
    ]
    assert html.count("before: 0") == 3 and html.count("before: 1") == 1


def test_without_evidence_there_is_no_such_table() -> None:
    assert outcome_section(plays(row(0))) == ""


# --- how episodes went

PATHS = {
    "q0": ("overview", "answer"),
    "q1": ("overview", "answer"),
    "q2": ("overview", "zoom", "answer"),
    "q3": ("overview", "zoom", "zoom", "answer"),
    "q4": ("overview", "skip"),
}


def walking() -> RunPlays:
    """Right: q0, q2, q3. Wrong: q1 and q4, which never answered. q5 failed on our side."""
    rows = [row(0), row(1, False), row(2), row(3), row(4, False), row(5, None, error="no disk")]
    return plays(*rows, paths={**PATHS, "q5": ("overview", "zoom")})


def test_the_flow_counts_every_episode_from_column_to_column() -> None:
    flow = flow_of(walked(walking()))
    assert flow.episodes == 5
    assert list(flow.columns) == [
        {"overview": 5},
        {"answer": 2, "zoom": 2, "skip": 1},
        {"answer": 1, "zoom": 1},
        {"answer": 1},
        {"right": 3, "wrong": 2},
    ]
    assert flow.links == {
        ((0, "overview"), (1, "answer")): 2,
        ((0, "overview"), (1, "zoom")): 2,
        ((0, "overview"), (1, "skip")): 1,
        ((1, "zoom"), (2, "answer")): 1,
        ((1, "zoom"), (2, "zoom")): 1,
        ((2, "zoom"), (3, "answer")): 1,
        ((1, "answer"), (4, "right")): 1,
        ((1, "answer"), (4, "wrong")): 1,
        ((1, "skip"), (4, "wrong")): 1,
        ((2, "answer"), (4, "right")): 1,
        ((3, "answer"), (4, "right")): 1,
    }


def test_paths_are_counted_whole() -> None:
    first = common_paths(walked(walking()), most=2)
    assert [(p.actions, p.episodes, p.right, p.judged) for p in first] == [
        (("overview", "answer"), 2, 1, 2),
        (("overview", "skip"), 1, 0, 1),
    ]


def result(number: int, verdict: bool | None = True) -> EpisodeResult:
    return result_of_row(row(number, verdict))


names = st.sampled_from("abcdefghij")


@given(st.lists(st.tuples(st.lists(names, min_size=1, max_size=40), st.booleans()), min_size=1))
def test_the_flow_is_bounded_and_loses_nobody(walks: list[tuple[list[str], bool]]) -> None:
    flow = flow_of([(path, result(k, right)) for k, (path, right) in enumerate(walks)])
    assert flow.episodes == len(walks) == sum(flow.columns[-1].values())
    assert len(flow.columns) <= 7 and all(len(column) <= 7 for column in flow.columns)
    for k, column in enumerate(flow.columns[:-1]):
        for name, count in column.items():
            leaving = sum(n for (start, _), n in flow.links.items() if start == (k, name))
            coming = sum(n for (_, end), n in flow.links.items() if end == (k, name))
            assert leaving == count and coming == (0 if k == 0 else count)


# --- effort, belief, lists


def test_medians_are_those_of_each_bucket() -> None:
    rows = [row(k, duration=d, turns=t) for k, (d, t) in enumerate([(10, 1), (20, 3), (50, 2)])]
    rows += [row(3, duration=4000, turns=5), row(4, duration=None, turns=9)]
    rows += [row(5, None, duration=30, turns=9, error="failed")]
    found = bucket_medians([result_of_row(one) for one in rows], lambda e: float(e.turns))
    assert [(m.name, m.questions, m.duration, m.value) for m in found] == [
        ("0-60", 3, 20, 2.0),
        ("2400+", 1, 4000, 5.0),
    ]


def test_a_circle_stands_where_its_questions_are() -> None:
    """All took two turns: every circle is on the line of 2."""
    rows = [row(k, duration=20.0 * (k + 1), turns=2) for k in range(9)]
    html = dict((name, html) for name, _, html in view_sections(plays(*rows)))["effort"]
    picture = html.split("</svg>")[0]
    heights = set(re.findall(r'class="cell" cx="[0-9.]+" cy="([0-9.]+)"', picture))
    line_of_2 = re.findall(r'class="grid" d="M46 ([0-9.]+)H', picture)[-1]
    assert heights == {line_of_2}
    assert "before" not in html.split("</figure>")[-1]


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1))))
def test_a_hundred_thousand_dots_are_a_few_circles(points: list[tuple[float, float]]) -> None:
    cells = binned(points, scale(0, 1, 0, ACROSS), scale(0, 1, 0, UP))
    assert sorted(point for inside in cells.values() for point in inside) == sorted(points)
    assert all(0 <= column < ACROSS and 0 <= line_ < UP for column, line_ in cells)


def believed(number: int, beliefs: list[list[float] | None], gold: int) -> dict[str, Any]:
    return row(number, beliefs=beliefs, gold_choice=gold, choices=2)


def test_the_last_belief_is_held_against_the_truth() -> None:
    """Beliefs 0.95 right, 0.95 wrong, 0.65 right: gaps |0.95 - 0.5| twice, |0.65 - 1| once."""
    rows = [
        believed(0, [[0.5, 0.5], [0.05, 0.95]], 1),
        believed(1, [[0.95, 0.05], None], 1),
        believed(2, [[0.65, 0.35]], 0),
        row(3),
    ]
    bins = belief_bins([result_of_row(one) for one in rows])
    assert [(one.low, one.belief, one.right.mean, one.right.questions) for one in bins] == [
        (0.6, 0.65, 1.0, 1),
        (0.9, 0.95, 0.5, 2),
    ]
    assert gap_of(bins) == pytest.approx((0.45 * 2 + 0.35) / 3)


def test_the_lists_hold_what_they_say() -> None:
    before = [row(0, True, frames=4), row(1, False), row(2, True), row(3, None)]
    now = [
        row(0, False, frames=40, evidence_recall=0.5),
        row(1, True, evidence_recall=0.0),
        row(2, True),
        row(3, True),
    ]
    base = plays(*now, before=before)
    lines = {**base.lines, "third": line("Third", before)}
    found = surprises_of(RunPlays(lines=lines, shown="now", before="then"))
    ids = {one.title: ([e.item_id for e, _ in one.first], one.total) for one in found}
    assert ids["Right before, wrong now"] == (["q0"], 1)
    assert ids["Wrong before, right now"] == (["q1"], 1)
    assert ids["Wrong here, right everywhere else"] == (["q0"], 1)
    assert ids["Wrong although the evidence was shown"] == (["q0"], 1)
    assert ids["Right without the evidence"] == (["q1"], 1)
    assert ids["Most frames for a wrong answer"] == (["q0"], 1)
    whys = {one.title: [why for _, why in one.first] for one in found}
    assert whys["Right before, wrong now"] == ["4 frames before, 40 now"]
    assert whys["Most frames for a wrong answer"] == ["40 frames"]


def test_the_surest_mistake_comes_first() -> None:
    rows = [believed(k, [[p, 1 - p]], 1) for k, p in enumerate([0.6, 0.9, 0.7])]
    rows = [{**one, "verdict": False} for one in rows]
    found = {one.title: one for one in surprises_of(plays(*rows))}["Surest mistakes"]
    assert [(e.item_id, why) for e, why in found.first] == [
        ("q1", "belief 0.90 in a wrong choice"),
        ("q2", "belief 0.70 in a wrong choice"),
        ("q0", "belief 0.60 in a wrong choice"),
    ]


# --- all sections


def test_flat_rows_are_enough() -> None:
    entries = [EntryView(key="a", title="A"), EntryView(key="b", title="B")]
    rows = [
        {"id": f"q{k}", "entry": key, "verdict": k > n, "frames": 8, "path": "overview answer"}
        | {"group.family": "glance" if k % 2 else "count", "question": f"what {k}?"}
        for n, key in enumerate(("a", "b"))
        for k in range(12)
    ] + [{"id": "q0", "entry": "unknown", "verdict": True}]
    found = plays_of_rows(entries, rows, "b", "a")
    assert len(found.lines["b"].episodes) == 12 and found.paths["q3"] == ["overview", "answer"]
    assert found.questions["q3"] == "what 3?"
    assert {"learned", "frontier", "flow", "surprises"} <= {n for n, *_ in view_sections(found)}
    assert "family count" in text_of(view_sections(found)[0][2])


def every_section(text: str) -> list[tuple[str, str, str]]:
    rows = [
        believed(k, [[0.3, 0.7]], k % 2)
        | {"verdict": bool(k % 3), "group": {text: f"{text}{k % 2}"}, "id": f"{text}{k}"}
        | {"evidence_recall": float(k % 2)}
        for k in range(12)
    ]
    lines = {text: line(text, rows), "b": line(text, rows[::-1])}
    paths = {one["id"]: ("overview", text, "answer") for one in rows}
    questions = {one["id"]: text for one in rows}
    return view_sections(
        RunPlays(lines=lines, shown=text, before="b", paths=paths, questions=questions)
    )


def test_every_section_is_well_formed_and_every_picture_has_words_and_numbers() -> None:
    sections = every_section("plain")
    assert [name for name, *_ in sections] == [
        "learned",
        "frontier",
        "outcomes",
        "flow",
        "effort",
        "calibration",
        "surprises",
    ]
    for name, _, html in sections:
        tree = ElementTree.fromstring(f"<x>{html}</x>")
        for picture in tree.iter("svg"):
            assert picture.get("aria-hidden") == "true" or picture.get("aria-label"), name
        if tree.find(".//svg[@role]") is not None:
            assert tree.find(".//table") is not None, name


def test_texts_of_others_are_escaped_everywhere() -> None:
    text = HOSTILE.replace("\x00", "").replace("\ud800", "")
    for name, _, html in every_section(text):
        assert "<script" not in html and "<img" not in html and "onload='" not in html, name
        ElementTree.fromstring(f"<x>{html}</x>")


def test_ticks_of_a_logarithm_are_round_and_few() -> None:
    assert log_ticks(17, 34) == [20, 24, 28, 32]
    assert log_ticks(4, 16) == [4, 6, 8, 12, 16]
    assert log_ticks(0.5, 100) == [0.5, 1, 2, 4, 8, 16, 32, 64]
    ticks = log_ticks(1, 1e6)
    assert ticks == [1, 8, 64, 512, 4096, 32768, 262144]
