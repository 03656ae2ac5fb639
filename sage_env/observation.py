"""What the agent is shown: the observation space, and one observation of it."""

from __future__ import annotations

from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from sage_env.datasets.item import QAItem
from sage_env.frames import FrameBatch
from sage_env.spaces import UnicodeText

Observation: TypeAlias = dict[str, Any]

_LONGEST = float(np.finfo(np.float32).max)  # a Box without a limit is warned about


def observation_space(
    num_frames: int, size: tuple[int, int], max_turns: int, max_frames: int
) -> gym.spaces.Dict:
    """Return the space whose keys `VideoQAEnv` describes; `num_frames` is its F."""
    seconds = gym.spaces.Box(0.0, _LONGEST, (), np.float32)
    return gym.spaces.Dict(
        {
            "frames": gym.spaces.Box(0, 255, (num_frames, *size, 3), np.uint8),
            "seconds": gym.spaces.Box(-1.0, _LONGEST, (num_frames,), np.float32),
            "num_frames": gym.spaces.Discrete(num_frames + 1),
            "cursor": seconds,
            "duration": seconds,
            "turns_left": gym.spaces.Discrete(max_turns + 1),
            "frames_left": gym.spaces.Discrete(max_frames + 1),
            "question": UnicodeText(),
            "choices": UnicodeText(),
            "message": UnicodeText(),
            "text": UnicodeText(),
        }
    )


def observe(
    item: QAItem,
    batch: FrameBatch | None,
    *,
    shape: tuple[int, ...],
    cursor: float,
    duration: float,
    turns_left: int,
    frames_left: int,
    message: str,
    text: str = "",
) -> Observation:
    """Return one observation, of which nothing is shared with any other.

    `shape` is that of `frames`; a `batch` of `None` shows nothing. The pixels of a batch are ours
    to keep, as `Video` says, and are not copied where they are as many as there can be.
    """
    seconds = np.full(shape[0], -1.0, np.float32)
    shown = 0 if batch is None else len(batch)
    if batch is not None:
        seconds[:shown] = batch.seconds
    if batch is not None and shown == shape[0] and _is_own(batch.pixels):
        pixels = batch.pixels
    else:
        pixels = np.empty(shape, np.uint8)
        if batch is not None:
            pixels[:shown] = batch.pixels
        pixels[shown:] = 0
    return {
        "frames": pixels,
        "seconds": seconds,
        "num_frames": shown,
        "cursor": np.array(cursor, np.float32),
        "duration": np.array(duration, np.float32),
        "turns_left": turns_left,
        "frames_left": frames_left,
        "question": item.question,
        "choices": "\n".join(item.choices),
        "message": message,
        "text": text,
    }


def _is_own(pixels: NDArray[np.uint8]) -> bool:
    """Return whether an array is no view of another one, and can be written to."""
    flags = pixels.flags
    return flags.owndata and flags.writeable and flags.c_contiguous
