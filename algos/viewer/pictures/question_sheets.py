"""The sheets of all questions about one video, from one decoding of it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from threading import Lock

from algos.viewer.pictures.carried_pictures import open_picture
from algos.viewer.pictures.kept_sheets import Drawn, KeptSheets, sheet_name
from algos.viewer.pictures.picture_sheet import cell_of, cells_across, compose, encode, shrunk
from algos.viewer.pictures.seen_frames import Picture, VideoFrames, decode_looks
from algos.viewer.pictures.size_choice import SIDES, TRIED
from algos.viewer.pictures.wanted_frames import Look, QuestionFrames
from sage_env.video.cache.frame_cache import FrameCache

_CACHE_BYTES = 96 * 2**20
"""Of decoded frames: those of the sample are drawn again with all the others."""


class SheetMaker:
    """Draws the sheets of questions, keeps finished ones, and counts the time of each video."""

    def __init__(self, kept: KeptSheets, video_seconds: float, total_seconds: float) -> None:
        """Begin to count the time.

        Args:
            kept: finished sheets.
            video_seconds: how long one video may take, all calls together.
            total_seconds: how long all may take from now on.
        """
        self._kept = kept
        self._cache = FrameCache(_CACHE_BYTES)
        self._video_seconds = video_seconds
        self._until = time.monotonic() + total_seconds
        self._spent: dict[Path, float] = {}
        self._lock = Lock()

    def measured(self, questions: Sequence[QuestionFrames]) -> list[Drawn]:
        """Return of questions about one video how many bytes their sheets take on each side."""
        return self._each(questions, 0, TRIED)

    def sheets(self, questions: Sequence[QuestionFrames], side: int, quality: int) -> list[Drawn]:
        """Return the sheets of questions about one video.

        Args:
            questions: all of the same video, or of none.
            side: most pixels of the longer side of a picture.
            quality: of the sheets.
        """
        return self._each(questions, side, quality)

    def _each(self, questions: Sequence[QuestionFrames], side: int, quality: int) -> list[Drawn]:
        names = [sheet_name(question, side, quality) for question in questions]
        drawn = [self._kept.get(name) for name in names]
        absent = [k for k, found in enumerate(drawn) if found is None]
        frames = self._decoded([questions[k] for k in absent], side or SIDES[0])
        for k in absent:
            new = draw_question(questions[k], frames, side, quality)
            self._kept.put(names[k], new)
            drawn[k] = new
        return [found for found in drawn if found is not None]

    def _decoded(self, questions: Sequence[QuestionFrames], side: int) -> VideoFrames:
        """Return the pictures of the video of questions, those of all of them in one go."""
        looks = list(dict.fromkeys(_at_video(questions)))
        video = questions[0].video if questions else None
        if video is None or not looks:
            return VideoFrames()
        began = time.monotonic()
        with self._lock:
            left = self._video_seconds - self._spent.get(video, 0.0)
        if min(left, self._until - began) <= 0:
            which = f"{video.name} takes" if left <= 0 else "the pictures of the page take"
            return VideoFrames(failed=f"No time was left: {which} too long to decode.")
        seconds = min(left, self._until - began)
        found = decode_looks(
            video, looks, lambda p: shrunk(p, side), seconds=seconds, cache=self._cache
        )
        with self._lock:
            self._spent[video] = self._spent.get(video, 0.0) + time.monotonic() - began
        return found


def draw_question(question: QuestionFrames, frames: VideoFrames, side: int, quality: int) -> Drawn:
    """Return the sheet of a question from pictures of its video.

    Args:
        question: what is drawn.
        frames: of its video.
        side: most pixels of the longer side of a picture; 0 to only measure all sides.
        quality: of the sheet.
    """
    pictures = pictures_of(question, frames, side or SIDES[0])
    failed = frames.failed
    if len(pictures) < len(question.looks) and not failed:
        failed = "Some pictures of the trace are broken, too large, or no JPEG, PNG or WebP."
    if len(pictures) == len(question.looks):
        failed = ""
    if not pictures:
        return Drawn(failed=failed)
    shown = tuple(sorted(pictures))
    looks = [question.looks[number] for number in shown]
    ordered = [pictures[number] for number in shown]
    cell = cell_of(_shapes(looks, ordered), side or SIDES[0])
    across = cells_across(cell, len(ordered))
    inexact = sum(look in frames.inexact for look in looks)
    if not side:
        return Drawn(cell, across, shown, b"", _sizes(looks, ordered), inexact, failed)
    sheet = compose(ordered, cell, across)
    return Drawn(cell, across, shown, encode(sheet, quality), {}, inexact, failed)


def pictures_of(question: QuestionFrames, frames: VideoFrames, side: int) -> dict[int, Picture]:
    """Return the pictures that could be had, by the number of their look.

    Args:
        question: what is wanted.
        frames: of its video.
        side: most pixels of the longer side of a picture.
    """
    opened: dict[int, Picture] = {}
    for number, look in enumerate(question.looks):
        picture = frames.pictures.get(look)
        if look.carried:
            picture = open_picture(question.carried[look.carried])
        if picture is not None:
            opened[number] = shrunk(picture, side)
    return opened


def _shapes(looks: Sequence[Look], pictures: Sequence[Picture]) -> list[tuple[int, int]]:
    """Return the shapes that a cell may have: those of whole frames, where there are any."""
    shapes = [(look, picture.shape[:2]) for look, picture in zip(looks, pictures, strict=True)]
    whole = [shape for look, shape in shapes if look.box is None and not look.carried]
    return whole or [shape for _, shape in shapes]


def _sizes(looks: Sequence[Look], pictures: Sequence[Picture]) -> Mapping[int, int]:
    """Return the bytes of a sheet at `TRIED` by side; the same cell is measured once."""
    sizes: dict[int, int] = {}
    by_cell: dict[tuple[int, int], int] = {}
    for side in SIDES:
        small = [shrunk(picture, side) for picture in pictures]
        cell = cell_of(_shapes(looks, small), side)
        if cell not in by_cell:
            by_cell[cell] = len(encode(compose(small, cell, cells_across(cell, len(small))), TRIED))
        sizes[side] = by_cell[cell]
    return sizes


def _at_video(questions: Iterable[QuestionFrames]) -> Iterable[Look]:
    return (look for question in questions for look in question.looks if not look.carried)
