"""Laws of `benchmarks.rollout.env_overhead`: equal spaces, every call timed, slowness is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.rollout import env_overhead
from benchmarks.rollout.env_overhead import STEPS, Settings, main, report


def test_a_short_run_times_every_call_of_both_environments(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(env_overhead, "WARM_UP", 1)
    counts: list[int] = []

    def counted(settings: Settings, *times: dict[str, list[float]]) -> str:
        counts.extend(len(found) for side in times for found in side.values())
        return report(settings, *times)

    monkeypatch.setattr(env_overhead, "report", counted)
    main(Settings(rounds=3, out=tmp_path))
    assert counts == [3] * 2 * (1 + len(STEPS)), "the warm-up episode is in no figure"
    text = (tmp_path / "env_overhead.md").read_text(encoding="utf-8")
    assert "medians of 3 calls" in text
    for name in ("reset, 16 frames", *STEPS):
        (line,) = [line for line in text.splitlines() if line.startswith(f"{name}  ")]
        assert all(float(cell) >= 0.0 for cell in line.split()[-4:-2])


@pytest.mark.parametrize("more, verdict", [(0.29, "kept, at most 0.290"), (0.31, "exceeded")])
def test_a_call_beyond_the_limit_is_named(more: float, verdict: str) -> None:
    theirs = {"reset": [0.1, 0.1, 0.1], "step": [0.1, 0.1, 0.1]}
    ours = {"reset": [0.1, 0.1, 0.1], "step": [0.0, 0.1 + more, 9.0]}  # the median decides
    assert f"bare environment: {verdict}" in report(Settings(rounds=3), ours, theirs)
