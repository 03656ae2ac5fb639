"""Laws of `algos.ppo.training`, `algos.runs.stopping`: stopping and going on, with real signals."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402

from algos.ppo.training import train  # noqa: E402
from algos.runs.checkpoint import load_latest  # noqa: E402
from algos.runs.metrics import read_metrics  # noqa: E402
from algos.runs.stopping import Stopped, defer_signals, stop_on_sigterm  # noqa: E402
from tests.helpers.resumed import CONFIG, process, run  # noqa: E402
from tests.helpers.toy import ITEMS, ToyEnv, ToyPolicy, envs  # noqa: E402


def start(folder: Path, *spec: int | str) -> BaseProcess:
    """Run the job in a process that is forked from one which has only imported torch."""
    context = get_context("forkserver")
    context.set_forkserver_preload(["tests.helpers.resumed"])
    child = context.Process(target=process, args=(folder, *spec))
    child.start()
    return child


def ended(child: BaseProcess, folder: Path) -> tuple[int | None, str]:
    child.join(120)
    return child.exitcode, (folder / "said.txt").read_text()


def timeless(folder: Path) -> list[dict[str, float]]:
    rows = read_metrics(folder / "metrics.jsonl")
    return [{k: v for k, v in row.items() if not k.startswith("time/")} for row in rows]


def assert_same_run(folder: Path, other: Path) -> None:
    """Compare every tensor (weights, head, both optimisers), every number and every episode."""
    names = [path / "checkpoints" / "update-000006" for path in (folder, other)]
    ours, theirs = [load_file(path / "tensors.safetensors") for path in names]
    assert set(ours) == set(theirs)
    assert any(name.startswith("actor/") for name in ours)
    assert any(name.startswith("critic/") for name in ours)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert timeless(folder) == timeless(other) and len(timeless(folder)) == 7
    proofs = [
        {file.name: file.read_text() for file in (path / "proof").glob("*.jsonl")}
        for path in (folder, other)
    ]
    assert proofs[0] == proofs[1] and proofs[0]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    run(folder, 6)
    return folder


# Update 3 is the last that is whole before each of these; call 5 of `save_file` is of update 4.
@pytest.mark.parametrize(
    ("moment", "call"), [("rolled-out", 4), ("learned", 5), ("half-written", 5)]
)
def test_six_updates_are_three_then_kill_9_then_three(whole, tmp_path, moment, call) -> None:
    code, said = ended(start(tmp_path, 6, moment, call), tmp_path)
    assert code == -signal.SIGKILL, said
    latest = load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.update == 3
    partial = list((tmp_path / "checkpoints").glob(".partial*"))
    assert len(partial) == (moment == "half-written")
    assert ended(start(tmp_path, 6), tmp_path) == (0, "")
    assert not list((tmp_path / "checkpoints").glob(".partial*"))
    assert_same_run(whole, tmp_path)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_and_exits_with_0_and_a_sentence(whole, tmp_path, number) -> None:
    child = start(tmp_path, 6, "slowly")
    deadline = time.monotonic() + 120
    while len(read_metrics(tmp_path / "metrics.jsonl")) < 3 and time.monotonic() < deadline:
        time.sleep(0.02)
    assert child.pid is not None
    os.kill(child.pid, number)
    code, said = ended(child, tmp_path)
    assert code == 0, said
    lines = said.strip().splitlines()
    assert f"{number.name}: saving at the next safe point" in lines
    latest = load_latest(tmp_path / "checkpoints")
    assert latest is not None and 2 <= latest.update < 6
    assert lines[-1] == (
        f"sage-vqa: stopped after update {latest.update}, which is saved; run the same command "
        "again to go on from there"
    )
    run(tmp_path, 6)
    assert_same_run(whole, tmp_path)


def test_a_signal_in_a_rollout_saves_what_no_checkpoint_holds_yet(whole, tmp_path) -> None:
    class Signalled(ToyEnv):
        resets = 0

        def reset(self, **kwargs):
            type(self).resets += 1
            if self.resets == 4 * 3 + 2:  # in the rollout of update 4
                signal.raise_signal(signal.SIGTERM)
            return super().reset(**kwargs)

    config = replace(CONFIG, updates=6, checkpoint_every=5)
    env = Signalled()
    with pytest.raises(Stopped, match="after update 3"):
        train(config, ToyPolicy(0), [env], ITEMS, tmp_path, progress=False)
    latest = load_latest(tmp_path / "checkpoints")
    assert latest is not None and latest.update == 3
    train(config, ToyPolicy(0), envs(1), ITEMS, tmp_path, progress=False)
    straight = tmp_path / "straight"
    train(config, ToyPolicy(0), envs(1), ITEMS, straight, progress=False)
    ends = [load_latest(path / "checkpoints") for path in (tmp_path, straight)]
    assert ends[0] is not None and ends[1] is not None
    assert all(torch.equal(t, ends[1].tensors[name]) for name, t in ends[0].tensors.items())
    assert timeless(tmp_path) == timeless(straight)


def test_a_second_interrupt_stops_at_once_and_handlers_come_back() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt), defer_signals() as stop:
        signal.raise_signal(signal.SIGINT)
        assert stop.requested
        with pytest.raises(Stopped):
            stop.check()
        signal.raise_signal(signal.SIGINT)
    with pytest.raises(Stopped), stop_on_sigterm():
        signal.raise_signal(signal.SIGTERM)
    assert before == (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM))
