"""Laws of `benchmarks.robustness.killed_training`, `algos.ppo.training`: resumed is uninterrupted.

Bit for bit, with SAGE-MM too: what its caches held at the stop must leave no trace.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from safetensors.torch import load_file, save_file  # noqa: E402

from algos.ppo import training  # noqa: E402
from benchmarks.robustness import killed_training, quick_training  # noqa: E402
from benchmarks.robustness.killed_training import difference  # noqa: E402
from sage_env.storage.digests import write_digests  # noqa: E402

torch.set_num_threads(1)


def stopped_before(update: int, kind: str, folder: Path) -> None:
    """Train until an update's episodes are played, and no further."""

    class Stop(BaseException):
        pass

    calls, straight = 0, training.make_targets

    def stop(*args, **kwargs):
        nonlocal calls
        calls += 1
        if calls == update:
            raise Stop
        return straight(*args, **kwargs)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr(training, "make_targets", stop)
        quick_training.run(kind, folder)


@pytest.mark.parametrize("kind", ["table", "sage-mm"])
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(tmp_path: Path, kind: str) -> None:
    quick_training.run(kind, tmp_path / "whole")
    stopped_before(2, kind, tmp_path / "parts")
    quick_training.run(kind, tmp_path / "parts")
    assert difference(tmp_path / "whole", tmp_path / "parts") == ""


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    quick_training.run("table", folder)
    return folder


def one_bit(run: Path) -> None:
    place = run / "checkpoints" / "update-000008"
    tensors = load_file(place / "tensors.safetensors")
    tensors["policy/logits"].view(torch.int32)[0, 0] ^= 1
    save_file(tensors, place / "tensors.safetensors")
    write_digests(place, ("tensors.safetensors", "state.json"))


def one_number(run: Path) -> None:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    rows[3]["rollout/return"] += 1e-9
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def one_action(run: Path) -> None:
    path = sorted((run / "proof").iterdir())[-1]
    path.write_text(path.read_text().replace('"env_reward": 0.0', '"env_reward": 1.0', 1))


def one_checkpoint_less(run: Path) -> None:
    shutil.rmtree(run / "checkpoints" / "update-000008")


@pytest.mark.parametrize("change", [one_bit, one_number, one_action, one_checkpoint_less])
def test_the_comparison_sees(whole: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    other = Path(shutil.copytree(whole, tmp_path / "other"))
    assert difference(whole, other) == ""
    change(other)
    assert difference(whole, other) != ""


@pytest.mark.slow
def test_a_killed_training_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    outcome = killed_training.run(2, 0, tmp_path)
    assert outcome.tries == 2 and outcome.faults == []
