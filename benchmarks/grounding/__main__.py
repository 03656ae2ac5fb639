"""`python -m benchmarks.grounding`: the report of the docs, or with `--train` the thresholds."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import tyro

from benchmarks.grounding.measure import Asked, ask_all, is_right, table
from benchmarks.grounding.planted import plant
from benchmarks.grounding.sentences import HELD_OUT, TRAIN
from benchmarks.provenance import header, publish, versions
from sage_env.deadlines.plug_in_settings import split_settings, written_settings
from sage_env.tools.grounding.ground import Ground

TRAIN_SEED, HELD_OUT_SEED = 0, 1_000
"""Of the first video."""


@dataclass(frozen=True)
class Settings:
    """Plant events, ask for them and for others, and count."""

    videos: int = 5
    """How many videos."""
    duration: float = 60.0
    """Seconds of each."""
    events: int = 6
    """Planted in each, half of them shown, half said; as many are absent."""
    tool: str = "ground?speech=subtitles"
    """The tool with its settings."""
    train: bool = False
    """Ask on the videos and sentences that thresholds are chosen on, and print what each gives."""
    out: Path | None = None
    """Folder of the report."""


def main(settings: Settings) -> None:
    """Measure, and write the report."""
    pool, first = (TRAIN, TRAIN_SEED) if settings.train else (HELD_OUT, HELD_OUT_SEED)
    written = split_settings(settings.tool)[1]
    if settings.train:
        written["threshold"] = "0.01"
    options: dict[str, Any] = written_settings(Ground, written)
    with tempfile.TemporaryDirectory() as folder:
        seeds = range(first, first + settings.videos)
        videos = [
            plant(Path(folder), seed, pool, duration=settings.duration, count=settings.events)
            for seed in seeds
        ]
        asked = list(ask_all(videos, Ground(**options)))
    lines = header(
        "What `ground` finds",
        "benchmarks.grounding",
        libraries=versions("onnxruntime", "rapidocr", "torch", "transformers"),
    )
    lines += [
        f"- {settings.videos} videos of {settings.duration:g} s, seeds {seeds.start} to "
        f"{seeds.stop - 1}; `{settings.tool}`",
        f"- processor seconds of a call: {median(_first(asked)):.1f} for a stretch's first, "
        f"{median(_later(asked)):.2f} for another event in it",
        "",
    ]
    lines += _thresholds(asked) if settings.train else table(asked)
    publish("\n".join(lines) + "\n", settings.out, "grounding.md")


def _thresholds(asked: list[Asked]) -> list[str]:
    """Return a table: which part is right at each threshold, by wording and presence."""
    parts = [
        [one for one in asked if one.kind != "absent" and not one.paraphrased],
        [one for one in asked if one.kind != "absent" and one.paraphrased],
        [one for one in asked if one.kind == "absent"],
    ]
    rows = ["| threshold | as planted | in other words | absent |", "|---|---|---|---|"]
    for threshold in np.arange(0.2, 0.9, 0.05).tolist():
        right = [np.mean([is_right(one, threshold) for one in part]) for part in parts]
        told = " | ".join(f"{100 * share:.0f} %" for share in right)
        rows.append(f"| {threshold:.2f} | {told} |")
    return rows


def _first(asked: list[Asked]) -> list[float]:
    """Return the seconds of each video's first call, which reads its texts."""
    return [asked[0].seconds] + [
        b.seconds for a, b in zip(asked, asked[1:], strict=False) if a.video != b.video
    ]


def _later(asked: list[Asked]) -> list[float]:
    """Return the seconds of the other calls."""
    return [b.seconds for a, b in zip(asked, asked[1:], strict=False) if a.video == b.video]


if __name__ == "__main__":
    main(tyro.cli(Settings))
