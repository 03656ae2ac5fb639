"""Laws of `algos.evaluation.row_types`: a row that no evaluation writes is refused, by its key."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from algos.comparison.compared_runs import read_run
from algos.evaluation.measures import measures_of
from algos.evaluation.row_results import result_of_row
from algos.evaluation.row_types import check_row
from algos.runs.append_log import LogError
from algos.runs.evaluation_run import row_index
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import read_rows, stored_rows
from sage_env.errors import SageEnvError

ROW: dict[str, Any] = {
    "id": "q", "video": "v.mp4", "group": {"tier": "core"}, "turns": 2, "verdict": True,
    "frames": 3, "prediction": "A", "error": None, "rule": "choice", "duration": 9.0,
    "kind": "mcq", "choices": 4, "gold_choice": 1, "evidence": [[1.0, 2.0]],
    "evidence_recall": 0.5, "evidence_precision": 0.5, "evidence_hit_turn": 1,
    "answer_spans": None, "beliefs": [[0.5, 0.5, 0.0, 0.0], None], "stop_reason": "answered",
    "seconds": 0.5, "seconds_by_stage": {"policy": 0.5}, "cost": None, "tokens": 7,
    "question": "which?", "gold": "A", "judge": {"judge": "a"}, "judge_words": "b", "chance": 0.25,
    "reward_terms": {"answer": 1.0}, "answer_iou": 0.5, "answer_iop": 0.5, "played_verdict": True,
}  # fmt: skip
ODD = (
    "x", -1, 2.5, True, float("nan"), float("inf"), 10**400, [], [None], ["x"], [[]], {}, {"a": []},
)  # fmt: skip
FREE = (  # any text may be
    "id", "video", "kind", "prediction", "error", "rule", "stop_reason", "question", "gold",
    "judge", "judge_words",
)  # fmt: skip


def odd_rows() -> list[tuple[str, dict[str, Any]]]:
    return [(key, ROW | {key: value}) for key in ROW for value in ODD]


def test_every_row_is_refused_or_measured_as_what_it_says() -> None:
    refused = 0
    for key, row in odd_rows():
        try:
            check_row(row)
        except ValueError as error:
            refused += 1
            assert key in str(error) or "failed has no verdict" in str(error)
            continue
        found = measures_of([result_of_row(row)])
        assert found.questions + found.failed == 1
        if row["error"] is None:
            assert found.right == (row["verdict"] is True)
        assert key in FREE or isinstance(row[key], type(ROW[key]) | int | float | list | dict)
    assert refused > 200


@pytest.mark.parametrize("verdict", [0, 1, -1, 2, "true", "x", float("nan"), [], {}])
def test_a_verdict_is_true_false_or_null(verdict: object) -> None:
    with pytest.raises(ValueError, match="verdict must be true, false or null"):
        check_row(ROW | {"verdict": verdict})


@pytest.mark.parametrize("verdict", [True, False])
def test_what_failed_has_no_verdict(verdict: bool) -> None:
    with pytest.raises(ValueError, match="failed has no verdict"):
        check_row(ROW | {"error": "ZeroDivisionError: ", "verdict": verdict})
    assert check_row(ROW | {"error": "ZeroDivisionError: ", "verdict": None})


@pytest.mark.parametrize("key", ["id", "video", "group", "turns", "verdict", "frames", "error"])
def test_what_every_version_wrote_is_needed(key: str) -> None:
    with pytest.raises(ValueError, match=f"{key} is missing"):
        check_row({name: value for name, value in ROW.items() if name != key})


def test_rows_of_older_versions_may_lack_the_rest() -> None:
    old = ("id", "video", "group", "turns", "verdict", "frames", "prediction", "error", "rule")
    row = {key: ROW[key] for key in old}
    assert check_row(row) is row and result_of_row(row).correct


def test_every_reader_names_the_file_and_the_line(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.samples.write_text(f"{json.dumps(ROW)}\n{json.dumps(ROW | {'verdict': 1})}\n")
    folder.manifest.write_text("{}")
    readers = (
        lambda: read_rows(folder.samples),
        lambda: list(stored_rows(folder.samples, check_row)),
        lambda: row_index(folder),
        lambda: read_run(tmp_path),
    )
    for read in readers:
        with pytest.raises(LogError, match=r"samples\.jsonl, line 2 is not the row .* verdict"):
            read()
    assert issubclass(LogError, SageEnvError)
