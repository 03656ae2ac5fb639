"""The observation space, and one observation of it: all that the agent is shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from sage_env.datasets.item import QAItem
from sage_env.frames import Box, FrameBatch
from sage_env.framing.picture_region import picture_regions
from sage_env.picture_geometry import centred
from sage_env.tools.tool import MAX_TOOL_TEXT
from sage_env.unicode_text import MAX_TEXT, UnicodeText

Observation: TypeAlias = dict[str, Any]

_LONGEST = float(np.finfo(np.float32).max)  # a Box without a limit is warned about


def observation_space(
    num_frames: int,
    size: tuple[int, int],
    max_turns: int,
    max_frames: int,
    items: Sequence[QAItem] = (),
) -> gym.spaces.Dict:
    """Return the space whose keys `VideoQAEnv` describes.

    Args:
        num_frames: its F.
        size: its (H, W), in pixels.
        max_turns: budget of actions.
        max_frames: budget of frames.
        items: the questions that are asked, all of which fit in.
    """
    question = max((len(item.question) for item in items), default=0)
    choices = max((len(_lines(item)) for item in items), default=0)
    seconds = gym.spaces.Box(0.0, _LONGEST, (), np.float32)
    edges = np.tile(np.array([size[0], size[0], size[1], size[1]], np.int32), (num_frames, 1))
    return gym.spaces.Dict(
        {
            "frames": gym.spaces.Box(0, 255, (num_frames, *size, 3), np.uint8),
            "picture": gym.spaces.Box(np.zeros_like(edges), edges, dtype=np.int32),
            "seconds": gym.spaces.Box(-1.0, _LONGEST, (num_frames,), np.float32),
            "num_frames": gym.spaces.Discrete(num_frames + 1),
            "cursor": seconds,
            "duration": seconds,
            "turns_left": gym.spaces.Discrete(max_turns + 1),
            "frames_left": gym.spaces.Discrete(max_frames + 1),
            "question": UnicodeText(max(MAX_TEXT, question)),
            "choices": UnicodeText(max(MAX_TEXT, choices)),
            "message": UnicodeText(),
            "text": UnicodeText(MAX_TOOL_TEXT),
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
    native: tuple[int, int] | None = None,
    box: Box | None = None,
) -> Observation:
    """Return one observation, as `VideoQAEnv` describes it; it shares nothing with any other.

    The pixels of a batch are ours to keep, as `Video` says, and are not copied where the batch has
    F frames of the size of the space. Smaller ones stand in the middle of black.

    Args:
        item: the question.
        batch: the frames to show, uint8 `(n, h, w, 3)` with n <= F, h <= H and w <= W; `None` for
            none.
        shape: of `frames`: (F, H, W, 3).
        cursor: seconds.
        duration: seconds of the video.
        turns_left: what remains of the budget of turns.
        frames_left: what remains of the budget of frames.
        message: why the last request failed or was cut; else empty.
        text: a tool's reply; else empty.
        native: `(H, W)` of the video's own pictures; `None` if unknown.
        box: what part of the picture the frames show; `None` for all of it.
    """
    seconds = np.full(shape[0], -1.0, np.float32)
    shown = 0 if batch is None else len(batch)
    if batch is not None:
        seconds[:shown] = batch.seconds
    picture = np.zeros((shape[0], 4), np.int32)
    pixels = _placed(batch, shape)
    if batch is not None:
        top, _, left, _ = _place(batch.pixels.shape, shape)
        regions = picture_regions(batch.pixels, native, box)
        picture[:shown] = regions + np.array([top, top, left, left], np.int32)
    return {
        "frames": pixels,
        "picture": picture,
        "seconds": seconds,
        "num_frames": shown,
        "cursor": np.array(cursor, np.float32),
        "duration": np.array(duration, np.float32),
        "turns_left": turns_left,
        "frames_left": frames_left,
        "question": item.question,
        "choices": _lines(item),
        "message": message,
        "text": text,
    }


def _placed(batch: FrameBatch | None, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Return the frames of a batch in the middle of black ones, uint8 `(F, H, W, 3)`: a new array.

    Args:
        batch: uint8 `(n, h, w, 3)`; `None` for no frame.
        shape: (F, H, W, 3).
    """
    if batch is None:
        return np.zeros(shape, np.uint8)
    given, shown = batch.pixels, len(batch)
    if given.shape == shape and _is_own(given):
        return given
    fills = given.shape[1:] == shape[1:]
    pixels = np.empty(shape, np.uint8) if fills else np.zeros(shape, np.uint8)
    top, bottom, left, right = _place(given.shape, shape)
    pixels[:shown, top:bottom, left:right] = given
    pixels[shown:] = 0
    return pixels


def _place(given: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Return where frames of shape (n, h, w, 3) stand in those of shape (F, H, W, 3)."""
    return centred(given[1], given[2], (shape[1], shape[2]))


def _lines(item: QAItem) -> str:
    return "\n".join(item.choices)


def _is_own(pixels: NDArray[np.uint8]) -> bool:
    """Return whether an array is no view of another one, and can be written to."""
    flags = pixels.flags
    return flags.owndata and flags.writeable and flags.c_contiguous
