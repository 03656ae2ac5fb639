"""Laws of `algos.cli.exchange_commands`: what is asked for is written, said, and read back."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from algos.cli.entry import main
from algos.exchange.played_entry import read_entry
from algos.runs.append_log import read_log
from sage_env.datasets.exporting import export_questions
from tests.helpers.played.planned_run import planned_run, questions


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planned_run(tmp_path_factory.mktemp("planned"))


COUNTS = "of 5 questions (1 right, 1 wrong, 1 missing, 1 unjudged, 1 failed)"


@pytest.mark.parametrize(
    ("arguments", "said", "files"),
    [
        ("--format lmms-eval", "_samples_plans.jsonl", "*_results.json"),
        ("--format atif", "5 documents in", "trajectories.jsonl"),
        ("--format atif --images --image-format jpeg", "5 documents in", "images/*.jpg"),
        ("--format messages", "4 conversations in", "train.jsonl"),
        ("--format messages --images", "4 conversations in", "images/*.png"),
        ("--format messages --images --parquet", "4 conversations in", "train.parquet"),
        ("--format minari", "dataset sage-vqa/plans/planned-v0", "**/main_data.hdf5"),
    ],
)
def test_each_format_is_written_and_what_became_of_the_questions_is_said(
    run: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    said: str,
    files: str,
) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main(["export", str(run), *arguments.split(), "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert said in told and COUNTS in told
    assert list((tmp_path / "out").glob(files))
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("--format minari --images", "--images does nothing with --format minari"),
        ("--format atif --parquet", "--parquet is of --format messages"),
        ("--format atif --entry x", "has one entry only"),
    ],
)
def test_an_option_that_does_nothing_is_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, error: str
) -> None:
    assert main(["export", str(run), *arguments.split(), "--out", str(tmp_path / "o")]) == 2
    assert error in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_run_goes_to_lmms_eval_and_back(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["export", str(run), "--format", "lmms-eval", "--out", str(tmp_path / "out")])
    (samples,) = (tmp_path / "out").glob("*_samples_*")
    into = ["--format", "lmms-eval", "--out", str(tmp_path / "back")]
    assert main(["data", "import", str(samples), *into, "--name", "planned again"]) == 0
    assert COUNTS.removeprefix("of ") in capsys.readouterr().out
    assert read_log(tmp_path / "back" / "samples.jsonl") == read_log(run / "samples.jsonl")
    assert read_entry(tmp_path / "back").policy == "planned again"
    assert main(["report", str(tmp_path / "back")]) == 0


def test_results_of_sage_are_paired_with_a_dataset_of_ours(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    items = [replace(item, id=f"ours-{item.id}") for item in questions(tmp_path)[:3]]
    export_questions({None: items}, tmp_path / "data")
    records = [
        {
            "question": f"{question}\n (A) a cat\n (B) a dog", "answer": "dog",
            "full_answer": "dog", "is_correct": True, "evaluation_reasoning": "same",
            "video_path": "x/clip.mp4",
        }
        for question in (items[0].question, "Something else?")
    ]  # fmt: skip
    (tmp_path / "theirs.json").write_text(json.dumps(records))
    command = ["data", "import", str(tmp_path / "theirs.json"), "--format", "sage"]
    command += ["--dataset", str(tmp_path / "data" / "questions.jsonl"), "--split", "test"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    said = capsys.readouterr().out
    assert "theirs, 1 questions (1 right)" in said and "1 questions are none of" in said
    (row,) = read_log(tmp_path / "run" / "samples.jsonl")
    assert row["id"] == "ours-q-right" and row["group"] == {"plan": "right"}
    (tmp_path / "theirs.json").write_text(json.dumps(records[1:]))
    assert main([*command, "--out", str(tmp_path / "other")]) == 2
    assert "none of the 1 questions is one of" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ("a.jsonl b.jsonl --format lmms-eval", "takes one file"),
        ("a.jsonl --format sage --metric x", "--metric is of --format lmms-eval"),
        ("none.json --format sage", "cannot be read"),
    ],
)
def test_what_cannot_be_imported_is_said_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, error: str
) -> None:
    command = ["data", "import", *arguments.split(), "--out", str(tmp_path / "o")]
    assert main(command) == 2
    assert error in capsys.readouterr().err and not (tmp_path / "o").exists()


def test_a_dataset_becomes_a_task(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export_questions({None: questions(tmp_path)[:2]}, tmp_path / "data")
    source = ["--dataset", str(tmp_path / "data" / "questions.jsonl")]
    assert main(["data", "lmms-task", str(tmp_path / "tasks"), *source]) == 0
    said = capsys.readouterr().out
    assert "2 questions" in said and f"--include_path {tmp_path / 'tasks'}" in said
    assert (tmp_path / "tasks" / "questions_test.yaml").exists()
