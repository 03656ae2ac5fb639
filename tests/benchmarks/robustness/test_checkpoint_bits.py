"""Laws of `benchmarks.robustness.checkpoint_bits`: a flipped bit is noticed, or a fault."""

from __future__ import annotations

from pathlib import Path

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from algos.runs import checkpoint  # noqa: E402
from benchmarks.robustness import checkpoint_bits  # noqa: E402
from benchmarks.robustness.quick_training import run as train  # noqa: E402


@pytest.fixture
def small(monkeypatch) -> None:
    """SAGE-MM's part is left to the campaign itself: it takes seconds."""
    monkeypatch.setattr(checkpoint_bits, "UPDATES", {"table": 8})
    monkeypatch.setattr(checkpoint_bits, "train", train)

    class NoAdapter:
        @classmethod
        def load(cls, **_: object) -> NoAdapter:
            return cls()

        def save_adapter(self, folder: Path) -> None:
            folder.mkdir()

    monkeypatch.setattr(checkpoint_bits, "SageMM", NoAdapter)


def test_no_flip_is_a_fault(small: None, tmp_path: Path) -> None:
    outcome = checkpoint_bits.run(120, 0, tmp_path)
    assert outcome.tries == 120 and outcome.faults == []
    assert set(outcome.ends) == {"the checkpoint before, with a warning", "CheckpointError"}


def test_the_campaign_sees_what_has_no_digest(small: None, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(checkpoint, "damage", lambda *_: "")
    outcome = checkpoint_bits.run(120, 0, tmp_path)
    assert len(outcome.faults) > 30
