"""Environments on videos without a file: two frames a second, each of one colour."""

from __future__ import annotations

from pathlib import Path

import gymnasium as gym
import numpy as np

import sage_env  # noqa: F401
from sage_env import QAItem
from sage_env.frames import FrameBatch

SIZE = (6, 8)
DURATIONS = {"long.mp4": 600.0, "short.mp4": 10.0, "tiny.mp4": 0.5}
SYMBOLS = ("star", "ring", "moon", "bolt")
ITEMS = (
    QAItem("four", Path("long.mp4"), "Which symbol is red?", SYMBOLS, "ring", "mcq"),
    QAItem("two", Path("short.mp4"), "Étoile ou 月?", ("étoile", "月"), "月", "mcq"),
    QAItem("open", Path("tiny.mp4"), "What is it?", (), "a star"),
)


class Painted:
    """Frame i, on screen from i / 2 seconds on, is painted (i // 256, i % 256, 255 if cropped)."""

    fps = 2.0

    def __init__(self, path: Path) -> None:
        self.duration = DURATIONS[path.name]

    def frames_at(self, seconds, *, size=None, box=None):
        index = np.floor(np.asarray(seconds) * 2).astype(int)
        colours = np.stack([index // 256, index % 256, np.full_like(index, 255 * bool(box))], 1)
        pixels = np.broadcast_to(colours[:, None, None], (len(index), *size, 3))
        return FrameBatch(pixels.astype(np.uint8), index / 2)

    def close(self) -> None:
        """Nothing is held."""


def make(**settings) -> gym.Env:
    """Make the environment as users do, with all three questions."""
    defaults = {
        "dataset": list(ITEMS),
        "opener": Painted,
        "frame_size": SIZE,
        "overview_frames": 4,
        "frames_per_turn": 5,
        "max_turns": 6,
        "max_frames": 20,
    }
    return gym.make("SageVideoQA-v0", **{**defaults, **settings})
