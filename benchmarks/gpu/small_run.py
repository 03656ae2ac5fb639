"""A whole `sage-vqa train` of the small model on a device: three updates, from data to report."""

from __future__ import annotations

import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from algos.experiment.building import Parts
from algos.experiment.settings import Training
from algos.experiment.stages import run
from algos.runs.metrics import read_metrics
from sage_env.datasets.splits import Splits
from sage_env.synth import sage_synth

VIDEOS = {"train": 14, "validation": 7, "test": 7}
"""Two, one and one of each length: rendered in less than a minute on 16 cores."""


def measure(device: str, updates: int = 3, folder: Path | None = None) -> dict[str, Any]:
    """Train, and return what the updates took and proved.

    Args:
        device: where the model is.
        updates: of PPO.
        folder: of videos and run; a temporary one by default.
    """
    with tempfile.TemporaryDirectory() as temporary:
        place = folder or Path(temporary)
        parts = {name: sage_synth(place, name, count=count) for name, count in VIDEOS.items()}
        config = Training(
            run=place / "run", device=device, rows=("base", "after"), temperatures=(0.0,), slots=64
        )
        config = replace(config, ppo=replace(config.ppo, updates=updates, workers=1), workers=1)
        began = time.perf_counter()
        splits = Splits(**parts, how=dict.fromkeys(parts, "given"))
        results = run(config, Parts(splits=splits))
        seconds = time.perf_counter() - began
        rows = [row for row in read_metrics(config.run / "metrics.jsonl") if row["update"] > 0]
        found: dict[str, Any] = {"updates": len(rows), "seconds, videos included": seconds}
        for name in ("time/rollout", "time/learn", "proof/max_dlogp", "losses/actor_grad_norm"):
            found[f"{name}, by update"] = [row.get(name) for row in rows]
        found["questions answered"] = {key: len(result.items) for key, result in results.items()}
        return found
