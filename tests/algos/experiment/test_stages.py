"""Laws of `algos.experiment.stages`: every stage on tiny files, and going on after a stop."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch

from algos.cli.entry import main
from algos.experiment.building import load_policy
from algos.experiment.results import ORDER
from algos.experiment.settings import FirstLight
from algos.experiment.stages import Stages, run
from algos.ppo.config import PPOConfig
from algos.runs.checkpoint import ConfigChanged
from algos.runs.run_folder import RunFolder, RunFolderError
from policies.baselines.random_policy import RandomPolicy
from policies.sage_mm.model.sage_model import SHIPPED

pytestmark = pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")


@pytest.fixture
def config(tmp_path, monkeypatch) -> FirstLight:
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
    return FirstLight(run=tmp_path / "run", root=tmp_path / "videos", slots=4, workers=1, ppo=ppo)


def test_it_runs_from_files_to_report_and_goes_on_where_it_was(config, capsys, monkeypatch) -> None:
    results = run(config)
    out = capsys.readouterr().out
    assert set(results) == set(ORDER)
    assert all(t.error is None for r in results.values() for t in r.trajectories)
    for text in ("demonstrator", "SFT base", "after PPO", "DIRECT", "hard tier", "report:"):
        assert text in out
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
    assert set(run(replace(config, slots=2))) == set(ORDER)
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


class Interrupted(RandomPolicy):
    """Chance, until it was asked for some episodes."""

    env_options: dict[str, int] = {}
    episodes = 10**9

    def reset(self, *, seed=None):
        self.episodes -= 1
        if self.episodes < 0:
            raise KeyboardInterrupt
        super().reset(seed=seed)


def test_an_evaluation_of_a_training_that_stops_loses_nothing_and_plays_nothing_twice(
    config, tmp_path
) -> None:
    def measure(path, episodes):
        stages = Stages(config, RunFolder(path), Interrupted())  # type: ignore[arg-type]
        policy = Interrupted()
        policy.episodes = episodes
        try:
            stages.measure("demonstrator", policy)  # type: ignore[arg-type]
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
    assert found is not None and found.episodes() == whole.episodes()
    result = log.with_suffix(".json").read_text()
    assert result == (tmp_path / "whole" / "evaluations" / "demonstrator.json").read_text()
