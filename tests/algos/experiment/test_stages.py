"""Laws of `algos.experiment.stages`: every stage on tiny files, and going on after a stop."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from algos.cli.entry import main
from algos.evaluation.measures import EpisodeResult, EvalResult
from algos.experiment import building
from algos.experiment.building import Parts, find_splits, load_policy, training_options
from algos.experiment.results import after_ppo, remarks
from algos.experiment.rows import Row
from algos.experiment.settings import Training, check_settings
from algos.experiment.stages import Stages, run
from algos.ppo.config import PPOConfig
from algos.runs.checkpoint import ConfigChanged, load_best
from algos.runs.run_folder import RunFolder, RunFolderError
from policies.baselines.random_policy import RandomPolicy
from policies.sage_mm.model.sage_model import SHIPPED

pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")

ORDER = [
    "direct-same-frames-greedy",
    "direct-double-frames-greedy",
    "demonstrator",
    "base-greedy",
    "after-ppo-greedy",
    "direct-same-frames-t-1",
    "direct-double-frames-t-1",
    "base-t-1",
    "after-ppo-t-1",
]
"""The keys of a default run, as the tables have them."""


@pytest.fixture
def config(tmp_path, monkeypatch) -> Training:
    counts = {"train": 1, "validation": 1, "test": 1}
    monkeypatch.setattr("sage_env.synth.dataset.DEFAULT_COUNTS", counts)
    ppo = PPOConfig(
        updates=1,
        questions_per_update=2,
        episodes_per_question=2,
        advantage="group",
        minibatches=1,
        eval_every=1,
        actor_lr=1e-3,
    )
    return Training(run=tmp_path / "run", root=tmp_path / "videos", slots=4, workers=1, ppo=ppo)


def test_it_runs_from_files_to_report_and_goes_on_where_it_was(config, capsys, monkeypatch) -> None:
    results = run(config)
    out = capsys.readouterr().out
    assert list(results) == ORDER
    assert all(t.error is None for r in results.values() for t in r.trajectories)
    for text in ("demonstrator", "base", "after PPO", "DIRECT", "tier hard", "report:"):
        assert text in out
    best = load_best(RunFolder(config.run).checkpoints)
    assert best is not None and best.best is not None
    name, said = after_ppo(best.update), remarks(best.update, 1, [])["after PPO"]
    page = RunFolder(config.run).report.read_text()
    assert name in out and said in out and name in page and said in page
    assert results["after-ppo-greedy"].name == name
    folder = RunFolder(config.run)
    assert folder.report.exists() and (config.run / "adapter" / "adapter_config.json").exists()
    lines = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
    assert lines[-1]["proof/max_dlogp"] < 1e-3
    assert "Turns per episode, shorter videos" in folder.report.read_text()
    capsys.readouterr()
    assert main(["verify", str(config.run)]) == 0
    table = capsys.readouterr().out
    for check in ("weights of checkpoint 0", "played again", "times of frames", "log-probs"):
        assert check in table
    assert "FAILED" not in table and "not measured" not in table

    def no_play(*_: object, **__: object) -> None:
        raise AssertionError("a finished stage was played again")

    monkeypatch.setattr("algos.experiment.stages.evaluate", no_play)
    with folder.alone(), pytest.raises(RunFolderError, match="another process"):
        run(config)
    assert list(run(replace(config, slots=2))) == ORDER
    for other in (replace(config, reward="answer"), replace(config, ppo=PPOConfig(updates=9))):
        with pytest.raises(ConfigChanged):  # its results would not be this run's
            run(other)

    proof = next((config.run / "proof").iterdir())
    proof.write_text(proof.read_text().replace("]", ", 7]", 1))
    assert main(["verify", str(config.run)]) == 2
    said = capsys.readouterr()
    assert "FAILED" in said.out and "checks failed" in said.err


def test_the_model_has_the_device_and_dtype_that_are_asked_for(config) -> None:
    policy = load_policy(replace(config, device="cpu", dtype="bfloat16"))
    base = [p for p in policy.model.base.parameters() if not p.requires_grad]
    assert {p.dtype for p in base} == {torch.bfloat16}
    assert {p.dtype for p in policy.actor_parameters()} == {torch.float32}
    assert {p.device.type for p in policy.model.base.parameters()} == {"cpu"}
    plain = load_policy(config)
    if not torch.cuda.is_available():
        assert {p.dtype for p in plain.model.base.parameters()} == {torch.float32}


def test_what_the_settings_say_of_the_model_reaches_it(config, monkeypatch) -> None:
    from policies.sage_mm import SageMM

    given: dict[str, object] = {}
    made = SimpleNamespace(answers_only=False)
    monkeypatch.setattr(SageMM, "load", lambda checkpoint, **named: given.update(named) or made)
    ppo = replace(config.ppo, seed=5)
    config = replace(config, ppo=ppo, lora_rank=4, kv_bytes="2MiB", feature_cache=("cpu=3MiB",))
    load_policy(replace(config, cut_bars=True, four_bit=True, max_new_tokens=7))
    lora, cache = given["lora"], given["cache"]
    assert (lora.r, lora.alpha, lora.seed) == (4, 8, 5)
    assert (given["kv_bytes"], cache.cpu) == (2 << 20, 3 << 20)
    assert given["cut_bars"] is True and given["four_bit"] is True and given["max_new_tokens"] == 7
    given.clear()
    load_policy(replace(config, train="full", critic="head"))
    assert (given["train"], given["seed"], given["dtype"]) == ("full", 5, "float32")
    assert "lora" not in given and "cut_bars" not in given
    given.clear()
    held = SimpleNamespace(how={"test": "held out by video, seed 9"})
    monkeypatch.setattr(
        building, "load_splits", lambda dataset, **named: given.update(named) or held
    )
    find_splits(replace(config, split_seed=9, hold_out=(0.25, 0.5), allow_outside=True))
    assert (given["seed"], given["hold_out"], given["allow_outside"]) == (9, (0.25, 0.5), True)


def test_what_is_given_as_objects_takes_the_place_of_names_in_environments(config) -> None:
    def paid(item, action, history):
        return {"mine": 0.0}

    def judge(item, text):
        return True

    tools = [object()]
    parts = Parts(reward=paid, judge=judge, tools=tools)
    made = training_options(config, object(), parts)
    assert (made["reward"], made["judge"], made["tools"]) == (paid, judge, tools)
    weighted = replace(config, reward="efficient", frames_weight=0.25, turns_weight=0.5)
    found = training_options(weighted, object(), Parts())["reward"]
    assert found.keywords == {"frames_weight": 0.25, "turns_weight": 0.5}


def test_a_failed_start_leaves_the_folder_free_for_other_settings(config, monkeypatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("before the first result")

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr("algos.experiment.stages.evaluate", broken)
        run(config)
    other = replace(config, reward="answer")
    check_settings(RunFolder(config.run), other)
    RunFolder(config.run).save_config(config)  # as versions before this one left it behind
    check_settings(RunFolder(config.run), other)
    (config.run / "checkpoints" / "update-000000").mkdir(parents=True)
    with pytest.raises(ConfigChanged, match="reward: was 'efficient', is 'answer'"):
        check_settings(RunFolder(config.run), other)


@pytest.mark.parametrize(
    ("checkpoint", "said"),
    [("/nowhere", "there is no folder /nowhere"), ("{tmp}/empty", "is not the folder or hub id")],
)
def test_a_model_that_is_not_there_is_one_sentence(config, tmp_path, capsys, checkpoint, said):
    (tmp_path / "empty").mkdir()
    name = checkpoint.format(tmp=tmp_path)
    assert main(["train", "--checkpoint", name, "--run", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert said in error and len(error.strip().splitlines()) == 1
    check_settings(RunFolder(tmp_path / "run"), config)


def test_the_row_after_ppo_says_which_update_it_is_of() -> None:
    assert after_ppo(12) == "after PPO, update 12"
    assert after_ppo(0) == "after PPO, update 0: untrained"
    assert remarks(12, 20, []) == {"after PPO": "update 12 of 20, the best by validation"}
    nothing = {"losses/nonzero_advantages": 0.0, "rollout/return_spread": 0.0}
    said = remarks(0, 20, [{"update": 0}, nothing])
    assert "validation found none of 20 updates better" in said["after PPO"]
    assert "nothing could be learned" in said["what was learned"]


class Interrupted(RandomPolicy):
    """Chance, until it was asked for some episodes."""

    env_options: dict[str, int] = {}
    episodes = 10**9

    def reset(self, *, seed=None):
        self.episodes -= 1
        if self.episodes < 0:
            raise KeyboardInterrupt
        super().reset(seed=seed)


def without_times(result: EvalResult) -> list[EpisodeResult]:
    """Return what came of the questions, without what depends on clocks and caches."""
    clocks = {"seconds", "frames_decoded"}
    return [
        replace(e, stages={}, spent={k: v for k, v in e.spent.items() if k not in clocks})
        for e in result.episodes()
    ]


def test_an_evaluation_of_a_training_that_stops_loses_nothing_and_plays_nothing_twice(
    config, tmp_path
) -> None:
    def measure(path, episodes):
        stages = Stages(
            config,
            RunFolder(path),
            Interrupted(),
            find_splits(config),
            only={},  # type: ignore[arg-type]
        )
        policy = Interrupted()
        policy.episodes = episodes
        try:
            stages.measure(Row("random", "chance", "demonstrator"), policy)
        except KeyboardInterrupt:
            return None
        return stages.results["demonstrator"]

    whole = measure(tmp_path / "whole", 10**9)
    assert whole is not None and len(whole.items) > 4
    path = tmp_path / "stopped"
    log = path / "evaluations" / "demonstrator.jsonl"
    for stop, saved in ((2, 2), (1, 3), (2, 5)):
        assert measure(path, stop) is None and len(log.read_text().splitlines()) == saved
        assert RunFolder(path).result_names() == []
    found = measure(path, len(whole.items) - 5)
    assert found is not None and without_times(found) == without_times(whole)
    result = log.with_suffix(".json").read_text()
    assert result == (tmp_path / "whole" / "evaluations" / "demonstrator.json").read_text()
