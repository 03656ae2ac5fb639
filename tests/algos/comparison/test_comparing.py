"""Laws of `algos.comparison.comparing`, `compared_runs`, `outcome_costs`: two runs, by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from time import perf_counter

import pytest

from algos.comparison.compared_runs import ComparedRun, ComparisonError, read_run
from algos.comparison.comparing import COSTS, compare
from algos.comparison.comparison_tables import comparison_json, comparison_text
from algos.comparison.outcome_costs import OUTCOMES
from algos.runs.append_log import LogError
from algos.runs.joint_folder import join_entries
from algos.runs.json_files import RunFolderError
from algos.runs.run_folder import RunFolder
from tests.helpers.wiring.row_folders import SETTINGS, question, row, write_folder

ITEMS = [question(n, group={"side": "left" if n < 8 else "right"}) for n in range(12)]
# of A: right on 0-7, of B: on 4-9; frames of A: 8, but 32 on 4, 5 and 10; of B: 16
A_RIGHT, B_RIGHT, DEAR = set(range(8)), set(range(4, 10)), {4, 5, 10}


def run(name, right, frames, **settings):
    rows = {
        item.id: row(item, n in right, rule="text", frames=frames(n), text=f"{name} {n}")
        for n, item in enumerate(ITEMS)
    }
    return ComparedRun(name, rows, {"kind": "evaluation", "settings": SETTINGS | settings})


A = run("a", A_RIGHT, lambda n: 32 if n in DEAR else 8)
B = run("b", B_RIGHT, lambda n: 16)


def changed(a_run, number, **fields):
    rows = dict(a_run.rows)
    rows[f"q{number}"] = rows[f"q{number}"] | fields
    return replace(a_run, rows=rows)


def test_a_comparison_by_hand() -> None:
    found = compare(A, B)
    total = found.groups[0]
    assert (total.questions, total.videos) == (12, 6)
    assert total.accuracy_a == pytest.approx(8 / 12) and total.accuracy_b == 0.5
    assert total.difference == pytest.approx(2 / 12) and (total.only_a, total.only_b) == (4, 2)
    assert total.mcnemar == pytest.approx(2 * (1 + 6 + 15) / 64)
    low, high = total.interval
    assert low < total.difference < high and total.holm is None and total.p_value > 0.05
    sides = {one.name: one for one in found.groups if one.section == "side"}
    assert (sides["left"].only_a, sides["left"].only_b, sides["left"].questions) == (4, 0, 8)
    assert (sides["right"].only_a, sides["right"].only_b) == (0, 2)
    assert sides["left"].interval is None and sides["left"].holm is None  # four videos
    assert [one.id for one in found.won] == ["q0", "q1", "q2", "q3"]
    assert [one.id for one in found.lost] == ["q8", "q9"]
    assert (found.won[0].answer_a, found.won[0].answer_b) == ("a 0", "b 0")


def test_the_six_groups_by_hand() -> None:
    table = compare(A, B).outcomes
    assert [one.name for one in table.groups] == list(OUTCOMES)
    assert [one.questions for one in table.groups] == [2, 2, 4, 2, 1, 1]
    assert [one.a_cheaper for one in table.groups] == [2, 0, 4, 2, 1, 0]
    assert [one.mean_a for one in table.groups] == [8, 32, 8, 8, 8, 32]
    assert {one.mean_b for one in table.groups} == {16}
    assert table.groups[2].share == pytest.approx(4 / 12)
    assert (table.all.questions, table.all.mean_a, table.unknown) == (12, (9 * 8 + 3 * 32) / 12, 0)
    even = compare(A, changed(B, 6, frames=8)).outcomes
    assert [one.questions for one in even.groups] == [1, 3, 4, 2, 1, 1] and even.all.same == 1
    unknown = compare(A, changed(B, 6, frames=None)).outcomes
    assert [one.questions for one in unknown.groups] == [1, 2, 4, 2, 1, 1] and unknown.unknown == 1
    assert unknown.all.share == 1.0 and unknown.groups[2].share == pytest.approx(4 / 11)
    blind = compare(A, changed(B, 6, frames=0)).outcomes  # none is a number, and the cheapest
    assert [one.questions for one in blind.groups] == [1, 3, 4, 2, 1, 1] and blind.unknown == 0
    assert compare(A, B, cost="cost").outcomes.unknown == 12


def test_the_other_way_round_all_signs_turn() -> None:
    one, other = compare(A, B), compare(B, A)
    for first, second in zip(one.groups, other.groups, strict=True):
        assert (first.only_a, first.only_b) == (second.only_b, second.only_a)
        assert first.difference == pytest.approx(-second.difference)
        assert first.p_value == pytest.approx(second.p_value)
    assert [x.id for x in one.won] == [x.id for x in other.lost]
    assert compare(A, A).groups[0].difference == 0 and compare(A, A).groups[0].p_value == 1


def test_what_failed_or_was_not_judged_is_left_out_and_counted() -> None:
    failed = changed(A, 0, verdict=None, error="VideoError: gone")
    unjudged = changed(failed, 1, verdict=None, judge_words="down")
    found = compare(unjudged, B)
    assert found.groups[0].questions == 10 and found.groups[0].only_a == 2
    assert found.shared.without_verdict == ["q0", "q1"]
    turned = compare(B, unjudged)
    assert turned.shared.without_verdict == ["q0", "q1"] and turned.groups[0].only_b == 2
    assert (found.measures_a.failed, found.measures_a.unjudged) == (1, 1)
    text = comparison_text(found)
    assert "2 without a verdict in one of them" in text
    assert text.splitlines()[5].split()[-3:] == ["0", "1", "1"]


def test_questions_of_one_run_alone_are_left_out_and_named() -> None:
    fewer = replace(B, rows={k: v for k, v in B.rows.items() if k not in ("q0", "q9")})
    found = compare(A, fewer)
    assert found.shared.only_a == ["q0", "q9"] and found.shared.only_b == []
    assert found.groups[0].questions == 10 and "2 of A alone" in comparison_text(found)
    assert found.measures_a.questions == 12 and found.measures_b.questions == 10


def test_runs_on_other_questions_are_refused() -> None:
    other = replace(
        B,
        rows={f"x{k}": v | {"id": f"x{k}"} for k, v in B.rows.items()},
        manifest={"settings": {"dataset": "others", "split": "test"}},
    )
    with pytest.raises(ComparisonError, match=r"share no question.*\(others test\).*'xq0'"):
        compare(A, other)
    with pytest.raises(ComparisonError, match="question 'q3' is not the same.*its question is"):
        compare(A, changed(B, 3, question="what else?"))
    with pytest.raises(ComparisonError, match="its gold is 'thing 3' in a and 'x' in b"):
        compare(A, changed(B, 3, gold="x"))
    with pytest.raises(ComparisonError, match="cost must be one of frames"):
        compare(A, B, cost="price")
    assert all(compare(A, B, cost=cost) for cost in COSTS)


def test_groups_of_many_videos_are_corrected_for_their_number() -> None:
    items = [question(2 * n, group={"side": "left" if n < 20 else "right"}) for n in range(40)]
    ours = {i.id: row(i, True, frames=1) for i in items}
    theirs = {i.id: row(i, n % 2 == 0, frames=1) for n, i in enumerate(items)}
    found = compare(ComparedRun("a", ours, {}), ComparedRun("b", theirs, {}))
    tested = [one for one in found.groups if one.section != "all"]
    assert {one.section for one in tested} == {"length", "bucket", "side"} and len(tested) == 4
    sides = [one for one in tested if one.section == "side"]
    assert [one.holm for one in tested if one not in sides] == [None, None]  # of all questions
    smallest = min(one.p_value for one in sides)
    assert min(one.holm for one in sides) == pytest.approx(2 * smallest)
    assert all(one.holm >= one.p_value for one in sides)


def test_a_question_of_several_values_is_in_each_of_their_groups() -> None:
    both = changed(A, 0, group={"side": "left | right"})
    sides = {one.name: one.questions for one in compare(both, B).groups if one.section == "side"}
    assert sides == {"left": 8, "right": 5}


def test_the_text_lists_flips_and_the_json_has_them_all(tmp_path) -> None:
    found = compare(A, B)
    text = comparison_text(found, flips=1)
    assert (
        "4 questions only A has right:\n  q0: what is 0? gold: thing 0; A: 'a 0'; B: 'b 0'" in text
    )
    assert "2 questions only B has right:" in text
    assert "4 questions only A has right\n" in comparison_text(found, flips=0) + "\n"
    assert "The manifests do not differ." in text
    data = json.loads(json.dumps(comparison_json(found)))
    assert [one["id"] for one in data["won"]] == ["q0", "q1", "q2", "q3"]
    assert comparison_text(found) == comparison_text(compare(A, B))


def test_folders_are_read_from_their_rows_and_the_last_row_of_a_question_counts(tmp_path) -> None:
    rows = [row(ITEMS[0], False), row(ITEMS[0], True)]
    folder = write_folder(tmp_path / "run", rows)
    found = read_run(folder)
    assert found.rows["q0"]["verdict"] is True and found.manifest["settings"]["policy"] == "toy"
    with pytest.raises(RunFolderError, match="cannot be read"):
        read_run(tmp_path / "nowhere")
    other = write_folder(tmp_path / "other", rows)
    join_entries(RunFolder(tmp_path), [{"name": "run"}, {"name": "other"}])
    with pytest.raises(RunFolderError, match="holds the entries run, other: name one"):
        read_run(tmp_path)
    assert read_run(tmp_path, "other").name == str(other)
    (folder / "samples.jsonl").write_text('{"id": "q0"}\n')
    with pytest.raises(LogError, match="line 1 is not the row of a question: video is missing"):
        read_run(folder)
    (folder / "samples.jsonl").write_text("")
    with pytest.raises(RunFolderError, match="holds no rows of questions"):
        read_run(folder)


@pytest.mark.slow
def test_a_hundred_thousand_questions_take_seconds() -> None:
    base = row(question(0), True, frames=1)
    named = [(f"q{n}", f"v{n // 10}.mp4") for n in range(100_000)]
    ours = {i: base | {"id": i, "video": v, "group": {"k": v[-5]}} for i, v in named}
    theirs = {i: one | {"verdict": int(i[1:]) % 3 > 0} for i, one in ours.items()}
    began = perf_counter()
    found = compare(ComparedRun("a", ours, {}), ComparedRun("b", theirs, {}))
    assert found.groups[0].only_a == 33_334 and perf_counter() - began < 30
