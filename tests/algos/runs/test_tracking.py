"""Laws of `algos.runs.tracking`: the file's numbers under our names and CleanRL's, on one axis."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from algos.experiment.settings import Training
from algos.experiment.stages import run
from algos.runs.metrics import Metrics, read_metrics
from algos.runs.tracking import measured, tracking
from sage_env.errors import MissingExtra

ROW = {"rollout/return": 0.5, "rollout/turns": 2.0, "losses/value_loss": 0.1, "eval/score": None}


def test_cleanrl_names_stand_beside_ours_and_nothing_unmeasured_is_logged() -> None:
    assert measured(ROW) == {
        "rollout/return": 0.5,
        "charts/episodic_return": 0.5,
        "rollout/turns": 2.0,
        "charts/episodic_length": 2.0,
        "losses/value_loss": 0.1,
    }


def test_metrics_hand_every_line_on(tmp_path: Path) -> None:
    class Listener:
        def __init__(self) -> None:
            self.heard = []

        def log(self, update, values):
            self.heard.append((update, dict(values)))

        def close(self):
            raise AssertionError("whoever opens a tracker closes it")

    listener = Listener()
    metrics = Metrics(tmp_path / "metrics.jsonl", tracker=listener)
    metrics.write(0, {})
    metrics.write(1, ROW)
    assert listener.heard == [(0, {}), (1, ROW)]
    assert read_metrics(metrics.path)[1] == {"update": 1, **ROW}


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "trackio"])
def test_a_missing_package_is_said_before_any_work(name, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=rf"pip install 'sage-video-qa\[{name}\]'"):
        run(Training(run=tmp_path / "run", track=name))
    assert not (tmp_path / "run").exists()


def test_no_tracker_is_the_default(tmp_path: Path) -> None:
    with tracking(None, tmp_path, {}) as tracker:
        assert tracker is None


def test_tensorboard_goes_on_in_one_place_and_hides_what_was_cut_off(tmp_path: Path) -> None:
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    with tracking("tensorboard", tmp_path, {"seed": 0, "root": tmp_path}) as tracker:
        for update in range(1, 5):
            tracker.log(update, {"rollout/return": float(update), "eval/score": None})
    with tracking("tensorboard", tmp_path, {"seed": 0}) as tracker:  # resumed after update 2
        tracker.log(3, {"rollout/return": 30.0})
    found = accumulators.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    for name in ("rollout/return", "charts/episodic_return"):
        assert [(e.step, e.value) for e in found.Scalars(name)] == [(1, 1.0), (2, 2.0), (3, 30.0)]
    assert "eval/score" not in found.Tags()["scalars"]


def test_wandb_offline_takes_a_run_and_goes_on(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    for update in (1, 2):
        with tracking("wandb", tmp_path, {"seed": 0, "root": tmp_path}) as tracker:
            tracker.log(update, ROW)
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_trackio_takes_a_run(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path))
    pytest.importorskip("trackio")
    with tracking("trackio", tmp_path / "a-run", {"seed": 0}) as tracker:
        tracker.log(1, ROW)
    assert list(tmp_path.rglob("*.db"))
