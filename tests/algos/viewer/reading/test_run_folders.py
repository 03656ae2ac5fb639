"""Laws of `algos.viewer.reading.run_folders`, `stored_runs`, `stored_entries`,
`unfinished_entries`, `update_entries`, `run_views`, `report_files`.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from algos.report.report_data import ReportData
from algos.rollout.trajectory import Trajectory, Turn, save_trajectories
from algos.runs.append_log import LogError
from algos.runs.json_files import write_json
from algos.runs.run_folder import RunFolder, RunFolderError
from algos.runs.token_records import TurnRecord
from algos.runs.update_episodes import UpdateEpisodeLog
from algos.scoring.scored_folder import score_into
from algos.scoring.stored_answers import answers_of_run
from algos.suite.evaluating import evaluate_entries
from algos.viewer.reading import load_report, read_run, save_report, write_report
from policies.base import Decision
from sage_env import Answer, Invalid, Sample
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from tests.helpers.clips import write_clip
from tests.helpers.handmade import item, result, trajectory
from tests.helpers.viewer.pages import read_page

NASTY = '<script>alert("&")</script>'
SMALL: dict[str, Any] = {
    "opener": open_memory,
    "overview_frames": 2,
    "frames_per_turn": 2,
    "frame_size": (32, 48),
}


@pytest.fixture(autouse=True, scope="module")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep finished sheets out of the user's cache folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGE_ENV_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Knows:
    """Looks once, and answers right or wrong by turns."""

    def reset(self, *, seed: int | None = None) -> None:
        self.looked = False

    def act(self, observation: Any) -> Any:
        if not self.looked:
            self.looked = True
            return Sample(0.0, 5.0, 2)
        return Answer("star" if len(str(observation["question"])) % 2 else "moon")


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an evaluation of one policy and a floor."""
    out = tmp_path_factory.mktemp("runs") / "table"
    evaluate_entries(ITEMS, {"knows": Knows()}, out, controls=["longest"], seed=3, **SMALL)
    return out


@pytest.fixture
def own(table: Path, tmp_path: Path) -> Path:
    """Return a copy of it that a test may damage."""
    return Path(shutil.copytree(table, tmp_path / "table"))


def rows_of(path: Path) -> dict[str, Any]:
    return {row["id"]: row for row in map(json.loads, path.read_text().splitlines())}


def test_an_evaluation_of_several_entries_has_the_rows_of_its_files(table: Path) -> None:
    run = read_run(table)
    assert [entry.key for entry in run.entries] == ["knows", "longest"]
    assert run.entries[1].told["control"] == "longest" and not run.live
    rows = list(run.rows())
    assert len(rows) == run.count == 2 * len(ITEMS)
    for row in rows:
        stored = rows_of(table / row["entry"] / "samples.jsonl")[row["id"]]
        shared = set(row) & set(stored) - {"video"}
        assert {"verdict", "frames", "turns", "seconds", "prediction"} <= shared
        assert {key: row[key] for key in shared} == {key: stored[key] for key in shared}
        assert row["group.family" if stored["group"] else "id"]
    assert sorted(run.order) == sorted(one.id for one in ITEMS)
    keys = {column.key for column in run.columns}
    assert {"question", "group.family", "verdict", "reward.answer"} <= keys
    assert "cost" not in keys  # nobody measured it
    told = {name for name, _, _ in run.sections}
    assert {"summary", "floors"} <= told


def test_a_question_has_its_item_its_episodes_and_commands_that_replay_them(table: Path) -> None:
    run = read_run(table)
    asked = run.question("which")
    assert (asked.question, asked.choices) == (ITEMS[0].question, list(ITEMS[0].choices))
    assert asked.gold_choice == 1 and asked.evidence == [(20.0, 24.0), (40.0, 41.0)]
    assert asked.frame_size == (32, 48) and asked.duration == 60.0
    played, floor = asked.episodes
    assert [step.action for step in played.steps] == ["overview", "sample", "answer"]
    assert played.verdict is rows_of(table / "knows" / "samples.jsonl")["which"]["verdict"]
    assert all(str(table) in command for _, command in played.commands)
    assert all("--entry=knows" in command for _, command in played.commands)
    assert played.commands and not floor.commands  # a control cannot be replayed
    with pytest.raises(KeyError):
        run.question("nobody")


def test_one_entry_is_a_run_of_its_own(table: Path) -> None:
    run = read_run(table / "knows")
    assert len(run.entries) == 1 and run.count == len(ITEMS)
    assert run.about["policy"].startswith("knows") and "machine" in run.about
    page = read_page(table / "knows" / "report.html")
    assert page.run["count"] == len(ITEMS) and list(page.questions) == list(run.order)


def test_an_evaluation_that_goes_on_is_shown_as_far_as_it_is(own: Path) -> None:
    """Killed in the middle of a line, before results and report."""
    folder = own / "knows"
    whole = read_run(own).question("when")
    for path in (*folder.glob("*.html"), *folder.glob("re*.json"), own / "report.json"):
        path.unlink()
    (stored,) = (folder / "evaluations").glob("*.json")
    stored.unlink()
    for path in (folder / "samples.jsonl", stored.with_suffix(".jsonl")):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[:2]) + lines[2][:40])
    run = read_run(own)
    assert run.live and "not finished" in run.notes[0]
    mine = [row["id"] for row in run.rows() if row["entry"] == "knows"]
    assert mine == ["which", "when"] and run.count == 2 + len(ITEMS)
    asked = run.question("when")
    assert asked.question == ITEMS[1].question and asked.frame_size == whole.frame_size
    assert asked.episodes[0].steps == whole.episodes[0].steps
    alone = read_run(folder)
    assert alone.live and alone.count == 2 and alone.question("when").question == asked.question


def test_a_damaged_file_is_named_in_a_sentence(own: Path) -> None:
    samples = own / "knows" / "samples.jsonl"
    samples.write_text(samples.read_text().replace('"turns": 2', '"turns": "many"', 1))
    with pytest.raises((LogError, RunFolderError), match=r"samples\.jsonl, line \d"):
        read_run(own)
    with pytest.raises(RunFolderError, match="holds no run"):
        read_run(own / "knows" / "evaluations")
    with pytest.raises(RunFolderError, match="holds no run"):
        read_run(own / "nothing")


def test_scores_stand_beside_the_play_that_they_are_of(table: Path, tmp_path: Path) -> None:
    out = tmp_path / "scores"
    score_into(out, answers_of_run(table / "knows"), [], everything=True)
    run = read_run(out)
    (entry,) = run.entries
    assert run.count == len(ITEMS) and entry.key == "scored"
    asked = run.question("which")
    assert asked.choices and [step.action for step in asked.episodes[0].steps][-1] == "answer"
    write_json(out / "manifest.json", {"kind": "scores", "scored": {"from": "gone"}})
    alone = read_run(out).question("which")
    assert not alone.episodes[0].steps and alone.question == ITEMS[0].question
    assert alone.episodes[0].prediction == asked.episodes[0].prediction


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a clip of 100 seconds whose frame i, at i seconds, shows the number i."""
    return write_clip(tmp_path_factory.mktemp("clip") / "a.mp4", [25 * i for i in range(100)])


@pytest.fixture
def data(clip: Path) -> ReportData:
    """Return a training of two questions, one about a video that is there."""
    asked = item("seen", str(clip), question=NASTY, choices=("yes", NASTY), kind="mcq")
    gone = item("gone", "no-such-file.mp4", group={})
    before = result(
        (asked, trajectory("seen", False, looks=((13.0,),), answer=NASTY)),
        (gone, trajectory("gone", False)),
        name="SFT base",
    )
    after = result(
        (asked, trajectory("seen", True, looks=((12.0, 40.0),))),
        (gone, trajectory("gone", None, error=f"VideoError: {NASTY}")),
        name="after PPO",
    )
    metrics = [{"update": k, "rollout/accuracy": 0.1 * k} for k in range(1, 5)]
    return ReportData(
        NASTY,
        {"command": NASTY},
        {"base": before, "ppo": after},
        before="base",
        after="ppo",
        metrics=metrics,
        frame_size=(64, 96),
    )


def trained(folder: RunFolder, data: ReportData) -> Path:
    folder.metrics.write_text("".join(json.dumps(row) + "\n" for row in data.metrics))
    return save_report(folder, data)


def test_the_report_of_a_training_is_the_page(data: ReportData, tmp_path: Path) -> None:
    page = read_page(trained(RunFolder(tmp_path), data))
    assert page.run["shown"] == "ppo" and page.run["before"] == "base"
    assert page.run["title"] == NASTY and page.run["about"]["command"] == NASTY
    assert list(page.questions) == ["seen", "gone"]  # its verdict flipped
    assert page.questions["seen"]["choices"] == ["yes", NASTY]
    assert "sheet" in page.questions["seen"] and "no-such-file" in page.questions["gone"]["missing"]
    errors = [row["error"] for row in page.rows if row["entry"] == "ppo"]
    assert errors == [None, f"VideoError: {NASTY}"]
    assert len([attrs for tag, attrs in page.tags if tag == "script"]) == 4


def test_a_report_is_rebuilt_from_its_folder_to_the_byte(data: ReportData, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    path = trained(folder, data)
    first = path.read_bytes()
    path.unlink()
    write_report(path, load_report(folder))
    assert path.read_bytes() == first


def test_half_a_character_of_a_model_does_not_cost_the_report(clip: Path, tmp_path: Path) -> None:
    """Lone surrogates in all that a model or a dataset can write."""
    odd = "\ud800 \udfffred"
    asked = item("seen", str(clip), question=odd, choices=("yes", odd), kind="mcq", answer=odd)
    played = trajectory("seen", False, looks=((13.0,),), answer="yes")
    last = played.turns[-1]
    played.turns[-1] = Turn(Decision(Invalid(odd, odd), odd), last.reward, last.info)
    failed = trajectory("seen", None, error=f"ServiceError: {odd}")
    shown = ReportData(
        odd,
        {"command": odd},
        {"a": result((asked, played), name="a"), "b": result((asked, failed), name="b")},
    )
    folder = RunFolder(tmp_path)
    page = read_page(save_report(folder, shown))
    assert page.questions["seen"]["question"] == odd
    assert page.questions["seen"]["episodes"][0]["steps"][-1]["reason"] == odd
    again = load_report(folder)
    assert again.title == odd and again.results["a"].items[0].question == odd
    assert again.results["a"].trajectories[0].turns[-1].decision.text == odd


def test_a_folder_that_is_no_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match=r"report\.json cannot be read"):
        load_report(RunFolder(tmp_path / "nothing"))
    (tmp_path / "report.json").write_text('{"results": []}')
    with pytest.raises(RunFolderError, match=r"report\.json is not complete"):
        load_report(RunFolder(tmp_path))


def test_a_training_has_an_entry_for_each_validation(data: ReportData, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    (asked, _) = data.results["base"].items
    validated = UpdateEpisodeLog(
        folder.validation_episodes, keep_through=9, items={"seen": asked, "other": item("other")}
    )
    for update, right in ((0, False), (2, True), (10, True)):
        validated.write(update, trajectory("seen", right))
        validated.write(update, trajectory("other", not right))
    validated.write(2, trajectory("seen", False))  # played again: the last counts
    validated.close()
    sampled = UpdateEpisodeLog(folder.tokens, keep_through=9, items={"train": item("train")})
    sampled.write(1, trajectory("train", True), [TurnRecord(("y", "es"), ratio=(1.0, 1.1))])
    sampled.close()
    trained(folder, data)
    run = read_run(tmp_path)
    updates = {entry.key: entry.update for entry in run.entries}
    assert updates == {
        "base": None, "ppo": None, "validated-0": 0, "validated-2": 2, "validated-10": 10,
        "learned-1": 1,
    }  # fmt: skip
    assert run.count == 4 + 6 + 1
    verdicts = {(row["id"], row["entry"]): row["verdict"] for row in run.rows()}
    assert verdicts["seen", "validated-0"] is False and verdicts["seen", "validated-10"] is True
    assert verdicts["other", "validated-0"] is True
    assert verdicts["seen", "validated-2"] is False
    over = [(one.entry, one.verdict) for one in run.question("seen").episodes]
    assert over == [
        ("base", False), ("ppo", True), ("validated-0", False), ("validated-2", False),
        ("validated-10", True),
    ]  # fmt: skip
    assert run.question("other").question == "what is other?"  # no result has it
    learned = run.question("train").episodes
    assert [one.entry for one in learned] == ["learned-1"]
    assert learned[0].steps[-1].pieces is not None
    assert learned[0].steps[-1].pieces.ratio == (1.0, 1.1)


def test_a_training_that_goes_on_is_shown_as_far_as_it_is(data: ReportData, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    trained(folder, data)
    write_json(folder.config, {"ppo": {}, "dataset": "own.jsonl", "checkpoint": None})
    for path in (folder.report, folder.report_settings, folder.result_path("ppo")):
        path.unlink()
    played = folder.result_path("ppo").with_suffix(".jsonl")
    played.write_text(played.read_text()[:-30])  # in the middle of the second line
    run = read_run(tmp_path)
    assert run.live and [entry.key for entry in run.entries] == ["base", "ppo"]
    assert run.count == 3 and len(run.question("seen").episodes) == 2
    assert run.question("seen").question == NASTY and len(run.curves) == 4


def test_a_question_that_was_asked_has_no_verdict(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    write_json(folder.config, {"question": "Who?", "video": "a.mp4", "choices": [], "policy": "x"})
    played: Trajectory = trajectory("question", None, looks=((1.0,),))
    save_trajectories(folder.trajectory, [played])
    run = read_run(tmp_path)
    asked = run.question("question")
    assert run.title == asked.question == "Who?" and asked.gold is None
    assert asked.video == Path("a.mp4") and len(asked.episodes[0].steps) == 3
    assert [row["verdict"] for row in run.rows()] == [None]


def test_frames_of_a_benchmark_are_not_published(data: ReportData, tmp_path: Path) -> None:
    shown = {
        name: read_page(save_report(RunFolder(tmp_path / name), licensed(data, name)))
        for name in ("sage-synth", "lvbench")
    }
    assert shown["sage-synth"].sheets and not shown["lvbench"].sheets
    assert "licence" in " ".join(shown["lvbench"].run["notes"])
    assert "licence" in shown["lvbench"].questions["seen"]["missing"]
    assert read_run(tmp_path / "lvbench", pictures=True).question("seen").pictures


def licensed(data: ReportData, dataset: str) -> ReportData:
    return ReportData("x", {}, data.results, dataset=dataset)


def test_an_episode_on_another_video_has_no_pictures_of_the_questions(tmp_path: Path) -> None:
    """The control that is shown a wrong video: the question's own frames were never seen there."""
    clips = [write_clip(tmp_path / f"{k}.mp4", range(0, 1000, 100)) for k in range(2)]
    items = [item(f"q{k}", video=clip, evidence=((0.0, 0.9),)) for k, clip in enumerate(clips)]
    options: dict[str, Any] = {"overview_frames": 2, "frame_size": (32, 32)}
    out = tmp_path / "run"
    evaluate_entries(items, {"knows": Knows()}, out, controls=["wrong-video"], seed=3, **options)
    asked = read_run(out).question("q0")
    own, wrong = asked.episodes
    assert asked.video == clips[0]
    assert own.other_video is None and wrong.other_video == clips[1].name
    assert own.row["evidence_recall"] == 1 and wrong.row["evidence_recall"] is None
    page = read_page(out / "report.html")
    cells = [
        [cell for step in one["steps"] for _, cell, _ in step.get("frames", ())]
        for one in page.questions["q0"]["episodes"]
    ]
    assert -1 not in cells[0] and set(cells[1]) == {-1}
    assert all(step["elsewhere"] for step in page.questions["q0"]["episodes"][1]["steps"])
