"""Laws of `algos.exchange.played_entry`: an entry is read whole, and every outcome apart."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from algos.exchange.played_entry import ExchangeError, PlayedEntry, read_entry
from algos.runs.run_folder import RunFolderError


def test_an_entry_has_every_question_with_its_row_and_its_episode(entry: PlayedEntry) -> None:
    assert [q.outcome for q in entry.questions] == [
        "right", "wrong", "missing", "unjudged", "failed",
    ]  # fmt: skip
    assert entry.counts() == {"right": 1, "wrong": 1, "missing": 1, "unjudged": 1, "failed": 1}
    for question in entry.questions:
        assert question.row["id"] == question.item.id == question.trajectory.item_id
    assert [q.item.id for q, _ in entry.episodes()] == ["q-right", "q-wrong", "q-missing"]
    assert [q.item.id for q, _ in entry.episodes(not_judged=True)][3:] == ["q-unjudged"]
    assert (entry.policy, entry.dataset, entry.name) == ("planned", "plans", "planned")


def test_of_several_entries_one_is_named(run: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copytree(run, tmp_path / name)
    (tmp_path / "manifest.json").write_text(json.dumps({"kind": "evaluations"}))
    assert read_entry(tmp_path, "two").folder == tmp_path / "two"
    with pytest.raises(ExchangeError, match="has the entries one, two: name one with --entry"):
        read_entry(tmp_path)
    with pytest.raises(ExchangeError, match="got 'three'"):
        read_entry(tmp_path, "three")
    shutil.rmtree(tmp_path / "one")
    assert read_entry(tmp_path).folder == tmp_path / "two"
    with pytest.raises(ExchangeError, match="one entry only"):
        read_entry(run, "two")


def test_an_unfinished_run_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    with pytest.raises(RunFolderError, match="unfinished"):
        read_entry(tmp_path / "run")
    with pytest.raises(RunFolderError):
        read_entry(tmp_path / "nowhere")


def test_a_question_without_a_row_is_refused(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    samples = tmp_path / "run" / "samples.jsonl"
    samples.write_text("".join(samples.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(RunFolderError, match="no row of the question 'q-gone'"):
        read_entry(tmp_path / "run")
