"""Laws of `algos.runs.checkpoint`, `metrics`: whole or not there, and nothing twice."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import pytest
import torch

from algos.runs import checkpoint
from algos.runs.checkpoint import (
    Best,
    Checkpoint,
    ConfigChanged,
    load_best,
    load_latest,
    require_same,
)
from algos.runs.metrics import Metrics, read_metrics

torch.set_num_threads(1)


def write(folder: Path, update: int, best: Best | None = None, keep_last: int = 9) -> Path:
    tensors = {"policy/w": torch.full((3,), float(update)), "actor/0/step": torch.tensor(2.0)}
    state = Checkpoint(update, tensors, {"seed": 0, "lr": 0.1}, best)
    return checkpoint.save(folder, state, keep_last=keep_last)


def updates(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("update-")) for path in folder.glob("update-*"))


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    write(tmp_path, 3, Best(2, 0.5))
    back = load_latest(tmp_path)
    assert back is not None
    assert (back.update, back.config, back.best) == (3, {"seed": 0, "lr": 0.1}, Best(2, 0.5))
    assert back.policy["w"].tolist() == [3.0, 3.0, 3.0] and set(back.policy) == {"w"}
    assert back.tensors["actor/0/step"].shape == ()


def test_an_empty_folder_has_no_checkpoint(tmp_path: Path) -> None:
    assert load_latest(tmp_path) is None and load_best(tmp_path / "none") is None


def test_the_newest_and_the_best_are_kept(tmp_path: Path) -> None:
    for update in range(6):
        write(tmp_path, update, Best(1, 0.9) if update else Best(0, 0.1), keep_last=2)
    assert updates(tmp_path) == [1, 4, 5]
    best = load_best(tmp_path)
    assert best is not None and best.update == 1 and best.policy["w"][0] == 1


def test_without_validation_the_newest_is_the_best(tmp_path: Path) -> None:
    write(tmp_path, 999_999)
    write(tmp_path, 1_000_000)
    best = load_best(tmp_path)
    assert best is not None and best.update == 1_000_000


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json"])
@pytest.mark.parametrize("keep", [0.0, 0.5, 0.9])
def test_a_truncated_checkpoint_is_passed_over(tmp_path, caplog, name: str, keep: float) -> None:
    write(tmp_path, 1)
    path = write(tmp_path, 2) / name
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with caplog.at_level(logging.WARNING):
        back = load_latest(tmp_path)
    assert back is not None and back.update == 1
    assert "update-000002 is damaged" in caplog.text
    write(tmp_path, 2)
    again = load_latest(tmp_path)
    assert again is not None and again.update == 2


def test_an_interrupt_at_any_moment_leaves_the_previous_checkpoint(tmp_path, monkeypatch) -> None:
    write(tmp_path, 1)
    for module, step in [(checkpoint, "save_file"), (checkpoint, "_flush"), (os, "rename")]:

        def interrupt(*_: object, **__: object) -> None:
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(module, step, interrupt)
            with pytest.raises(KeyboardInterrupt):
                write(tmp_path, 2)
        back = load_latest(tmp_path)
        assert back is not None and back.update == 1, step
    write(tmp_path, 2)
    assert updates(tmp_path) == [1, 2] and not list(tmp_path.glob(".partial*"))


def test_a_changed_configuration_is_named(tmp_path: Path) -> None:
    saved = {"seed": 0, "lr": 0.1, "updates": 3}
    require_same(saved, {"seed": 0, "lr": 0.1, "updates": 9}, may_differ={"updates"})
    with pytest.raises(ConfigChanged, match=r"lr: was 0.1, is 0.2; new: was None, is 1\)"):
        require_same(saved, {"seed": 0, "lr": 0.2, "updates": 3, "new": 1})


def test_an_optimizer_goes_on_as_if_it_had_never_stopped() -> None:
    def problem() -> tuple[torch.nn.Parameter, torch.optim.Adam]:
        weight = torch.nn.Parameter(torch.tensor([1.0, -2.0]))
        return weight, torch.optim.Adam([weight], lr=0.1)

    def step(weight: torch.nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        (weight**2).sum().backward()
        optimizer.step()

    straight, optimizer = problem()
    for _ in range(3):
        step(straight, optimizer)
    tensors = checkpoint.optimizer_tensors(optimizer, "actor/")
    resumed, other = problem()
    resumed.data.copy_(straight.data)
    checkpoint.load_optimizer(other, tensors, "actor/")
    for _ in range(3):
        step(straight, optimizer)
        step(resumed, other)
    assert straight.tolist() == resumed.tolist()


def test_metrics_are_appended_and_replayed_updates_dropped(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    metrics = Metrics(path)
    for update in range(4):
        metrics.write(update, {"rollout/return": update / 4, "rollout/accuracy": None})
    with path.open("a") as file:
        file.write('{"update": 4, "rollo')
    assert [row["update"] for row in read_metrics(path)] == [0, 1, 2, 3]
    Metrics(path, keep_through=2).write(3, {"rollout/return": 7.0})
    rows = read_metrics(path)
    assert [row["update"] for row in rows] == [0, 1, 2, 3]
    assert rows[2] == {"update": 2, "rollout/return": 0.5, "rollout/accuracy": None}
    assert rows[3] == {"update": 3, "rollout/return": 7.0}
