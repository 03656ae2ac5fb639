"""Laws of `algos.runs.evaluation_run`, `evaluation_manifest`, `line_index` and `stored_result`:
what was played stays, is not played twice, and is told.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from algos.evaluation.measures import EvalResult, evaluate, evaluation_specs
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.sample_rows import OF_THE_MACHINE
from algos.rollout.playing import collect
from algos.runs.append_log import read_log
from algos.runs.evaluation_manifest import plain, questions_digest, require_settings
from algos.runs.evaluation_run import EvaluationRun
from algos.runs.run_folder import RunFolder, RunFolderError, item_to_json
from algos.runs.stored_result import load_stored
from sage_env import Answer, Sample
from sage_env.errors import SageEnvError, VideoError
from tests.helpers.handmade import item
from tests.helpers.toy import FIRST_ANSWER, WORDS, ToyEnv, ToyPolicy

QUESTIONS = [item(f"q{k}", f"{k % 3}.mp4") for k in range(12)]
SETTINGS = {"policy": "toy", "seed": 1, "frame_size": (64, 96)}


class Draws:
    """A plain policy that looks, then answers with a letter of its own generator."""

    def reset(self, *, seed=None):
        self.random, self.looked = np.random.default_rng(seed), False

    def act(self, observation):
        if not self.looked:
            self.looked = True
            return Sample(0.0, 1.0, 1)
        return Answer(WORDS[FIRST_ANSWER + self.random.integers(4)])


POLICIES = {"plain": Draws, "in batches": ToyPolicy}


class Flaky(ToyEnv):
    """Its first reset of two questions fails, as an outage would."""

    broken = {"q3", "q7"}

    def reset(self, *, seed=None, options=None):
        if options["item_id"] in self.broken:
            self.broken.discard(options["item_id"])  # in one step: slots reset in threads
            raise VideoError("the disk is away")
        return super().reset(seed=seed, options=options)


def play(path: Path, policy: Any, *, stop: int | None = None, env=ToyEnv, count=3, items=QUESTIONS):
    """Evaluate into a folder; an interrupt comes when `stop` episodes are written."""
    with EvaluationRun(RunFolder(path), "toy", items, SETTINGS) as run:
        played = []

        def progress(trajectory):
            run.record(trajectory)
            played.append(trajectory.item_id)
            if len(played) == stop:
                raise KeyboardInterrupt

        envs = [env() for _ in range(count)]
        try:
            specs = evaluation_specs(run.waiting, 1)
            assert collect(envs, policy, specs, seed=1, progress=progress, keep=False) == []
            run.finish("toy")
        except KeyboardInterrupt:
            pass
    return played


def contents(path: Path) -> dict[str, Any]:
    """Return what an evaluation left behind, apart from times."""
    rows = [row | dict.fromkeys(OF_THE_MACHINE) for row in read_log(path / "samples.jsonl")]
    files = ("results.json", "evaluations/toy.json", "evaluations/toy.jsonl")
    return {"rows": rows, **{name: (path / name).read_text() for name in files}}


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("stops", [(1,), (4, 3), (11,), (2, 2, 2)])
def test_interrupted_and_gone_on_with_it_is_the_uninterrupted_one(kind, stops, tmp_path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    assert len(play(whole, POLICIES[kind]())) == 12
    played = []
    for number, stop in enumerate(stops):
        played += play(broken, POLICIES[kind](), stop=stop, count=1 + number)
    seconds = {row["id"]: row["seconds"] for row in read_log(broken / "samples.jsonl")}
    assert sorted(seconds) == sorted(played)
    played += play(broken, POLICIES[kind](), count=4)
    assert sorted(played) == sorted(x.id for x in QUESTIONS), "a question was played twice, or lost"
    assert contents(broken) == contents(whole)
    now = {row["id"]: row["seconds"] for row in read_log(broken / "samples.jsonl")}
    assert seconds.items() <= now.items()
    predictions = [row["prediction"] for row in contents(whole)["rows"]]
    assert len(set(predictions)) > 1, "every episode got the same seed"


def test_totals_count_each_question_once_however_often_it_was_played(tmp_path) -> None:
    """Two of twelve fail; they are played again, and their failures are forgotten."""

    class Away(Flaky):
        broken = {"q3", "q7"}

    with EvaluationRun(RunFolder(tmp_path), "toy", QUESTIONS, SETTINGS) as run:
        specs = evaluation_specs(run.waiting, 1)
        collect([Away()], Draws(), specs, seed=1, progress=run.record, isolate=True)
        assert (run.totals.played, run.totals.failed) == (10, 2)
    with EvaluationRun(RunFolder(tmp_path), "toy", QUESTIONS, SETTINGS) as run:
        assert run.waiting == ["q3", "q7"]
        assert (run.totals.played, run.totals.failed) == (10, 0)
        specs = evaluation_specs(run.waiting, 1)
        collect([ToyEnv()], Draws(), specs, seed=1, progress=run.record, isolate=True)
        assert (run.totals.played, run.totals.failed, run.totals.judged) == (12, 0, 12)


@pytest.mark.parametrize("kind", POLICIES)
def test_an_episode_depends_on_its_question_and_not_on_the_others(kind) -> None:
    def answers(items, count):
        result = evaluate([ToyEnv() for _ in range(count)], POLICIES[kind](), items, seed=5)
        pairs = zip(items, result.trajectories, strict=True)
        return {x.id: [turn.decision.action for turn in t.turns] for x, t in pairs}

    every = answers(QUESTIONS, 5)
    assert answers(QUESTIONS[::-1], 2) == every
    assert answers(QUESTIONS[3:5], 1).items() <= every.items()


@pytest.mark.parametrize("name", ["samples.jsonl", "evaluations/toy.jsonl"])
def test_a_torn_last_line_is_played_again(name, tmp_path) -> None:
    whole, torn = tmp_path / "whole", tmp_path / "torn"
    play(whole, Draws())
    play(torn, Draws(), stop=5, count=1)
    path = torn / name
    path.write_bytes(path.read_bytes()[:-9])
    assert len(play(torn, Draws())) == 12 - 4
    assert contents(torn) == contents(whole)


def test_failed_questions_are_listed_and_played_again_and_are_never_wrong(tmp_path) -> None:
    Flaky.broken = {"q3", "q7"}
    play(tmp_path, ToyPolicy(), env=Flaky)
    rows = {row["id"]: row for row in read_log(tmp_path / "samples.jsonl")}
    assert {k for k, row in rows.items() if row["error"]} == {"q3", "q7"}
    assert rows["q3"]["verdict"] is None and rows["q3"]["error"] == "VideoError: the disk is away"
    failed = json.loads((tmp_path / "results.json").read_text())["failed"]
    assert failed == [{"id": i, "error": "VideoError: the disk is away"} for i in ("q3", "q7")]
    assert sorted(play(tmp_path, ToyPolicy(), env=Flaky)) == ["q3", "q7"]
    whole = tmp_path / "whole"
    play(whole, ToyPolicy())
    assert contents(tmp_path) == contents(whole)
    assert play(tmp_path, ToyPolicy()) == []
    assert contents(tmp_path) == contents(whole)


def test_a_row_says_what_was_asked_answered_and_spent(tmp_path) -> None:
    play(tmp_path, ToyPolicy())
    row = read_log(tmp_path / "samples.jsonl")[3]
    names = "id question gold prediction verdict rule turns frames seconds tokens cost reward_terms"
    assert list(row)[:13] == [*names.split(), "error"]
    assert (row["id"], row["question"], row["gold"]) == ("q3", "what is q3?", "yes")
    assert row["turns"] in (1, 2) and row["frames"] in (1, 3) and row["tokens"] >= row["turns"]
    assert row["seconds"] >= 0 and row["cost"] is None and row["error"] is None
    assert row["verdict"] in (True, False) and row["group"] == dict(QUESTIONS[3].group)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"policy": "x"}, "policy 'toy', now 'x'"),
        ({"seed": 2}, "seed 1, now 2"),
        ({"frame_size": [64, 64]}, r"frame_size \[64, 96\], now \[64, 64\]"),
        ({"new": 1}, "new None"),
    ],
)
def test_other_settings_are_refused_by_name(changed, said, tmp_path) -> None:
    play(tmp_path, Draws(), stop=2)
    before = contents_of(tmp_path)
    with pytest.raises(RunFolderError, match=f"{said}.*--out"):
        EvaluationRun(RunFolder(tmp_path), "toy", QUESTIONS, {**SETTINGS, **changed})
    assert contents_of(tmp_path) == before


def contents_of(path: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() for p in path.rglob("*") if p.is_file()}


@pytest.mark.parametrize(
    "name", ["config.json", "metrics.jsonl", "results.json", "evaluations/x.json", "checkpoints/u"]
)
def test_what_another_command_wrote_is_not_written_over(name, tmp_path) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("{}")
    with pytest.raises(RunFolderError, match="is of another command.*--out"):
        require_settings(RunFolder(tmp_path), SETTINGS)
    (tmp_path / "manifest.json").write_text('{"name": "of something else"}')
    with pytest.raises(RunFolderError, match=r"manifest\.json is not of an evaluation"):
        require_settings(RunFolder(tmp_path), SETTINGS)


def test_a_start_that_fails_leaves_a_folder_that_any_evaluation_may_have(tmp_path) -> None:
    EvaluationRun(RunFolder(tmp_path), "toy", QUESTIONS, SETTINGS).__exit__()
    require_settings(RunFolder(tmp_path), {"policy": "another"})
    assert not (tmp_path / "manifest.json").exists()


def test_the_digest_sees_every_field_and_not_where_the_videos_lie() -> None:
    base = questions_digest(QUESTIONS)
    moved = [item(f"q{k}", f"/elsewhere/{k % 3}.mp4") for k in range(12)]
    assert questions_digest(moved) == base
    others = [QUESTIONS[:-1], QUESTIONS[::-1], [item("q0", "0.mp4", answer="no"), *QUESTIONS[1:]]]
    assert base not in {questions_digest(items) for items in others}


def test_objects_in_settings_have_a_name_that_stays() -> None:
    told = plain({"reward": np.mean, "policy": Draws(), "path": Path("a/b"), "size": (1, 2)})
    assert told == plain(
        {"reward": np.mean, "policy": Draws(), "path": Path("a/b"), "size": [1, 2]}
    )
    assert "0x" not in json.dumps(told)


def test_a_lone_surrogate_costs_nothing(tmp_path) -> None:
    """A name of a file that is no UTF-8, or half an emoji of a server."""
    items = [item("q0", "a\udcff.mp4", group={"family": "\ud83d"})]
    play(tmp_path, Draws(), items=items)
    (found,) = RunFolder(tmp_path).load_result("toy").items
    assert item_to_json(found) == item_to_json(items[0])


def _untimed(episode: EpisodeResult) -> EpisodeResult:
    return replace(episode, spent={}, stages={})


def test_a_result_that_is_there_is_not_written_again(tmp_path, monkeypatch) -> None:
    play(tmp_path, Draws())
    folder = RunFolder(tmp_path)
    result = folder.load_result("toy")
    known, again = load_stored(folder).episodes(), result.episodes()
    assert [_untimed(e) for e in known] == [_untimed(e) for e in again]

    def no_write(*_: object, **__: object) -> None:
        raise AssertionError("a finished result was written again")

    monkeypatch.setattr("algos.runs.run_folder.atomic_write", no_write)
    folder.save_result("toy", result)
    changed = EvalResult("another name", result.items, result.trajectories)
    with pytest.raises(AssertionError):
        folder.save_result("toy", changed)
    assert folder.result_names() == []  # unfinished, and not half of each


@pytest.mark.parametrize("line", ["3", "[]", "{}", '{"id": []}', "not JSON", "\x00"])
@pytest.mark.parametrize("name", ["samples.jsonl", "evaluations/toy.jsonl"])
def test_a_damaged_line_is_named(name, line, tmp_path) -> None:
    play(tmp_path, Draws(), stop=4)
    path = tmp_path / name
    first, second, *rest = path.read_text().splitlines(keepends=True)
    path.write_text("".join([first, line + "\n", *rest]))
    with pytest.raises(SageEnvError, match=f"{path.name}, line 2 is not"):
        play(tmp_path, Draws())
