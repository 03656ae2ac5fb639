"""What pictures a page may hold, and those of one question: the seam to whoever writes the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from algos.viewer.pictures.time_marks import MarkTime

NO_PICTURE = -1
"""Stands for the number of a cell where there is none."""


@dataclass(frozen=True, kw_only=True)
class PictureSettings:
    """How large the pictures of a page may be.

    Attributes:
        questions: how many are to be drawn: they share the bytes, the first before the last.
        total_bytes: most bytes of all sheets together, before base64.
        frame_size: `(H, W)` at which the policy saw frames, where neither step nor question says.
        most_cells: pictures of one question at most.
        first: entries whose frames are needed most, in this order: where there is too little room
            for all, those of the others are left out first.
        video_seconds: how long one video may take; what is not decoded by then is left out.
        total_seconds: how long all may take; finished sheets stay in the cache, so that the next
            page has more of them.
        workers: videos that are decoded side by side.
        marking: if given, scene cuts are looked for too, beside the pictures and within this time;
            `time_marks.marks` then has them at hand.
        cache: folder of finished sheets; `None` for the cache folder of the user.
        cache_bytes: most bytes of finished sheets; 0 for none.
    """

    questions: int
    total_bytes: int = 3_000_000
    frame_size: tuple[int, int] = (224, 224)
    most_cells: int = 240
    first: tuple[str, ...] = ()
    video_seconds: float = 20.0
    total_seconds: float = 300.0
    workers: int = 2
    marking: MarkTime | None = None
    cache: Path | None = None
    cache_bytes: int = 256_000_000


@dataclass(frozen=True, eq=False)
class Pictures:
    """The pictures of one question, in one sheet of equal cells, row by row.

    Attributes:
        sheet: a WebP file; `None` where there is no picture.
        cell: `(width, height)` of a cell, in pixels of the sheet; a cell has the shape of the whole
            picture, and a crop of another shape lies in its middle, the rest of the cell clear.
        across: cells in a row.
        cells: for each episode, each of its steps, each frame: the number of its cell, and of the
            cell with the whole frame where the frame is a crop; `NO_PICTURE` where there is none.
        missing: what is left out and why, in sentences; "" where nothing is.
        crowded: whether it has none because others took the room.
    """

    sheet: bytes | None
    cell: tuple[int, int]
    across: int
    cells: Sequence[Sequence[Sequence[tuple[int, int]]]]
    missing: str = ""
    crowded: bool = False
