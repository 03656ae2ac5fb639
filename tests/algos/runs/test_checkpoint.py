"""Laws of `algos.runs.checkpoint`, `metrics`: whole or not there, and nothing twice."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from pathlib import Path

import pytest
import torch

from algos.runs import checkpoint
from algos.runs.checkpoint import (
    Best,
    Checkpoint,
    CheckpointError,
    ConfigChanged,
    load_best,
    load_latest,
    load_to_go_on,
    require_same,
)
from algos.runs.metrics import Metrics, read_metrics
from sage_env.storage import atomic_file

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


@pytest.mark.parametrize("name", ["tensors.safetensors", "state.json", "SHA256SUMS"])
def test_every_bit_that_flips_is_seen(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, 2, Best(2, 0.5)) / name
    whole = path.read_bytes()
    for bit in range(0, 8 * len(whole), 1 if len(whole) < 300 else 7):
        flipped = bytearray(whole)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        with pytest.raises(checkpoint.DAMAGE):
            checkpoint.load(tmp_path, 2)
    path.write_bytes(whole)
    assert checkpoint.load(tmp_path, 2).best == Best(2, 0.5)


def test_a_run_does_not_go_on_without_its_best(tmp_path: Path) -> None:
    for update in range(5):
        write(tmp_path, update, Best(min(update, 1), 0.5), keep_last=2)
    assert updates(tmp_path) == [1, 3, 4]
    tensors = tmp_path / "update-000001" / "tensors.safetensors"
    tensors.write_bytes(b"\1" + tensors.read_bytes()[1:])
    for read in (load_best, load_to_go_on):
        with pytest.raises(CheckpointError, match="best .*update-000001, cannot be .*damaged"):
            read(tmp_path)
    shutil.rmtree(tensors.parent)
    for read in (load_best, load_to_go_on):
        with pytest.raises(CheckpointError, match=r"update-000001, cannot be .*\(SHA256SUMS|state"):
            read(tmp_path)


def test_a_run_does_not_begin_anew_where_all_is_damaged(tmp_path: Path) -> None:
    assert load_to_go_on(tmp_path) is None
    for update in (1, 2):
        (write(tmp_path, update) / "state.json").write_text("{}")
    with pytest.raises(CheckpointError, match="none of the 2 checkpoints"):
        load_to_go_on(tmp_path)


def test_who_falls_back_finds_the_best_of_then(tmp_path: Path) -> None:
    for update in range(6):
        write(tmp_path, update, Best(5 if update == 5 else 1 if update else 0, 0.5), keep_last=2)
    (tmp_path / "update-000005" / "state.json").write_text("{}")
    back = load_to_go_on(tmp_path)
    assert back is not None and (back.update, back.best) == (4, Best(1, 0.5))
    best = load_best(tmp_path)
    assert best is not None and best.update == 1


def test_a_later_checkpoint_that_is_damaged_takes_no_place(tmp_path: Path) -> None:
    for update in (1, 2, 3):
        write(tmp_path, update)
    for update in (2, 3):
        (tmp_path / f"update-00000{update}" / "state.json").write_text("{}")
    write(tmp_path, 2, keep_last=1)
    assert updates(tmp_path) == [2] and load_latest(tmp_path).update == 2  # type: ignore[union-attr]


def test_what_a_kill_kept_from_being_deleted_goes_when_the_run_goes_on(tmp_path: Path) -> None:
    for update in range(4):
        write(tmp_path, update, Best(1, 0.9) if update else Best(0, 0.1))
    checkpoint.prune(tmp_path, 3, keep_last=2)
    assert updates(tmp_path) == [1, 2, 3]
    write(tmp_path, 4)
    (tmp_path / "update-000004" / "state.json").write_text("{")
    checkpoint.prune(tmp_path, 3, keep_last=1)
    assert updates(tmp_path) == [1, 3, 4], "a later one is not the earlier run's to delete"


def test_a_checkpoint_of_an_older_version_is_read(tmp_path: Path) -> None:
    path = write(tmp_path, 2, Best(1, 0.5))
    (path / "SHA256SUMS").unlink()
    with pytest.raises(KeyError, match="sha256"):
        checkpoint.load(tmp_path, 2)
    state = json.loads((path / "state.json").read_text())
    digest = hashlib.sha256((path / "tensors.safetensors").read_bytes()).hexdigest()
    (path / "state.json").write_text(json.dumps({**state, "sha256": digest}))
    assert checkpoint.load(tmp_path, 2).best == Best(1, 0.5)
    for change in ({"sha256": digest[::-1]}, {"update": 3}, {"config": []}, {"versions": 1}):
        (path / "state.json").write_text(json.dumps({**state, "sha256": digest, **change}))
        with pytest.raises(checkpoint.DAMAGE):
            checkpoint.load(tmp_path, 2)


def test_an_interrupt_at_any_moment_leaves_the_previous_checkpoint(tmp_path, monkeypatch) -> None:
    write(tmp_path, 1)
    for module, step in [(checkpoint, "save_file"), (atomic_file, "_flush"), (os, "rename")]:

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


def test_what_another_process_is_still_writing_is_let_be(tmp_path: Path) -> None:
    of_this = atomic_file.partial_path(tmp_path / "update-000001")
    of_a_dead_one = tmp_path / f".partial-update-000001-{10**30}-{'0' * 32}.part"
    for folder in (of_this, of_a_dead_one, tmp_path / ".partial-update-000001"):
        folder.mkdir(parents=True)
    write(tmp_path, 1)
    assert list(tmp_path.glob(".partial*")) == [of_this]


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
