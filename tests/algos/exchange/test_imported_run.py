"""Laws of `algos.exchange.imported_run`, `foreign_rows`: what is read is an evaluation like any."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.evaluation.measures import measure
from algos.exchange.foreign_rows import ForeignQuestion, ForeignStep
from algos.exchange.imported_run import file_name, write_run
from algos.exchange.played_entry import ExchangeError, read_entry
from algos.runs.append_log import read_log
from algos.runs.run_folder import RunFolder, RunFolderError
from algos.sft.stored_episodes import read_episodes
from algos.viewer.reading.report_files import load_report
from sage_env import UseTool
from sage_env.actions.action import MAX_TEXT
from tests.helpers.handmade import item

SEARCH = ForeignStep(UseTool("search", {"query": "x"}), "let me search", "nothing")
QUESTIONS = [
    ForeignQuestion(item("a", "1.mp4"), "yes", True, known={"attempts": 2}),
    ForeignQuestion(item("b", "2.mp4"), "no", False, steps=[SEARCH, SEARCH]),
    ForeignQuestion(item("c", "3.mp4"), "who knows", None),
    ForeignQuestion(item("d", "4.mp4"), None, False, steps=[SEARCH]),
    ForeignQuestion(item("e", "5.mp4"), None, False),
    ForeignQuestion(item("f", "6.mp4"), None, None, "TimeoutError: 300 s", steps=[SEARCH]),
]


def write(path: Path, source: Path, questions=QUESTIONS, name: str = "their model") -> RunFolder:
    source.write_text("x")
    folder = RunFolder(path)
    write_run(folder, questions, name=name, dataset="bench", sources=[source], kind="sage")
    return folder


def test_every_outcome_is_its_own(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", tmp_path / "f.json")
    entry = read_entry(folder.path)
    outcomes = [question.outcome for question in entry.questions]
    assert outcomes == ["right", "wrong", "unjudged", "missing", "missing", "failed"]
    overall = measure(*_played(folder))[0].measures
    assert (overall.questions, overall.failed, overall.unjudged, overall.missing) == (5, 1, 1, 2)
    assert overall.accuracy == 0.25 and overall.frames is None


def _played(folder: RunFolder):
    result = folder.load_result(folder.result_names()[0])
    return result.items, result.trajectories


def test_rows_say_what_is_known(tmp_path: Path) -> None:
    rows = read_log(write(tmp_path / "run", tmp_path / "f.json").samples)
    assert [row["turns"] for row in rows] == [1, 3, 1, 1, 0, 1]
    assert rows[0]["attempts"] == 2 and rows[0]["rule"] == "imported" and rows[2]["rule"] is None
    assert all(row["frames"] is None and row["reward_terms"] == {} for row in rows)
    assert rows[5]["error"] == "TimeoutError: 300 s" and rows[5]["verdict"] is None


def test_reports_and_readers_of_episodes_take_the_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", tmp_path / "f.json")
    assert load_report(folder).shown.name == "their model" and folder.report.exists()
    episodes = read_episodes([folder.path])
    assert [e.trajectory.num_turns for e in episodes] == [1, 3, 1, 1, 0, 1]
    assert episodes[1].trajectory.turns[0].decision.text == "let me search"


def test_the_manifest_says_where_it_is_from_and_keeps_others_out(tmp_path: Path) -> None:
    folder = write(tmp_path / "run", tmp_path / "f.json")
    told = read_entry(folder.path).settings["imported from"]
    assert told["format"] == "sage" and told["files"][0]["file"] == "f.json"
    before = folder.samples.read_bytes()
    write(tmp_path / "run", tmp_path / "f.json")  # again is fine
    assert folder.samples.read_bytes() == before
    with pytest.raises(RunFolderError, match="with other settings .policy 'their model'"):
        write(tmp_path / "run", tmp_path / "f.json", name="another")


def test_long_and_odd_answers_are_kept_in_the_row(tmp_path: Path) -> None:
    long = "x" * (MAX_TEXT + 5)
    asked = [ForeignQuestion(item("a"), long, False), ForeignQuestion(item("b"), "\ud800", False)]
    rows = read_log(write(tmp_path / "run", tmp_path / "f.json", asked).samples)
    assert rows[0]["prediction"] == long and rows[1]["prediction"] == "\ud800"
    assert rows[0]["verdict"] is False


def test_ids_stand_once_and_something_stands_there(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="'a' stands twice"):
        write(tmp_path / "run", tmp_path / "f.json", [QUESTIONS[0], QUESTIONS[0]])
    with pytest.raises(ExchangeError, match="no question"):
        write(tmp_path / "run", tmp_path / "f.json", [])
    assert file_name("org/Model 7B: best") == "org-Model-7B--best" and file_name("?") == "imported"
