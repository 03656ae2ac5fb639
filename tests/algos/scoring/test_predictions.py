"""Laws of `algos.scoring.predictions`: others' answers, read strictly, none of them lost."""

from __future__ import annotations

import json

import pytest

from algos.evaluation.row_results import result_of_row
from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory
from algos.scoring.predictions import read_predictions, rows_of_predictions
from algos.scoring.score_tables import score_text
from algos.scoring.scored_folder import score_into
from algos.scoring.stored_answers import answers_of_file
from sage_env.errors import DatasetError
from tests.helpers.wiring.row_folders import question

ITEMS = [question(n, evidence=((1.0, 2.0),)) for n in range(4)]


def written(tmp_path, *lines):
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join((x if isinstance(x, str) else json.dumps(x)) + "\n" for x in lines))
    return path


def test_a_file_becomes_rows_of_the_schema_of_a_play(tmp_path) -> None:
    path = written(
        tmp_path,
        {"id": "q0", "prediction": "thing 0", "frames": 32, "cost": 0.5, "model": "theirs"},
        "",
        {"id": "q1", "prediction": "something"},
        {"id": "q2", "prediction": None},
    )
    rows = rows_of_predictions(ITEMS, read_predictions(path), partial=False)
    assert set(rows[0]) == set(sample_row(ITEMS[0], Trajectory("q0")))
    assert [one["prediction"] for one in rows] == ["thing 0", "something", None, None]
    assert (rows[0]["frames"], rows[0]["cost"], rows[0]["turns"]) == (32, 0.5, 1)
    assert rows[1]["frames"] is None and rows[1]["evidence_recall"] is None
    results = [result_of_row(one) for one in rows]
    assert [one.missing for one in results] == [False, False, True, True]
    assert [one.correct for one in results] == [None, None, False, False]
    only = rows_of_predictions(ITEMS, read_predictions(path), partial=True)
    assert [one["id"] for one in only] == ["q0", "q1", "q2"]


def test_the_rules_score_a_file(tmp_path) -> None:
    path = written(
        tmp_path, {"id": "q0", "prediction": "Thing 0."}, {"id": "q3", "prediction": "x"}
    )
    answers = answers_of_file(path, ITEMS, "toys", partial=False)
    found = score_into(tmp_path / "s", answers, [])
    total = found.measures[0].measures
    assert (total.questions, total.accuracy, total.missing) == (4, 0.25, 2)
    assert [one["rule"] for one in found.rows] == ["text", None, None, "undecided"]
    told = score_text(found)
    assert "2 of 4 answers were scored" in told and "of the play" not in told  # nothing was played


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("{", "line 2 is not JSON"),
        ("[" * 100_000, "line 2 is not JSON"),
        ([1], r'line 2: expected \{"id": ..., "prediction": ...\}'),
        ({"prediction": "x"}, "line 2: expected"),
        ({"id": "q1"}, "line 2: prediction must be a text or null"),
        ({"id": "q1", "prediction": 3}, "must be a text or null, got 3"),
        ({"id": "q0", "prediction": "x"}, "the id 'q0' stands twice"),
        ({"id": "q1", "prediction": "x", "frames": -1}, "frames must be a number >= 0"),
        ({"id": "q1", "prediction": "x", "frames": 1.5}, "frames must be a number >= 0"),
        ({"id": "q1", "prediction": "x", "cost": "1"}, "cost must be a number >= 0"),
        ({"id": "q1", "prediction": "x", "tokens": True}, "tokens must be a number >= 0"),
    ],
)
def test_a_line_that_is_no_prediction_is_named(tmp_path, line, says) -> None:
    with pytest.raises(DatasetError, match=says):
        read_predictions(written(tmp_path, {"id": "q0", "prediction": "x"}, line))


def test_answers_to_other_questions_are_refused(tmp_path) -> None:
    path = written(tmp_path, {"id": "q0", "prediction": "x"}, {"id": "z", "prediction": "x"})
    with pytest.raises(DatasetError, match="1 of 2 ids are no question .* the first is 'z'"):
        rows_of_predictions(ITEMS, read_predictions(path), partial=True)
    with pytest.raises(DatasetError, match="holds no prediction"):
        read_predictions(written(tmp_path, ""))
    with pytest.raises(DatasetError, match="cannot be read"):
        read_predictions(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("text", ["a\u2028b", "a\u2029", "\x85", "a\x0bb\x0cc", "\x1c"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_text_may_hold_what_ends_a_line_elsewhere(tmp_path, text, end):
    path = tmp_path / "theirs.jsonl"
    spelled = [json.dumps({"id": k, "prediction": text}, ensure_ascii=False) for k in "ab"]
    path.write_bytes("".join(f"{one}{end}" for one in spelled).replace("\x0b", "\\u000b")
                     .replace("\x0c", "\\u000c").replace("\x1c", "\\u001c").encode())  # fmt: skip
    assert {name: one.text for name, one in read_predictions(path).items()} == {
        "a": text,
        "b": text,
    }


@pytest.mark.parametrize("cost", ["frames", "turns", "tokens", "seconds", "cost"])
@pytest.mark.parametrize("value", [10**400, -1, 1e400, True, "3", [], {}])
def test_a_cost_is_a_number_that_can_be_counted(tmp_path, cost, value):
    with pytest.raises(DatasetError, match=f"line 1: {cost} must be a number >= 0"):
        read_predictions(written(tmp_path, {"id": "q0", "prediction": "x", cost: value}))
