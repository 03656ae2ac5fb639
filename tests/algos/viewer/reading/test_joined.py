"""Laws of `algos.viewer.reading.joined`: two runs as one, like compared with like."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from algos.viewer.reading.joined import joined
from tests.helpers.viewer.made_up import made_up_run


def changed(run, name, row=None, question=None):
    """Return a run in which one question is another one."""

    def rows():
        return ({**one, **(row or {})} if one["id"] == name else one for one in run.rows())

    def details(given):
        found = run.question(given)
        return replace(found, **(question or {})) if given == name else found

    return replace(run, rows=rows, question=details)


A = made_up_run(12, 2, seed=0)
B = made_up_run(15, 1, seed=0)


def test_all_rows_of_both_are_there_under_new_keys() -> None:
    found = joined(A, B, ("old", "new"))
    assert found.count == A.count + B.count
    counts = Counter(row["entry"] for row in found.rows())
    assert counts == {"old: policy-0": 12, "old: policy-1": 12, "new: policy-0": 15}
    assert {entry.key for entry in found.entries} == set(counts)
    for row, was in zip(found.rows(), [*A.rows(), *B.rows()], strict=True):
        assert row["id"] == was["id"] and row["verdict"] == was["verdict"]


def test_the_entries_that_are_shown_stand_first() -> None:
    found = joined(A, B, ("old", "new"))
    assert [entry.key for entry in found.entries][:2] == ["old: policy-1", "new: policy-0"]
    assert found.shown == "old: policy-1"
    assert all(entry.told["run"] in ("old", "new") for entry in found.entries)


def test_a_question_has_the_episodes_of_both() -> None:
    found = joined(A, B, ("old", "new"))
    for name in A.order:
        episodes = {one.entry: one for one in found.question(name).episodes}
        assert set(episodes) == {"old: policy-0", "old: policy-1", "new: policy-0"}
        own = {one.entry: one for one in B.question(name).episodes}["policy-0"]
        given = [(step.turn, step.call, step.frames) for step in episodes["new: policy-0"].steps]
        assert given == [(step.turn, step.call, step.frames) for step in own.steps]
    (alone,) = found.question("q14").episodes
    assert alone.entry == "new: policy-0"
    with pytest.raises(KeyError):
        found.question("q15")


def test_flips_stand_first_and_every_question_once() -> None:
    found = joined(A, B)
    assert sorted(found.order) == sorted(B.order)
    verdicts = {}
    for row in found.rows():
        verdicts.setdefault(row["id"], {})[row["entry"]] = row["verdict"]
    pairs = [(v.get("A: policy-1"), v.get("B: policy-0")) for v in map(verdicts.get, found.order)]
    flips = [None not in pair and pair[0] != pair[1] for pair in pairs]
    assert any(flips) and flips == sorted(flips, reverse=True)
    assert set(found.order[12:]) == {"q12", "q13", "q14"}


@pytest.mark.parametrize(
    "row, question",
    [
        ({"question": "another?"}, None),
        ({"gold": "another"}, None),
        ({"duration": 1e5}, None),
        (None, {"choices": ["green", "red", "blue", "gold"]}),
    ],
)
def test_another_question_of_the_same_id_is_not_compared(row, question) -> None:
    other = changed(B, "q3", row, question)
    found = joined(A, other, ("old", "new"))
    assert {row["entry"] for row in found.rows() if row["id"] == "q3"} == {
        "old: policy-0",
        "old: policy-1",
    }
    assert [one.entry for one in found.question("q3").episodes] == [
        "old: policy-0",
        "old: policy-1",
    ]
    assert [one.entry for one in found.question("q3 (new)").episodes] == ["new: policy-0"]
    assert found.question("q3 (new)").id == "q3 (new)" in found.order
    (note,) = [note for note in found.notes if "not compared" in note]
    assert "1 question is" in note and "q3" in note
    verdicts = {(r["entry"], r["id"]): r["verdict"] for r in found.rows()}
    for one in found.differences:
        both = [
            n for n in A.order if None not in (verdicts.get((one.a, n)), verdicts.get((one.b, n)))
        ]
        assert one.questions == len(both)
        assert "q3" not in both or "new: policy-0" not in (one.a, one.b)


def test_what_one_run_does_not_know_is_the_others() -> None:
    unknown = {"gold": None, "gold_choice": None, "evidence": [], "choices": (), "duration": None}
    spoken = {"subtitles": Path("s.srt"), "subtitles_start": 9.0}
    ours = changed(A, "q0", question={**unknown, "subtitles": None, "subtitles_start": 5.0})
    found = joined(ours, changed(B, "q0", question=spoken)).question("q0")
    theirs = B.question("q0")
    assert (found.gold, found.gold_choice) == (theirs.gold, 0)
    assert found.evidence == theirs.evidence and found.duration == theirs.duration
    assert (found.subtitles, found.subtitles_start) == (Path("s.srt"), 9.0)
    both = joined(changed(A, "q0", question=spoken), changed(B, "q0", question={"gold_choice": 2}))
    assert both.question("q0").gold_choice == 0 and both.question("q0").subtitles_start == 9.0


def test_pictures_are_shown_only_where_both_runs_may_show_them() -> None:
    for ours, theirs in ((True, False), (False, True), (True, True)):
        one, other = (
            changed(r, "q0", question={"pictures": p}) for r, p in ((A, ours), (B, theirs))
        )
        assert joined(one, other).question("q0").pictures == (ours and theirs)


def test_what_is_nearly_as_long_is_the_same() -> None:
    durations = {row["id"]: row["duration"] for row in B.rows()}
    for by, count in ((0.4, 0), (0.6, 1)):
        found = joined(A, changed(B, "q3", {"duration": durations["q3"] + by}))
        assert sum("not compared" in note for note in found.notes) == count


def test_runs_of_the_same_name_and_a_taken_id() -> None:
    one = joined(A, changed(A, "q1", {"gold": "x"}), ("run", "run"))
    assert {entry.told["run"] for entry in one.entries} == {"run (1)", "run (2)"}
    assert "q1 (run (2))" in one.order
    again = joined(one, changed(one, "q1", {"gold": "y"}), ("run", "run (2)"))
    assert len(set(again.order)) == len(again.order)


def test_runs_without_a_question_in_common() -> None:
    def renamed(run):
        def question(name):
            return replace(run.question(name[1:]), id=name)

        rows = [{**row, "id": "x" + row["id"]} for row in run.rows()]
        order = ["x" + name for name in run.order]
        return replace(run, rows=lambda: iter(rows), order=order, question=question)

    found = joined(A, renamed(B))
    assert any("share no question" in note for note in found.notes)
    assert len(found.order) == 12 + 15 and found.differences[0].a == "A: policy-1"


def test_frames_keep_the_size_of_their_run() -> None:
    def bare(run, size):
        def question(name):
            found = run.question(name)
            steps = [[replace(s, frame_size=None) for s in e.steps] for e in found.episodes]
            episodes = [replace(e, steps=s) for e, s in zip(found.episodes, steps, strict=True)]
            return replace(found, frame_size=None, episodes=episodes)

        return replace(run, question=question, frame_size=size)

    found = joined(bare(A, (64, 64)), bare(B, (32, 48))).question("q0")
    sizes = {e.entry[0]: {s.frame_size for s in e.steps if s.frames} for e in found.episodes}
    assert sizes == {"A": {(64, 64)}, "B": {(32, 48)}}


def test_two_runs_begin_with_one_against_the_other() -> None:
    def filmed(run):
        rows = [{**row, "video": f"v{row['id']}"} for row in run.rows()]
        return replace(run, rows=lambda: iter(rows))

    assert joined(A, B).sections == []  # no video is known: nothing to cluster by
    ((name, heading, html),) = joined(filmed(A), filmed(B), ("o<d", "new")).sections
    assert (name, heading) == ("against", "o<d against new") and "o<d" not in html
    ours, theirs = (
        {row["id"]: row["verdict"] for row in run.rows() if row["entry"] == run.shown}
        for run in (A, B)
    )
    pairs = [
        (ours[name], theirs[name]) for name in A.order if None not in (ours[name], theirs[name])
    ]
    cells = html.partition("<tbody>")[2].split("</tr>")[0]
    found = [cell.partition("<")[0] for cell in cells.split(">") if cell.partition("<")[0]]
    assert found[:3] == ["all", "all", str(len(pairs))]
    assert found[-4:-2] == [str(pairs.count((True, False))), str(pairs.count((False, True)))]
