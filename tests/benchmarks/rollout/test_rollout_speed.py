"""Laws of `benchmarks.rollout.rollout_speed` and `renderer`.

The contestants do the same work, and differ in what they repeat.
"""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from benchmarks.rollout import rollout_speed  # noqa: E402


@pytest.mark.slow
def test_contenders_reply_alike_and_only_ours_encodes_each_frame_once(monkeypatch):
    monkeypatch.setattr(rollout_speed, "TURNS", 3)
    settings = rollout_speed.Settings(rounds=1, questions=1, rollouts=2, max_new_tokens=24)
    costs, decoding = rollout_speed.measure(settings, frames=4)
    ours, uncached, rendered = (costs[name][0] for name in costs)
    assert ours.replies == uncached.replies == rendered.replies and ours.tokens > 30
    # both rollouts show the overview of 12 and two looks of 4, which may meet by chance
    assert ours.encodes_per_frame == 1 < uncached.encodes_per_frame < rendered.encodes_per_frame
    assert decoding[0] > 0 and all(seconds > 0 for seconds in ours.parts.values())
    assert sum(ours.parts.values()) <= ours.seconds
    report = "\n".join(rollout_speed.section(4, costs, decoding))
    assert "each frame encoded once: met" in report and "100%" in report
