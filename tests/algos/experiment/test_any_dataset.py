"""Laws of `algos.experiment.building`, `questions`, `stages`: any dataset trains like ours."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from algos.cli.entry import main
from algos.experiment.building import GIVEN, Parts, find_splits, headline, name_of
from algos.experiment.questions import ready_questions, seen_by_adapter, unreadable
from algos.experiment.reward_probe import require_differences
from algos.experiment.settings import Training
from algos.experiment.stages import run
from algos.ppo.config import PPOConfig
from algos.rollout.environment_options import OptionError
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder, RunFolderError
from policies.sage_mm.model.sage_model import SHIPPED
from sage_env import QAItem, VideoQAEnv
from sage_env.datasets.splits import Splits, load_splits
from sage_env.errors import DatasetError, RewardError
from sage_env.testing.episodes import ITEMS
from sage_env.testing.memory_video import open_memory
from tests.helpers.clips import write_clip

pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
SMALL = PPOConfig(
    updates=1,
    questions_per_update=2,
    episodes_per_question=2,
    advantage="group",
    minibatches=1,
    eval_every=1,
    actor_lr=1e-3,
)


@pytest.fixture
def config(tmp_path, monkeypatch) -> Training:
    counts = {"train": 1, "validation": 1, "test": 1}
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
    run_folder, videos = tmp_path / "run", tmp_path / "cache"
    return Training(
        run=run_folder, root=videos, slots=4, workers=1, ppo=SMALL, rows=("base", "after")
    )


def of_run(folder: Path) -> tuple[list[dict], list[dict]]:
    """Return what a run logged, but for times, and what it measured, but for paths."""
    rows = [
        {key: value for key, value in row.items() if "time/" not in key and "seconds" not in key}
        for row in read_metrics(folder / "metrics.jsonl")
    ]
    results = [json.loads(p.read_text()) for p in sorted((folder / "evaluations").glob("*.json"))]
    for result in results:
        for item in result["items"]:
            del item["video"]
    return rows, results


def test_written_out_as_files_the_built_in_dataset_trains_to_the_same_digits(
    config, tmp_path, capsys
) -> None:
    out = tmp_path / "plain"
    run(config)
    assert main(["data", "export", str(out), "--root", str(config.root)]) == 0
    options = ["--run", str(tmp_path / "again"), "--dataset", str(out / "questions.jsonl")]
    options += ["--config", str(config.run / "config.json"), "--root", str(out)]
    assert main(["train", *options, "--only", "tier=core"]) == 0
    said = capsys.readouterr().out
    assert "tier core" in said and "tier hard" in said
    assert of_run(config.run) == of_run(tmp_path / "again")
    splits = json.loads((tmp_path / "again" / "splits.json").read_text())
    assert splits == json.loads((config.run / "splits.json").read_text())
    assert splits["how"] == dict.fromkeys(("train", "validation", "test"), "given")


def test_what_is_held_out_while_writing_out_is_what_a_training_would_hold_out(
    tmp_path, capsys
) -> None:
    rows = [
        {"id": item.id, "video": item.video.name, "question": "?", "answer": "a"}
        for item in clips(tmp_path, 10)
    ]
    file, out = tmp_path / "mine.jsonl", tmp_path / "out"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    given = ["data", "export", str(out), "--dataset", str(file)]
    assert main([*given, "--hold-out", "0.2", "0.4", "--split-seed", "3"]) == 0
    wanted = load_splits(str(file), hold_out=(0.2, 0.4), seed=3)
    found = load_splits(str(out / "questions.jsonl"))
    assert found.ids() == wanted.ids() and len(wanted.test) == 4
    assert set(found.how.values()) == {"given"}
    capsys.readouterr()
    for more, message in (
        (["--split-seed", "3"], "--split-seed does nothing without --hold-out"),
        (["--hold-out", "0.2", "0.4", "--splits", "tset"], "'tset' is none of train"),
    ):
        assert main([*given, *more]) == 2
        assert message in capsys.readouterr().err
    written = ["data", "export", str(tmp_path / "b"), "--dataset", str(out / "questions.jsonl")]
    assert main([*written, "--hold-out", "0.2", "0.4"]) == 2
    assert "has splits of its own" in capsys.readouterr().err


def clips(folder: Path, count: int, broken: tuple[int, ...] = ()) -> list[QAItem]:
    items = []
    for k in range(count):
        path = folder / f"{k}.mp4"
        write_clip(path, [25 * i for i in range(4)])
        if k in broken:
            path.write_bytes(path.read_bytes()[:100])
        items.append(QAItem(f"q{k}", path, "?", ("a", "b"), "a", "mcq", group={"kind": f"{k % 2}"}))
    return items


def test_unreadable_videos_are_named_before_anything_and_left_out_where_asked(
    tmp_path, capsys
) -> None:
    splits = load_splits(clips(tmp_path, 10, broken=(3, 4)), hold_out=(0.4, 0.2))
    assert {video.name for video in unreadable(splits)} == {"3.mp4", "4.mp4"}
    folder = RunFolder(tmp_path / "run")
    with pytest.raises(DatasetError, match=r"2 videos cannot be read \(.*[34].mp4.*--skip-broken"):
        ready_questions(splits, folder, skip_broken=False)
    assert not folder.splits.exists()
    kept = ready_questions(splits, folder, skip_broken=True)
    ids = {item for part in kept.ids().values() for item in part}
    assert ids == {f"q{k}" for k in range(10)} - {"q3", "q4"}
    assert "left out: 2 questions about 2 videos" in capsys.readouterr().out
    told = json.loads(folder.splits.read_text())
    assert len(told["left out"]) == 2 and set(told["train"]) <= ids


def test_videos_of_which_none_is_there_are_looked_for_in_the_wrong_folder(tmp_path) -> None:
    items = [replace(one, video=tmp_path / one.video.name) for one in clips(tmp_path, 6)]
    folder, splits = RunFolder(tmp_path / "run"), load_splits(items)
    items[0].video.unlink()
    with pytest.raises(DatasetError, match="mend them, or leave out their questions"):
        ready_questions(splits, folder, skip_broken=False)
    for one in items[1:]:
        one.video.unlink()
    with pytest.raises(
        DatasetError, match=r"none of all is there, so name the folder .*\(--root\), or "
    ):
        ready_questions(splits, folder, skip_broken=False)


@pytest.mark.parametrize(("name", "key"), [("split.json", "training"), ("splits.json", "train")])
def test_held_out_questions_that_an_adapter_was_trained_on_are_told(name, key, tmp_path) -> None:
    splits = load_splits(clips(tmp_path, 6))
    train, test = splits.train[0].id, splits.test[0].id
    adapter = str(tmp_path / "adapter")
    told = {"how": {}, "validation": [test], key: [train, "another"]}
    assert seen_by_adapter(None, splits) == seen_by_adapter(adapter, splits) == ""
    (tmp_path / name).write_text(json.dumps(told))
    assert seen_by_adapter(adapter, splits) == ""
    (tmp_path / name).write_text(json.dumps({**told, key: [train, test]}))
    assert f"trained on 1 of 1 test questions (such as {test!r})" in seen_by_adapter(
        adapter, splits
    )
    (tmp_path / name).write_text("[]")
    assert seen_by_adapter(adapter, splits) == ""


def test_a_folder_with_results_is_not_gone_on_with_on_other_questions(tmp_path) -> None:
    items = clips(tmp_path, 6)
    folder = RunFolder(tmp_path / "run")
    ready_questions(load_splits(items), folder, skip_broken=False)
    ready_questions(load_splits(items, seed=1), folder, skip_broken=False)  # no results yet
    (folder.checkpoints / "update-000000").mkdir(parents=True)
    ready_questions(load_splits(items, seed=1), folder, skip_broken=False)
    with pytest.raises(RunFolderError, match="a training on other questions .*test"):
        ready_questions(load_splits(items), folder, skip_broken=False)


def test_only_questions_with_the_report_keys_are_trained_on(tmp_path) -> None:
    splits = load_splits(clips(tmp_path, 10), hold_out=(0.4, 0.2))
    assert headline(Training(), splits) == {}
    assert headline(Training(only=("kind=1",)), splits) == {"kind": "1"}
    with pytest.raises(OptionError, match=r"no question of the training has kind=7: .*kind=0"):
        headline(Training(only=("kind=7",)), splits)
    with pytest.raises(OptionError, match="takes KEY=VALUE"):
        headline(Training(only=("kind",)), splits)
    ours = find_splits(Training(root=tmp_path / "cache"))
    assert (
        headline(Training(), ours) == {"tier": "core"} and headline(Training(only=()), ours) == {}
    )


def constant(item, action, history):
    return {"always": 0.5 if history.stop_reason else 0.0}


def test_a_constant_reward_is_refused_and_one_that_differs_anywhere_is_not() -> None:
    def env(reward):
        return VideoQAEnv(dataset=ITEMS, opener=open_memory, frame_size=(8, 8), reward=reward)

    def frugal(item, action, history):
        return {"frames": -0.01 * len(history.shown)} if history.stop_reason else {"frames": 0.0}

    with pytest.raises(RewardError, match="constant gave 0.5 in each of 8 episodes"):
        require_differences(env(constant), "which", "constant")
    for reward in ("answer", "efficient", "sage"):
        require_differences(env(reward), "which", reward)


class Echo:
    name, description = "echo", "Repeats a text."
    parameters = {"type": "object", "properties": {"text": {"type": "string"}}}  # noqa: RUF012

    def __call__(self, arguments, context):
        return str(arguments.get("text", ""))


ASKED: list[str] = []


def lenient(item, text):
    ASKED.append(text)
    return False


def shaped(item, action, history):
    return {"answer": float(bool(history.verdict)), "mine": 0.125 * len(history.actions)}


def test_a_reward_a_judge_and_a_tool_of_ones_own_are_used_and_named(config, tmp_path) -> None:
    splits = find_splits(config)
    parts = Parts(reward=shaped, judge=lenient, tools=[Echo()], splits=splits)
    # The small model has never heard of tools, and would write on and on.
    results = run(replace(config, rows=("after",), max_new_tokens=32), parts)
    saved = json.loads((config.run / "config.json").read_text())
    assert saved["reward"] == name_of(shaped) == f"{__name__}:shaped"
    assert (saved["judge"], saved["tools"]) == (f"{__name__}:lenient", [f"{__name__}:Echo"])
    assert saved["dataset"] == GIVEN
    assert list(results) == ["after-ppo-greedy", "after-ppo-t-1"]
    assert ASKED, "open answers that are not the gold one go to the judge"
    proof = next((config.run / "proof").iterdir()).read_text()
    assert '"mine": 0.125' in proof


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--rows", "base", "base"], "names 'base' twice"),
        (["--rows", "direct:mean"], "add after to --rows"),
        (["--rows", "direct:few"], "N a number or mean, twice, most"),
        (["--rows", "nobody"], "or the name of a policy"),
        (["--temperatures", "0", "0"], "must be different numbers"),
        (["--critic", "adapter"], "needs an advantage that uses a critic"),
        (["--dataset", "{tmp}/one.jsonl"], "has 1 videos, too few to hold out"),
        (["--dataset", "{tmp}/wrong.jsonl"], "the answer 'z' is not among the choices"),
        (["--dataset", "{tmp}/none.jsonl"], "none.jsonl cannot be read as a dataset"),
        (["--reward", "no_such_module:reward"], "needs a module no_such_module"),
        (["--config", "{tmp}/one.jsonl"], "is not JSON"),
        (["--config", "a.json", "--preset", "grpo"], "give one of them"),
        (["--adapter", "{tmp}/none"], "there is no folder"),
        (["--max-turns", "0"], "max_turns must be a whole number >= 1"),
    ],
)
def test_bad_input_is_one_sentence_and_nothing_is_written(
    arguments, said, tmp_path, capsys, monkeypatch
) -> None:
    counts = {"train": 1, "validation": 1, "test": 1}
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(4)])
    row = {"id": "q", "video": "a.mp4", "question": "?", "choices": ["x", "y"], "answer": "x"}
    lines = [json.dumps({**row, "id": name}) for name in "ab"]
    (tmp_path / "one.jsonl").write_text("\n".join(lines))
    (tmp_path / "wrong.jsonl").write_text(json.dumps({**row, "answer": "z"}))
    given = [one.format(tmp=tmp_path) for one in arguments]
    folder = tmp_path / "run"
    root = [] if "--dataset" in given else ["--root", str(tmp_path / "cache")]
    assert main(["train", "--run", str(folder), *root, *given]) == 2
    error = capsys.readouterr().err.strip()
    assert said in error.splitlines()[-1] and "Traceback" not in error
    assert not (folder / "config.json").exists() and not (folder / "metrics.jsonl").exists()


def test_parts_of_splits_keep_their_videos_apart() -> None:
    one = [QAItem("a", Path("/x/a.mp4"), "?", answer="x")]
    with pytest.raises(DatasetError, match="is in train and in validation"):
        Splits(one, one, one, {})
