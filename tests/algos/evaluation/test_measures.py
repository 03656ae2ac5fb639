"""Laws of `algos.evaluation.measures`, `outcomes`, `tables`: means, intervals, differences."""

from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.evaluation.decomposition import decompose
from algos.evaluation.measures import (
    Difference,
    EvalResult,
    difference,
    evaluate,
    length_of,
    measure,
    measures_of,
    of_length,
)
from algos.evaluation.outcomes import mean_return
from algos.evaluation.tables import (
    SUMMARY_HEADER,
    breakdown_cells,
    difference_cell,
    format_table,
    move_cells,
    number_cell,
    part_cells,
    spread,
    summary_cells,
)
from algos.rollout.trajectory import Trajectory
from algos.runs.run_folder import RunFolder, RunFolderError
from policies.base import Decision, TurnTokens
from sage_env import Answer
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of
from sage_env.errors import SageEnvError
from tests.helpers.handmade import item, result, trajectory


def hand_made() -> EvalResult:
    long = {"duration": 900.0, "group": {"family": "order", "tier": "hard"}}
    return result(
        (item("seen", "a.mp4"), trajectory("seen", True, looks=((12.0, 30.0),))),
        (item("missed", "a.mp4"), trajectory("missed", False)),
        (item("long", "b.mp4", **long), trajectory("long", True, looks=((50.0,), (19.9, 20.0)))),
        (item("broken", "c.mp4"), trajectory("broken", None, looks=((12.0,),), error="VideoError")),
        (item("unjudged", "d.mp4", evidence=()), trajectory("unjudged", None)),
    )


def test_the_measures_of_hand_written_episodes_are_the_hand_written_numbers() -> None:
    made = hand_made()
    measured = measure(made.items, made.trajectories)
    rows = {(row.section, row.name): row.measures for row in measured}
    total = rows["all", "all"]
    assert (total.questions, total.failed, total.unjudged) == (4, 1, 1)
    assert total.accuracy == pytest.approx(2 / 3)
    assert total.frames == pytest.approx((4 + 2 + 5 + 2) / 4)
    assert total.turns == pytest.approx((2 + 1 + 3 + 1) / 4)
    assert total.evidence_hits == pytest.approx(2 / 3)
    assert rows["length", ">600 s"].accuracy == 1.0
    assert rows["length", "<=600 s"].accuracy == 0.5
    assert rows["bucket", "60-180"].questions == 3 and rows["bucket", "600-1200"].questions == 1
    assert rows["family", "order"].interval is None  # one video says nothing about others
    assert rows["tier", "hard"].turns == 3


def test_a_failed_episode_changes_nothing_but_its_count() -> None:
    episodes = hand_made().episodes()
    whole, without = measures_of(episodes), measures_of([e for e in episodes if not e.error])
    assert whole.failed == 1 and without.failed == 0
    assert {**asdict(whole), "failed": 0} == asdict(without)


def test_nothing_measured_is_none_and_not_zero() -> None:
    failed = result((item("x"), trajectory("x", None, error="VideoError: gone"))).episodes()
    total = measures_of(failed)
    assert total.questions == 0 and total.failed == 1
    assert total.accuracy is total.interval is total.frames is total.turns is None
    assert total.evidence_hits is None


def test_no_answer_is_a_wrong_answer() -> None:
    played = trajectory("x", None)
    played.turns[-1].info["stop_reason"] = "out_of_turns"
    assert measures_of(result((item("x"), played)).episodes()).accuracy == 0.0


def test_evidence_spans_are_half_open() -> None:
    for second, seen in ((9.99, False), (10.0, True), (19.99, True), (20.0, False)):
        episodes = result((item("x"), trajectory("x", True, overview=(second,)))).episodes()
        assert episodes[0].evidence_seen is seen


def test_the_duration_comes_from_the_overview_where_the_item_has_none() -> None:
    episodes = result((item("x", duration=None), trajectory("x", True))).episodes()
    assert episodes[0].duration == 100.0


@given(st.floats(0, 1e5))
def test_every_duration_lies_in_the_bucket_that_it_gets(duration: float) -> None:
    name = bucket_of(duration)
    low, _, high = name.rstrip("+").partition("-")
    assert name in BUCKETS and float(low) <= duration < float(high or "inf")


def test_a_paired_difference_is_worked_out_question_by_question() -> None:
    names = [f"q{k}" for k in range(6)]
    ours = [True, True, False, True, None, True]
    theirs = [False, True, True, False, True, True]

    def of(verdicts: list[bool | None]) -> EvalResult:
        pairs = zip(names, verdicts, strict=True)
        return result(*((item(n, f"{n}.mp4"), trajectory(n, v)) for n, v in pairs))

    first, second = of(ours).episodes(), of(theirs).episodes()
    gap = difference(first, second)
    assert gap.questions == 5 and gap.mean == pytest.approx((1 + 0 - 1 + 1 + 0) / 5)
    back = difference(second, first)
    assert gap.interval is not None and back.interval is not None and back.mean == -gap.mean  # type: ignore[operator]
    assert back.interval == pytest.approx((-gap.interval[1], -gap.interval[0]), abs=1e-12)
    same = difference(first, first)
    assert same.mean == 0 and same.interval is not None and same.interval[0] < 0 < same.interval[1]
    assert difference(first, []).mean is None


def test_a_question_that_stands_twice_cannot_be_paired() -> None:
    twice = [*hand_made().episodes(), *hand_made().episodes()]
    with pytest.raises(ValueError, match="each question once"):
        difference(twice, twice)


def test_trajectories_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="in the items' order"):
        EvalResult("x", [item("a"), item("b")], [trajectory("b", True), trajectory("a", True)])


class Room:
    """An environment that shows nothing and knows the answer."""

    def reset(self, *, seed=None, options=None):
        self.name = options["item_id"]
        return {"turns_left": 1}, {"item_id": self.name, "frame_seconds": []}

    def step(self, action):
        right = action == Answer(self.name)
        info = {"frame_seconds": [], "correct": right, "stop_reason": "answered"}
        return {}, float(right), True, False, info


class Says:
    """A policy that always says the same."""

    def reset(self, *, seed=None):
        pass

    def act(self, observation):
        return Decision(Answer("b"))


def test_evaluate_plays_every_item_once_in_order() -> None:
    items, seen = [item(name, f"{name}.mp4") for name in "abc"], list[Trajectory]()
    found = evaluate([Room(), Room()], Says(), items, progress=seen.append)  # type: ignore[list-item]
    assert [e.correct for e in found.episodes()] == [False, True, False]
    assert len(seen) == 3 and len({t.seed for t in found.trajectories}) == 3


def test_saved_results_come_back_equal_without_their_tokens(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    spoken = hand_made()
    tokens = TurnTokens(np.arange(3), np.arange(2), np.zeros(2, np.float32))
    turns = spoken.trajectories[0].turns
    turns[0] = replace(turns[0], decision=replace(turns[0].decision, tokens=tokens))
    path = folder.save_result("first", spoken)
    again = folder.load_result("first")
    assert again.items == hand_made().items and again.title == hand_made().title
    assert again.episodes() == hand_made().episodes()
    assert '"tokens"' not in path.with_suffix(".jsonl").read_text()
    assert json.loads(path.read_text())["measures"][0]["measures"]["questions"] == 4
    assert folder.result_names() == ["first"]


def test_a_broken_evaluation_is_named(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    with pytest.raises(RunFolderError, match=r"first\.json cannot be read"):
        folder.load_result("first")
    folder.save_result("first", hand_made())
    (folder.evaluations / "first.jsonl").write_text("{}\n")
    with pytest.raises(RunFolderError, match=r"first\.json is not a saved evaluation.*line 1"):
        folder.load_result("first")


def test_table_columns_stand_under_each_other() -> None:
    text = format_table(("name", "", "value"), [("ä日本", "x", "1.0"), ("b", "yy", "100.25")])
    assert text.splitlines() == [
        "name        value",
        "-----  --  ------",
        "ä日本  x      1.0",
        "b      yy  100.25",
    ]


def test_the_summary_says_what_was_not_measured() -> None:
    only_short = result((item("x"), trajectory("x", True)))
    line = dict(zip(SUMMARY_HEADER, summary_cells([only_short])[0], strict=True))
    assert line["accuracy, all"] == "100.0" and line["accuracy, >600 s"] == "-"
    assert line["frames"] == "2.0" and line["failed"] == "0"


def test_a_missing_answer_is_shown_and_counts_as_a_wrong_one() -> None:
    silent = trajectory("x", None)
    silent.turns[-1].info["stop_reason"] = "out_of_turns"
    failed = trajectory("z", None, error="VideoError: gone")
    made = result((item("x"), silent), (item("y"), trajectory("y", True)), (item("z"), failed))
    assert [(e.missing, e.correct) for e in made.episodes()] == [
        (True, False),
        (False, True),
        (False, None),
    ]
    line = dict(zip(SUMMARY_HEADER, summary_cells([made])[0], strict=True))
    assert (line["accuracy, all"], line["missing"], line["failed"]) == ("50.0", "1", "1")


def test_an_environment_that_tells_no_times_shows_no_frames() -> None:
    """Others than ours may leave `frame_seconds` out, or have none to tell."""
    for infos in ({}, {"frame_seconds": None}):
        bare = trajectory("x", True)
        bare.start_info = {"item_id": "x", **infos}
        (found,) = result((item("x"), bare)).episodes()
        assert (found.frames, found.evidence_seen, found.correct) == (0, False, True)


def test_ten_minutes_is_short_and_an_unknown_length_is_neither() -> None:
    episodes = result(
        (item("a", duration=600.0), trajectory("a", True)),
        (item("b", duration=600.1), trajectory("b", True)),
        (item("c", duration=None), trajectory("c", True)),
    ).episodes()
    episodes[2] = replace(episodes[2], duration=None)
    assert [length_of(e.duration) for e in episodes] == ["<=600 s", ">600 s", "unknown"]
    assert [e.item_id for e in of_length(episodes, "<=600 s")] == ["a"]
    assert [e.item_id for e in of_length(episodes, ">600 s")] == ["b"]
    assert of_length(episodes, None) == episodes


def test_cells_by_hand() -> None:
    assert difference_cell(Difference(3, 0.061, (0.02, 0.098))) == "+6.1 [+2.0, +9.8]"
    assert difference_cell(Difference(3, -0.061, None)) == "-6.1"
    assert difference_cell(Difference(0, None, None)) == "-"
    assert spread([85.3, 93.3, 95.6]) == "91.4 [85.3, 95.6]"
    assert spread([2.0, 2.0], ".2f") == "2.00"
    assert number_cell(0.25, ".0%") == "25%" and number_cell(None, ".0%") == "-"
    table = format_table(("a", "b", "c"), [("x", "yy", "1"), ("漢字", "z", "22")], text_columns=2)
    assert table.splitlines() == ["a     b    c", "----  --  --", "x     yy   1", "漢字  z   22"]
    flush = format_table(("a", "b"), [("x", "10"), ("yy", "2")], text_columns=1)
    assert flush.splitlines() == ["a    b", "--  --", "x   10", "yy   2"]


def test_the_lines_of_the_tables_by_hand() -> None:
    made = hand_made()
    line = dict(zip(SUMMARY_HEADER, summary_cells([made])[0], strict=True))
    assert list(line.values())[:3] == ["policy", "greedy", "4"]
    assert line["accuracy, all"].startswith("66.7") and line["accuracy, <=600 s"] == "50.0"
    assert (line["accuracy, >600 s"], line["failed"]) == ("100.0", "1")
    assert (line["frames"], line["turns"]) == ("3.2", "1.75")
    undecided = replace(made, decoding="")
    assert summary_cells([undecided, made])[0][1] == "-"
    rows = breakdown_cells(measure(made.items, made.trajectories))
    assert rows[0][:3] == ("all", "all", "4") and rows[0][4:] == (
        "3.2", "1.75", "67%", "0", "1", "1"
    )  # fmt: skip
    hard = next(row for row in rows if row[:2] == ("tier", "hard"))
    assert hard == ("tier", "hard", "1", "100.0", "5.0", "3.00", "100%", "0", "0", "0")


def test_the_lines_of_a_decomposition_by_hand() -> None:
    before = [
        replace(e, turns=turns, correct=correct, video=e.item_id)
        for e, turns, correct in zip(
            hand_made().episodes(), (1, 1, 2, 2), (0, 1, 0, 1), strict=False
        )
    ]
    after = [
        replace(e, turns=turns, correct=True) for e, turns in zip(before, (1, 2, 2, 2), strict=True)
    ]
    found = decompose(after, before)
    assert found is not None
    names = [(cells[0], cells[1]) for cells in part_cells(found)]
    assert names == [
        ("gain", "over 4 questions"),
        ("routing", "other questions are answered at once"),
        ("skill", "better answers on the same route"),
    ]
    assert part_cells(found)[0][2].startswith("+50.0")
    assert move_cells(found) == [
        ("one turn", "one turn", "1", "0.0%", "100.0%", "+25.0"),
        ("one turn", "more turns", "1", "100.0%", "100.0%", "+0.0"),
        ("more turns", "one turn", "0", "-", "-", "+0.0"),
        ("more turns", "more turns", "2", "50.0%", "100.0%", "+25.0"),
    ]


def test_a_mean_of_rewards_leaves_out_what_failed_on_our_side_and_is_none_of_nothing() -> None:
    broken = trajectory("c", None, error="boom")
    played = [trajectory("a", correct=True), trajectory("b", correct=False), broken]
    found = EvalResult("", [item("a"), item("b"), item("c")], played)
    assert mean_return(found) == sum(one.ret for one in played[:2]) / 2
    with pytest.raises(
        SageEnvError, match="all 1 questions of a validation failed, the first, 'c'"
    ):
        mean_return(EvalResult("", [item("c")], [broken]))


def test_no_cell_of_a_table_carries_out_a_control_or_breaks_its_line() -> None:
    found = format_table(("key\x1b[2J", "n"), [("a\nb\x1b]52;c;x\x07", "1")])
    assert "\x1b" not in found and "\x07" not in found and len(found.splitlines()) == 3
