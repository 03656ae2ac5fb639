"""SageSynth as a public benchmark: fixed videos with a checksum, legible to large models.

The videos are of a stream of their own, so that nothing which was trained on SageSynth, under
whatever seed, has seen them. They are drawn at 448 by 448 pixels, where the small marks of the
`detail` questions are 42 pixels high. Another seed gives as many fresh ones, for who fears that the
published ones have been seen. `docs/sage-synth-bench.md` is the card and the protocol.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.storage.cache_folder import cache_folder
from sage_env.synth.dataset import SageSynth
from sage_env.synth.plan import VideoPlan, plan_video

BENCH = "bench"
"""The stream of the videos, and their folder."""
BENCH_VERSION = 1
"""Raise it when the benchmark comes to be another: rows of two versions cannot be compared."""
BENCH_SEED = 448_700_117
"""Of the published videos."""
BENCH_VIDEOS = 70
"""Ten of each duration bucket."""
BENCH_SIDE = 448
"""Of the pictures, in pixels."""
BENCH_DIGEST = "bcd67a8a03a92bc4fdda7f5086da5439"
"""`bench_digest` of the published videos and questions."""
ALIASES = {
    "arrow": ("right arrow", "arrow pointing right"),
    "bolt": ("lightning bolt", "lightning", "thunderbolt"),
    "circle": ("disc", "disk", "dot", "filled circle"),
    "cross": ("plus", "plus sign"),
    "diamond": ("rhombus", "lozenge"),
    "moon": ("crescent", "crescent moon", "half moon"),
    "ring": ("annulus", "donut", "doughnut", "hollow circle"),
    "star": ("five-pointed star", "5-pointed star"),
}
"""Words that a model may have for a symbol whose name it was not told."""


def sage_synth_bench(
    root: Path | str | None = None,
    split: str = "test",
    *,
    seed: int = BENCH_SEED,
    count: int = BENCH_VIDEOS,
) -> SageSynth:
    """Return the questions of the benchmark. Its video files are written when they are needed.

    Args:
        root: cache folder; the default is `sage_env.storage.cache_folder.cache_folder()`.
        split: `test`, the only one: it is for measuring.
        seed: another gives fresh videos and questions of the same kind, and is no published row.
        count: videos; the first ones are the same whatever the count.

    Raises:
        DatasetError: if the split is another one.
    """
    if split != "test":
        raise DatasetError(
            f"sage-synth-bench has the split test alone, not {split!r}: train on sage-synth"
        )
    folder = Path(root) if root is not None else cache_folder()
    name = f"sage-synth-bench-v{BENCH_VERSION}-seed{seed}"
    items = SageSynth(folder / name, BENCH, count, seed, side=BENCH_SIDE, aliases=ALIASES)
    items.frame_size, items.headline = (BENCH_SIDE, BENCH_SIDE), {}
    return items


def bench_digest(items: SageSynth) -> str:
    """Return 32 hexadecimal digits for the plans of all videos and all questions: BLAKE2b.

    Times count in whole milliseconds and folders not at all, so that it is the same everywhere.
    """
    digest = hashlib.blake2b(digest_size=16)
    for index in range(len(items.videos)):
        _write(digest, _of_plan(plan_video(items.split, index, items.seed)))
    for item in items:
        _write(digest, _of_item(item))
    return digest.hexdigest()


def _write(digest: hashlib.blake2b, row: Sequence[object]) -> None:
    digest.update(json.dumps(row, sort_keys=True).encode() + b"\n")


def _of_plan(plan: VideoPlan) -> list[object]:
    scenes = [
        [_ms(s.start), _ms(s.end), s.colour, s.kind, s.seed]
        + [[e.symbol, _ms(e.start), _ms(e.end), e.corner] for e in s.events]
        for s in plan.scenes
    ]
    times = [_ms(second) for second in plan.times.tolist()]
    return [plan.name, _ms(plan.duration), plan.keyframe_interval, times, scenes]


def _of_item(item: QAItem) -> list[object]:
    spans = [[_ms(start), _ms(end)] for start, end in item.evidence]
    tolerance = None if item.tolerance is None else _ms(item.tolerance)
    asked = [item.id, item.question, list(item.choices), item.answer, item.kind]
    return [*asked, list(item.aliases), spans, tolerance, dict(item.group), item.video.name]


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
