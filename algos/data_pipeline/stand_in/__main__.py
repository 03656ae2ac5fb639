"""`python -m algos.data_pipeline.stand_in`: the stand-in, until it is interrupted."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from algos.data_pipeline.stand_in.error_rates import NO_ERRORS, SOME_ERRORS, ErrorRates
from algos.data_pipeline.stand_in.known_videos import KnownVideo, known_videos
from algos.data_pipeline.stand_in.server import StandIn
from sage_env.datasets.loading import load_dataset
from sage_env.errors import DatasetError, SageEnvError


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
    """Serve, and say where; end with one sentence where there is nothing to serve."""
    options = tyro.cli(Options)
    try:
        videos = videos_of(options)
        rates = ErrorRates(
            rates=SOME_ERRORS if options.errors else NO_ERRORS,
            seed=options.seed,
            daily_quota=options.daily_quota,
        )
        server = StandIn(videos, rates, private=options.private, port=options.port)
    except (SageEnvError, ValueError, OSError) as error:
        sys.exit(f"stand-in: {error}")
    print(f"{len(videos)} videos are known; GOOGLE_GEMINI_BASE_URL={server.url}", flush=True)
    try:
        server.serve()
    except KeyboardInterrupt:
        print(f"stopped; the record is in {options.private}{os.sep}", flush=True)


def videos_of(options: Options) -> dict[str, KnownVideo]:
    """Return the videos that are known, by their digests.

    Raises:
        DatasetError: if a dataset cannot be read, or none of its videos is there.
    """
    items = [
        item
        for name in options.dataset
        for split in options.splits
        for item in load_dataset(name, root=options.root, split=split)
    ]
    if not (videos := known_videos(items)):
        raise DatasetError(
            f"no video of {', '.join(options.dataset)} ({', '.join(options.splits)}) is there, so "
            "that it would know none: `sage-vqa data build --dataset NAME` makes generated ones, "
            "--root names the folder of others"
        )
    return videos


if __name__ == "__main__":
    main()
