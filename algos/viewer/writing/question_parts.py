"""Details and pictures of the questions in parts, the most telling first, until a bound is met."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape
from itertools import islice
from pathlib import Path
from typing import IO

from algos.viewer.pictures.drawing import draw_pictures
from algos.viewer.pictures.page_pictures import NO_PICTURE, Pictures, PictureSettings
from algos.viewer.pictures.time_marks import MarkTime, marks
from algos.viewer.view_data import QuestionView, RunView
from algos.viewer.writing.packing import letters_size, packed
from algos.viewer.writing.plain_values import html_text, json_line
from algos.viewer.writing.question_json import question_json, video_href
from sage_env.timeline import clock

IN_A_PART = 32
"""Questions whose details are one block: what a script has to unpack to show one of them."""
_AROUND = 90  # bytes of HTML around a block
_AROUND_SHEET = 200
NO_ROOM = "This page has no room for the pictures of this question."


@dataclass(frozen=True)
class Sheet:
    """A sheet of pictures in the file of sheets: its question, and where its bytes are there."""

    caption: str
    start: int
    size: int


@dataclass
class Bounds:
    """What parts may hold.

    Attributes:
        bytes: of HTML for all parts and sheets.
        details: most questions with details.
        pictured: most questions whose pictures are drawn.
        picture_bytes: most bytes of HTML for all sheets.
        workers: videos that are decoded side by side.
    """

    bytes: int
    details: int
    pictured: int
    picture_bytes: int
    workers: int


@dataclass
class Parts:
    """What was written: compressed parts one after the other, and sheets one after the other.

    Attributes:
        parts, sheets: the files.
        sizes: bytes of each part.
        part_of: the part that holds a question, by its id.
        listed: the sheets; the number of one is its place.
        without: of the questions with details, how many have no pictures for want of room.
        bytes: of HTML, for all of it.
        marking: how long looking for scene cuts may take.
    """

    parts: IO[bytes]
    sheets: IO[bytes]
    sizes: list[int] = field(default_factory=list)
    part_of: dict[str, int] = field(default_factory=dict)
    listed: list[Sheet] = field(default_factory=list)
    without: int = 0
    bytes: int = 0
    marking: MarkTime = field(default_factory=MarkTime)


def fill_parts(run: RunView, page: Path, bounds: Bounds, into: Parts) -> None:
    """Write details and pictures of the first questions of `run.order` into two files.

    Args:
        run: whose questions are read one after the other.
        page: where the page will be: addresses of videos are from there.
        bounds: what does not fit is left out, from the end.
        into: what was written.
    """
    drawn = _drawn(run, bounds, into.marking)
    while True:
        before = into.bytes, len(into.listed), into.without
        batch = list(islice(drawn, IN_A_PART))
        if not batch:
            return
        texts = [_detail(question, pictures, page, into) for question, pictures in batch]
        data = packed('{"questions":[' + ",".join(texts) + "]}")
        size = letters_size(len(data)) + _AROUND + sum(len(q.id) + 12 for q, _ in batch)
        if into.bytes + size > bounds.bytes:
            into.bytes, shown, into.without = before
            del into.listed[shown:]
            return
        into.part_of |= {question.id: len(into.sizes) for question, _ in batch}
        into.parts.write(data)
        into.sizes.append(len(data))
        into.bytes += size


def _drawn(
    run: RunView, bounds: Bounds, marking: MarkTime
) -> Iterator[tuple[QuestionView, Pictures]]:
    """Yield each question with its pictures; those beyond the bound without."""
    first = run.order[: min(bounds.pictured, bounds.details)]
    waiting: deque[QuestionView] = deque()

    def read() -> Iterator[QuestionView]:
        for name in first:
            question = run.question(name)
            waiting.append(question)
            yield question

    settings = PictureSettings(
        questions=max(1, len(first)),
        total_bytes=max(0, 3 * (bounds.picture_bytes - _AROUND_SHEET * len(first)) // 4),
        frame_size=run.frame_size,
        first=tuple(key for key in (run.shown, run.before) if key is not None),
        workers=bounds.workers,
        marking=marking,
    )
    for _, pictures in draw_pictures(read(), settings):
        yield waiting.popleft(), pictures
    for name in run.order[len(first) : bounds.details]:
        question = run.question(name)
        shown = any(step.frames for episode in question.episodes for step in episode.steps)
        yield question, Pictures(None, (0, 0), 0, (), NO_ROOM if shown else "", shown)


def _detail(question: QuestionView, pictures: Pictures, page: Path, into: Parts) -> str:
    """Return a question as JSON, its sheet written."""
    number = None
    if pictures.sheet is not None:
        number = len(into.listed)
        start = into.sheets.tell()
        into.sheets.write(pictures.sheet)
        into.listed.append(Sheet(_caption(question, pictures), start, len(pictures.sheet)))
        words = len(escape(html_text(into.listed[-1].caption)).encode())
        into.bytes += letters_size(len(pictures.sheet)) + 2 * words + _AROUND_SHEET
    elif pictures.crowded:
        into.without += 1
    href = video_href(question.video, page)
    marked = marks(question, into.marking) if pictures.sheet is not None else (None, ())
    return json_line(question_json(question, pictures, marked, sheet=number, href=href))


def _caption(question: QuestionView, pictures: Pictures) -> str:
    """Return what a sheet shows, in words: the question, and the times of its cells in order."""
    times: dict[int, str] = {}
    for episode, cells in zip(question.episodes, pictures.cells, strict=False):
        for step, row in zip(episode.steps, cells, strict=False):
            for frame, (cell, source) in zip(step.frames, row, strict=False):
                times[cell] = clock(frame.second)
                times[source] = clock(frame.second)
    told = ", ".join(times[cell] for cell in sorted(times) if cell != NO_PICTURE)
    return f"{question.id}: {question.question} Frames, row by row: {told}"
