"""Laws of `algos.viewer.reading.pair_differences`: A minus B is that of the measures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from algos.evaluation.measures import difference
from algos.evaluation.row_results import result_of_row
from algos.viewer.reading.pair_differences import with_differences
from tests.helpers.viewer.made_up import made_up_run


def rows_of(run, **more):
    return [{**row, "video": f"v{int(row['id'][1:]) // 2}", **more} for row in run.rows()]


def given(run, rows):
    return replace(run, rows=lambda: iter(rows), count=len(rows))


def result(row):
    return result_of_row({"group": {}, "frames": 1, "turns": 1, "error": None, **row})


def test_every_pair_is_compared_as_the_measures_do() -> None:
    run = made_up_run(40, 3, seed=3)
    rows = rows_of(run)
    found = {(one.a, one.b): one for one in with_differences(given(run, rows)).differences}
    keys = [entry.key for entry in run.entries]
    assert set(found) == {(keys[0], keys[1]), (keys[0], keys[2]), (keys[1], keys[2])}
    for (a, b), one in found.items():
        ours, theirs = ([result(r) for r in rows if r["entry"] == key] for key in (a, b))
        expected = difference(ours, theirs)
        assert (one.questions, one.interval) == (expected.questions, expected.interval)
        assert one.difference == pytest.approx(expected.mean) and one.interval is not None


def test_without_videos_there_is_no_interval() -> None:
    run = made_up_run(40, 2)
    (found,) = with_differences(run).differences
    assert found.interval is None and found.questions > 5


def test_without_a_question_judged_in_both_there_is_no_difference() -> None:
    run = made_up_run(8, 2)
    rows = [
        {**row, "verdict": row["verdict"] if row["entry"] == "policy-0" else None}
        for row in run.rows()
    ]
    assert with_differences(given(run, rows)).differences == []


def test_of_many_entries_those_met_first_are_compared() -> None:
    run = made_up_run(6, 2, updates=20)
    found = {(one.a, one.b) for one in with_differences(run).differences}
    for k in range(1, 20):
        assert (f"update-{k}", f"update-{k + 1}") in found
        assert {("policy-1", f"update-{k}"), ("policy-0", f"update-{k}")} <= found
    assert len(found) <= 2 * 21 + 19
