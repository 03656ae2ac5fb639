"""Small pictures of frames: how large they can be side by side, and which ones are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sage_env.frames import Box
from sage_env.picture_geometry import fitted

CAPTION = 14
"""Pixels below a thumbnail for its time."""
KEPT = (120, 160)
"""Most `(H, W)` of the pictures that a strip keeps."""
_LOWEST = 20  # pixels of a thumbnail's height; rather than lower ones, fewer are drawn
_ENLARGED = 3  # times at most: enlarged further, a picture shows its pixels and nothing more


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """A small picture of one frame.

    Attributes:
        second: when the frame is shown in the video.
        box: the region of the picture that it is; `None` for all of it.
        pixels: uint8 `(h, w, 3)`.
    """

    second: float
    box: Box | None
    pixels: NDArray[np.uint8]


def thumbnail(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a copy of a picture as large as fits into `size`, enlarged at most three times.

    Args:
        pixels: uint8 `(H, W, 3)`.
        size: most `(H, W)` of the copy, in pixels.

    Returns:
        uint8 `(h, w, 3)` of the same aspect.
    """
    height, width = pixels.shape[:2]
    inside = min(size[0], _ENLARGED * height), min(size[1], _ENLARGED * width)
    new_height, new_width = fitted(height, width, inside)
    small = Image.fromarray(pixels).resize(
        (new_width, new_height), Image.Resampling.BICUBIC, reducing_gap=2.0
    )
    return np.array(small)


@dataclass(frozen=True)
class ThumbnailGrid:
    """A layout of thumbnails in rows and columns.

    Attributes:
        columns: in a row.
        cell: `(H, W)` of a thumbnail with its caption and the space around it.
        size: most `(H, W)` of a thumbnail.
        shown: how many are drawn.
        count: how many there were.
    """

    columns: int
    cell: tuple[int, int]
    size: tuple[int, int]
    shown: int
    count: int

    @property
    def chosen(self) -> list[int]:
        """Return the indices of the frames that are drawn: the first, the last, evenly between."""
        spread: list[int] = np.linspace(0, self.count - 1, self.shown).round().astype(int).tolist()
        return spread


def best_grid(
    count: int, frame_size: tuple[int, int], area: tuple[int, int], caption: int
) -> ThumbnailGrid:
    """Return the grid with the largest thumbnails: of all frames, unless they would be too small.

    Args:
        count: frames, at least 1.
        frame_size: `(H, W)` of each, in pixels.
        area: `(H, W)` to stay inside, in pixels.
        caption: pixels that the widest caption takes.
    """
    height, width = area
    most_columns = max(1, width // (caption + 4))
    most_rows = max(1, height // (_LOWEST + CAPTION))
    shown = min(count, most_columns * most_rows)
    grids = (
        _grid(columns, shown, count, frame_size, area, caption)
        for columns in range(1, most_columns + 1)
    )
    return max(grids, key=lambda grid: grid.size)


def _grid(
    columns: int,
    shown: int,
    count: int,
    frame_size: tuple[int, int],
    area: tuple[int, int],
    caption: int,
) -> ThumbnailGrid:
    across, down = area[1] // columns, area[0] // -(-shown // columns)
    size = fitted(*frame_size, (max(1, down - CAPTION), max(1, across - 4)))
    cell = size[0] + CAPTION, max(size[1], caption) + 4
    return ThumbnailGrid(columns, cell, size, shown, count)


class Strip:
    """Frames of an episode along the time axis, at most one per slot."""

    def __init__(self, num_slots: int, duration: float) -> None:
        """Divide `duration` seconds into `num_slots` equal slots."""
        self.duration = duration
        self._slots: list[Thumbnail | None] = [None] * num_slots

    @property
    def slots(self) -> tuple[Thumbnail | None, ...]:
        """Return what the slots hold, in order of time."""
        return tuple(self._slots)

    def add(
        self, frames: NDArray[np.uint8], seconds: Sequence[float], box: Box | None = None
    ) -> None:
        """Keep of each slot the newest frame; a crop never takes the place of a whole picture.

        Args:
            frames: uint8 `(N, H, W, 3)`.
            seconds: of each frame.
            box: the region that the frames show; `None` for whole pictures.
        """
        newest = {self._slot(second): index for index, second in enumerate(seconds)}
        for slot, index in newest.items():
            held = self._slots[slot]
            if held is None or held.box is not None or box is None:
                self._slots[slot] = Thumbnail(seconds[index], box, thumbnail(frames[index], KEPT))

    def nearest(self, second: float) -> Thumbnail | None:
        """Return the whole picture that is nearest in time; `None` if there is none."""
        whole = [held for held in self._slots if held is not None and held.box is None]
        return min(whole, key=lambda held: abs(held.second - second), default=None)

    def _slot(self, second: float) -> int:
        return min(int(second / self.duration * len(self._slots)), len(self._slots) - 1)
