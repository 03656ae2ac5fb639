"""Which pixels of a frame are picture, and which the black bars around it; frames without bars.

Where a picture lies in a frame follows from its shape, because letterboxing is one function. A
video that says no shape, or whose frames are not as it says, has frames without bars: no pixel that
is not black is ever taken for one of a bar.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.frames import Box
from sage_env.framing.frame_area import MULTIPLE
from sage_env.picture_geometry import box_size, centred, fitted

Region = tuple[int, int, int, int]
"""Pixels `(top, bottom, left, right)` of a frame, half-open: `frame[top:bottom, left:right]`."""


def picture_regions(
    frames: NDArray[np.uint8], native: tuple[int, int] | None, box: Box | None
) -> NDArray[np.int32]:
    """Return the region of each frame that is picture: int32 `(N, 4)`.

    Args:
        frames: uint8 `(N, H, W, 3)`, letterboxed.
        native: `(H, W)` of the video's own pictures, upright, in square pixels; `None` if unknown.
        box: the part of the picture that the frames show; `None` for all of it.
    """
    size = frames.shape[1], frames.shape[2]
    whole = 0, size[0], 0, size[1]
    expected = whole
    if native is not None:
        expected = centred(*fitted(*box_size(box, *native), size), size)
    regions = np.tile(np.array(expected, np.int32), (len(frames), 1))
    if expected != whole and _brightest_outside(frames, expected):
        lit = [_brightest_outside(frame[None], expected) > 0 for frame in frames]
        regions[lit] = whole
    return regions


def _brightest_outside(frames: NDArray[np.uint8], region: Region) -> int:
    """Return the largest value in frames uint8 `(N, H, W, 3)` outside a region."""
    top, bottom, left, right = region
    bars = frames[:, :top], frames[:, bottom:], frames[:, :, :left], frames[:, :, right:]
    return max(int(bar.max(initial=0)) for bar in bars)


def window(region: Region, size: tuple[int, int], multiple: int = MULTIPLE) -> Region:
    """Return the smallest region around another one whose sides are multiples of a number.

    The other one lies in its middle, as far as the frame allows. A side of the frame that is no
    multiple itself is taken whole where the multiple is longer.

    Args:
        region: what it contains.
        size: `(H, W)` of the frame.
        multiple: pixels.
    """
    top, bottom = _stretched(region[0], region[1], size[0], multiple)
    left, right = _stretched(region[2], region[3], size[1], multiple)
    return top, bottom, left, right


def _stretched(low: int, high: int, length: int, multiple: int) -> tuple[int, int]:
    """Return `window` along one side."""
    wanted = min(-(-(high - low) // multiple) * multiple, length)
    first = low - (wanted - (high - low)) // 2
    first = min(max(first, 0), length - wanted)
    return first, first + wanted


def shown_regions(observation: Mapping[str, Any]) -> NDArray[np.int32]:
    """Return the `picture` of the N frames that an observation shows: int32 `(N, 4)`.

    An observation without that key, of another environment, has frames without bars.
    """
    shown = int(observation["num_frames"])
    if "picture" in observation:
        return np.asarray(observation["picture"], np.int32)[:shown]
    height, width = observation["frames"].shape[1:3]
    return np.tile(np.array([0, height, 0, width], np.int32), (shown, 1))


def pictures(observation: Mapping[str, Any], multiple: int = MULTIPLE) -> list[NDArray[np.uint8]]:
    """Return the frames that an observation of `VideoQAEnv` shows, without the bars: views.

    Args:
        observation: of the environment; one without the key `picture` has frames without bars.
        multiple: what is left has sides of whole multiples of it, as `window` says; 1 leaves no
            bar. The default also keeps thin pictures from becoming too thin for vision models.

    Returns:
        One uint8 `(h, w, 3)` for each of the `num_frames` frames; sizes may differ.
    """
    regions = shown_regions(observation)
    frames = observation["frames"][: len(regions)]
    shown = []
    for frame, region in zip(frames, regions.tolist(), strict=True):
        top, bottom, left, right = window(region, frame.shape[:2], multiple)
        shown.append(frame[top:bottom, left:right])
    return shown


def pictures_of_one_size(observation: Mapping[str, Any]) -> NDArray[np.uint8]:
    """Return the frames that are shown, cut to the region around all pictures: a view.

    Args:
        observation: as for `pictures`.

    Returns:
        uint8 `(N, h, w, 3)`; where N is 0, the frames have their full size.
    """
    regions = shown_regions(observation)
    frames: NDArray[np.uint8] = observation["frames"][: len(regions)]
    if not len(regions):
        return frames
    top, _, left, _ = regions.min(0).tolist()
    _, bottom, _, right = regions.max(0).tolist()
    return frames[:, top:bottom, left:right]
