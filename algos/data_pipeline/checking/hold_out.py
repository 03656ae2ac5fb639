"""Which videos are held out: drawn from their names, so that more videos change nothing."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.question_files import HOLD_OUT
from algos.runs.json_files import write_json

TRAIN, TEST = "train", "test"
"""Splits in `questions.jsonl`: what may be learned from, and what is held out."""


def is_held_out(video: str, share: float, seed: int) -> bool:
    """Return whether all questions of a video are held out.

    It depends on the name and the seed alone; a larger share holds out the same and more.

    Args:
        video: its path relative to the folder of videos, with `/`.
        share: of videos, from 0 to 1.
        seed: of the draw.
    """
    return draw(seed, "hold out", video) < share


def draw(seed: int, *words: str) -> float:
    """Return a number of [0, 1) drawn from a seed and words, the same on any machine."""
    text = "\0".join((str(seed), *words)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest()) / 2**64


def write_hold_out(folder: Path, videos: Mapping[str, str], share: float, seed: int) -> None:
    """Write which videos and questions are held out.

    Args:
        folder: of the questions.
        videos: the video of each kept question, by its id.
        share: of videos.
        seed: of the draw.
    """
    held = sorted({video for video in videos.values() if is_held_out(video, share, seed)})
    told: dict[str, Any] = {
        "rule": "held out: BLAKE2b of the seed, `hold out` and the video is below the share",
        "seed": seed,
        "share": share,
        "videos": held,
        "ids": sorted(name for name, video in videos.items() if video in held),
    }
    write_json(folder / HOLD_OUT, told)
