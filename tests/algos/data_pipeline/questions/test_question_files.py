"""Laws of `question_files`: rejections are added once each, and the dataset is replaced whole."""

from __future__ import annotations

import json
from pathlib import Path

from algos.data_pipeline.questions.question_files import (
    QUESTIONS,
    Rejection,
    kept_questions,
    reject,
    rejections,
    write_kept,
)
from sage_env.datasets.json_lines import read_jsonl
from tests.helpers.data_line.checked_questions import generated, write_generated


def rejection(name: str, check: str, reason: str = "why") -> Rejection:
    return Rejection(id=name, video="600_a.mp4", check=check, reason=reason)


def test_a_question_is_rejected_once_by_each_check(tmp_path: Path) -> None:
    write_generated(tmp_path, [generated(name, "600_a.mp4") for name in "abc"])
    reject(tmp_path, [rejection("a", "blind"), rejection("a", "blind"), rejection("a", "uniform")])
    reject(tmp_path, [rejection("a", "uniform", "again"), rejection("b", "blind")])
    assert [(one.id, one.check) for one in rejections(tmp_path)] == [
        ("a", "blind"),
        ("a", "uniform"),
        ("b", "blind"),
    ]
    assert [one.id for one in kept_questions(tmp_path)] == ["c"]


def test_the_dataset_is_replaced_as_a_whole_and_gone_where_nothing_is_kept(tmp_path: Path) -> None:
    questions = [generated("a", "600_a.mp4"), generated("b", "600_a.mp4", choices=(), kind="open")]
    write_generated(tmp_path, questions)
    assert write_kept(tmp_path) == 2
    path = tmp_path / QUESTIONS
    before = path.read_text()
    with path.open(encoding="utf-8") as reader:
        assert write_kept(tmp_path, {"b": "test", "other": "train"}) == 1
        assert reader.read() == before, "who reads it sees one or the other"
    assert [json.loads(line)["split"] for line in path.read_text().splitlines()] == ["test"]
    assert read_jsonl(path)[0] == questions[1].item(tmp_path)
    reject(tmp_path, [rejection(name, "blind") for name in "ab"])
    assert write_kept(tmp_path) == 0 and not path.exists()
