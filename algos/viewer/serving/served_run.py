"""A run as the addresses below a server's page: the table, each question, its pictures, its video.

| name | what |
|---|---|
| "" | the page, without rows and details in it |
| `rows.json` | the table of all questions |
| `part/K.json` | details of one question; K is its own for as long as it is served |
| `sheet/K.webp` | its pictures, drawn when they are first asked for |
| `video/K` | its video, if the run names a file that is there |
| `state.json` | which state of the run the others are of |
"""

from __future__ import annotations

import mimetypes
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from time import monotonic

from algos.viewer.pictures.drawing import draw_pictures
from algos.viewer.pictures.page_pictures import Pictures, PictureSettings
from algos.viewer.pictures.time_marks import marks
from algos.viewer.serving.replies import Reply
from algos.viewer.serving.run_changes import Marks
from algos.viewer.view_data import QuestionView, RunView
from algos.viewer.writing.plain_values import json_line
from algos.viewer.writing.question_json import question_json
from algos.viewer.writing.row_columns import rows_json
from algos.viewer.writing.view_file import page_of_a_server
from sage_env.errors import SageEnvError

Open = Callable[[], RunView]
"""Reads the run as it is now."""
_JSON = "application/json"
_ONE = re.compile(r"(part|sheet|video)/([0-9]{1,9})(\.json|\.webp|)")
_ENDS = {"part": ".json", "sheet": ".webp", "video": ""}
_KEPT = 64
"""Questions whose details and pictures stay in memory: about 60 kB each, so 4 MB."""
_SHEET_BYTES = 300_000
"""Most bytes of the pictures of one question; a page of one file has about 10,000 for each."""
_DRAWN_AT_ONCE = 2
"""Questions whose videos are decoded side by side."""
_PAUSE = 2.0
"""Seconds for which a state of the run is taken for the newest: a page asks every three."""
_SHARE = 2.0
"""After reading took long, as many times that long is waited: a third of a core at most."""


@dataclass(frozen=True)
class _State:
    """A run as it was read once.

    Attributes:
        version: counts from 1.
        run: what was read.
        seen: marks of its files just before.
        page, rows: what is handed out of it.
        problem: why a newer one could not be read; "" where it could.
    """

    version: int
    run: RunView
    seen: Marks
    page: bytes
    rows: bytes
    problem: str = ""


class ServedRun:
    """Answers for a run, anew after its files changed. Thread-safe."""

    def __init__(self, opened: Open, seen: Callable[[], Marks], *, pictures: bool = True) -> None:
        """Read the run for the first time.

        Args:
            opened: reads it.
            seen: marks of its files, to know when to read again.
            pictures: whether frames are shown.
        """
        self._open, self._seen, self._pictured = opened, seen, pictures
        self._numbers: dict[str, int] = {}
        self._kept: OrderedDict[tuple[int, int], tuple[bytes, bytes | None]] = OrderedDict()
        self._reading, self._keeping = threading.Lock(), threading.Lock()
        self._drawing = threading.BoundedSemaphore(_DRAWN_AT_ONCE)
        self._next = 0.0
        self._state = self._read(1)

    def find(self, name: str) -> Reply | None:
        """Return what lies under a name; `None` for one that there is not."""
        state = self._state
        if name == "":
            return Reply("text/html; charset=utf-8", state.page)
        if name == "rows.json":
            return Reply(_JSON, state.rows)
        if name == "state.json":
            return Reply(_JSON, self._told())
        found = _ONE.fullmatch(name)
        if found is None or found[3] != _ENDS[found[1]]:
            return None
        return self._of_question(state, found[1], int(found[2]))

    def _told(self) -> bytes:
        """Return the newest state in a few words, having looked for a newer one."""
        self._refresh()
        state = self._state
        told = {"version": state.version, "live": state.run.live, "problem": state.problem}
        return json_line(told).encode()

    def _refresh(self) -> None:
        """Read the run again if its files have changed; meanwhile others get the old one."""
        if monotonic() < self._next or not self._reading.acquire(blocking=False):
            return
        try:
            began = monotonic()
            old = self._state
            if self._seen() != old.seen:
                try:
                    self._state = self._read(old.version + 1)
                except (SageEnvError, OSError) as error:
                    self._state = replace(old, problem=str(error))
            took = monotonic() - began
            self._next = monotonic() + max(_PAUSE, _SHARE * took)
        finally:
            self._reading.release()

    def _read(self, version: int) -> _State:
        """Return the run as its files are now."""
        seen = self._seen()
        run = self._open()
        for name in run.order:
            self._numbers.setdefault(name, len(self._numbers))
        parts = {name: self._numbers[name] for name in run.order}
        rows = "".join(rows_json(run, parts)).encode()
        page = _numbered(page_of_a_server(run), version)
        return _State(version, run, seen, page, rows)

    def _of_question(self, state: _State, kind: str, number: int) -> Reply | None:
        """Return the details, the pictures or the video of a question."""
        names = list(self._numbers)
        if number >= len(names):
            return None
        if kind == "video":
            video = state.run.question(names[number]).video
            return None if video is None else Reply(_video_kind(video.name), video)
        part, sheet = self._drawn(state, number, names[number])
        if kind == "part":
            return Reply(_JSON, part)
        return None if sheet is None else Reply("image/webp", sheet)

    def _drawn(self, state: _State, number: int, name: str) -> tuple[bytes, bytes | None]:
        """Return the details of a question as JSON, and the sheet of its pictures."""
        key = state.version, number
        with self._keeping:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        with self._drawing:
            made = self._draw(state.run, number, state.run.question(name))
        with self._keeping:
            self._kept[key] = made
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made

    def _draw(self, run: RunView, number: int, asked: QuestionView) -> tuple[bytes, bytes | None]:
        pictures = Pictures(None, (0, 0), 0, (), "Pictures are turned off (--pictures none).")
        if self._pictured:
            settings = PictureSettings(
                questions=1, total_bytes=_SHEET_BYTES, frame_size=run.frame_size, workers=1
            )
            pictures = next(iter(draw_pictures([asked], settings)))[1]
        sheet = None if pictures.sheet is None else number
        there = asked.video is not None and asked.video.is_file()
        told = question_json(
            asked,
            pictures,
            marks(asked),
            sheet=sheet,
            href=f"video/{number}" if there else None,
        )
        return json_line({"questions": [told]}).encode(), pictures.sheet


def _numbered(page: bytes, version: int) -> bytes:
    """Return a page that knows its state, and that needs no picture for its tab."""
    page = page.replace(b"<html ", b'<html data-state="%d" ' % version, 1)
    return page.replace(b"</title>", b'</title><link rel="icon" href="data:,">', 1)


def _video_kind(name: str) -> str:
    """Return the media type of a video; a browser plays none that has another's."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind if kind.startswith(("video/", "audio/")) else "video/mp4"
