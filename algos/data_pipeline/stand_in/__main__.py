"""`python -m algos.data_pipeline.stand_in`: the stand-in, until it is interrupted."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import tyro

from algos.data_pipeline.stand_in.error_rates import NO_ERRORS, SOME_ERRORS, ErrorRates
from algos.data_pipeline.stand_in.known_videos import known_videos
from algos.data_pipeline.stand_in.server import StandIn
from sage_env.datasets.loading import load_dataset


@dataclass(frozen=True, kw_only=True)
class Options:
    """A server on this machine in Gemini's place, which knows the videos of a dataset."""

    port: int = 8001
    """Of 127.0.0.1; 0 for any that is free."""
    dataset: tuple[str, ...] = ("sage-synth",)
    """Datasets whose videos are known."""
    root: Path | None = None
    """Folder of their videos."""
    splits: tuple[str, ...] = ("train", "validation", "test")
    """Splits of them."""
    private: Path = Path("runs/stand-in")
    """Folder for the record of what it planted."""
    errors: bool = False
    """Err at the rates of the offline line; without it every reply is right."""
    seed: int = 0
    """Of the errors."""
    daily_quota: int | None = None
    """Replies after which the quota of the day is spent."""


def main() -> None:
    """Serve, and say where."""
    options = tyro.cli(Options)
    items = [
        item
        for name in options.dataset
        for split in options.splits
        for item in load_dataset(name, root=options.root, split=split)
    ]
    videos = known_videos(items)
    rates = ErrorRates(
        rates=SOME_ERRORS if options.errors else NO_ERRORS,
        seed=options.seed,
        daily_quota=options.daily_quota,
    )
    server = StandIn(videos, rates, private=options.private, port=options.port)
    print(f"{len(videos)} videos are known; GOOGLE_GEMINI_BASE_URL={server.url}", flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        print(f"stopped; the record is in {options.private}{os.sep}", flush=True)


if __name__ == "__main__":
    main()
