"""`sage-vqa view PATH`: the page of a run, of two runs, or of another project's trace."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Annotated

import tyro

from algos.cli.options import CommandError
from algos.cli.terminal import say
from algos.runs.run_folder import RunFolder
from algos.viewer.changed_views import only_questions, with_videos
from algos.viewer.reading.report_files import opening
from algos.viewer.reading.run_folders import REPLAY, read_run
from algos.viewer.run_sections.sections import with_sections
from algos.viewer.serving.run_changes import is_going_on, is_newest, marks_of
from algos.viewer.view_data import RunView

_UNITS = {"": 1, "k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
MOST_PORT = 65_535
_OURS = ("config.json", "manifest.json", "report.json", "samples.jsonl", "splits.json", REPLAY)
"""Files by which a folder of ours is known; any other is taken for one of traces."""


@dataclass(frozen=True, kw_only=True)
class View:
    """Open the page of a run: every question on its video's own time axis.

    PATH is the folder of a run, or a file of another project's trace; with two of them, the page
    compares them. A run that is still going is served from this machine, and the page follows it.
    """

    path: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="PATH")]
    """The folder of a run, or a trace: SAGE's JSONL, lmms-eval's samples, messages as OpenAI has
    them, ATIF, VideoSeek's trajectories, logs of inspect_ai."""
    other: Annotated[tyro.conf.Positional[Path | None], tyro.conf.arg(metavar="[PATH]")] = None
    """A second one, to compare with."""
    out: Path | None = None
    """File for the page; by default `report.html` in the folder of the run. With --clip, the .gif
    or .mp4 file of the clip."""
    question: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """Id of a question, as often as needed: the page has these alone."""
    pictures: str = "3300k"
    """Most bytes of the page for pictures, such as 500k or 20M; `none` for no pictures."""
    allow_frames: bool = False
    """Show frames also of a dataset whose licence does not let them be published: for your own
    eyes, not to pass on."""
    max_bytes: str = "60M"
    """Most bytes of the page; what does not fit is left out, and the page says so."""
    videos: Path | None = None
    """Folder of the videos, where they do not lie where the run says; or the one video of all."""
    serve: bool = False
    """Serve the page from this machine, all details and pictures of it, also of a run that is over.
    """
    port: int = 0
    """Port of the server; 0 for one that is free."""
    open: bool = True
    """Whether to open the page in a browser, where there is a display."""

    clip: str | None = None
    """Id of a question: write how it was played as a film to --out, and no page."""
    entry: str | None = None
    """With --clip, key of the entry whose episode it is; by default the one that the page shows
    first."""

    def run(self) -> None:
        """Write or serve, say where, and open it.

        Raises:
            CommandError: if an option cannot be used.
            SageEnvError: if there is nothing to show.
        """
        self._check()
        if self.clip is not None:
            self._write_clip(self.clip)
        elif self.serve or self._goes_on():
            self._serve()
        else:
            page = self._page()
            say(page)
            self._open(page.resolve().as_uri())

    def _check(self) -> None:
        """Refuse options that cannot be used, before anything is read."""
        for path in (self.path, self.other):
            if path is not None and not path.exists():
                raise CommandError(f"there is no run and no trace at {path}")
        if not 0 <= self.port <= MOST_PORT:
            raise CommandError(f"--port must be from 0 to {MOST_PORT}, got {self.port}")
        if self.clip is None and self.entry is not None:
            raise CommandError("--entry belongs to --clip: a page has all entries")
        if self.clip is not None and (self.out is None or self.out.suffix not in (".gif", ".mp4")):
            raise CommandError(f"--clip needs --out with a .gif or .mp4 file, got {self.out}")
        if self.serve and self.out is not None:
            raise CommandError("--serve writes no file: leave out --out, or --serve")
        if self.videos is not None and not self.videos.exists():
            raise CommandError(f"--videos needs a folder, or one video; there is no {self.videos}")
        byte_count("--pictures", "0" if self.pictures == "none" else self.pictures)
        byte_count("--max-bytes", self.max_bytes)

    def _goes_on(self) -> bool:
        if self.out is not None or self.other is not None or not is_going_on(self.path):
            return False
        if not any((self.path / name).exists() for name in _OURS):
            raise CommandError(
                f"the run in {self.path} has only begun and holds nothing to show yet: try again "
                "in a few minutes"
            )
        return True

    def _read(self) -> RunView:
        """Return what is to be shown, as the files are now."""
        run = read_view(self.path, self.videos, allow_frames=self.allow_frames)
        if self.other is not None:
            other = read_view(self.other, self.videos, allow_frames=self.allow_frames)
            run = self._joined(run, other)
        if not self.question:
            return run
        try:
            return only_questions(run, self.question)
        except KeyError as error:
            raise CommandError(_unknown(error.args[0], run)) from None

    def _joined(self, a: RunView, b: RunView) -> RunView:
        from algos.viewer.reading.joined import joined

        assert self.other is not None
        names = self.path.resolve().name, self.other.resolve().name
        return joined(a, b, names)

    def _page(self) -> Path:
        """Return the file of the page, which is written if it is not there or too old."""
        own = self.path / "report.html"
        whole = self == View(path=self.path, open=self.open)
        if whole and self.path.is_dir() and is_newest(own, marks_of(self.path)):
            return own
        run = self._read()
        if self.out is not None:
            return self._write(run, self.out)
        if whole and self.path.is_dir():
            try:
                return self._write(run, own)
            except OSError as error:
                say(f"{own} cannot be written ({error.strerror}): the page goes elsewhere")
        return self._write(run, Path(tempfile.mkdtemp(prefix="sage-vqa-")) / "report.html")

    def _write(self, run: RunView, path: Path) -> Path:
        from algos.viewer.writing.view_file import WriteSettings, write_view

        none = self.pictures == "none"
        settings = WriteSettings(
            max_bytes=byte_count("--max-bytes", self.max_bytes),
            picture_bytes=0 if none else byte_count("--pictures", self.pictures),
            more=self._serving(),
        )
        written = write_view(run, path, settings)
        for note in written.notes:
            say(note)
        return written.path

    def _serving(self) -> str:
        """Return the command that serves the same with all its details, for a shell."""
        other = "" if self.other is None else f" {shlex.quote(str(self.other))}"
        videos = "" if self.videos is None else f" --videos {shlex.quote(str(self.videos))}"
        frames = " --allow-frames" if self.allow_frames else ""
        return f"{opening(RunFolder(self.path))}{other}{videos}{frames} --serve"

    def _serve(self) -> None:
        """Serve until the user stops it."""
        from algos.viewer.serving.page_server import PageServer
        from algos.viewer.serving.served_run import ServedRun

        folders = [p for p in (self.path, self.other) if p is not None]
        served = ServedRun(
            self._read,
            lambda: frozenset().union(*map(marks_of, folders)),
            pictures=self.pictures != "none",
        )
        try:
            with PageServer(served.find, self.port) as server:
                say(f"{server.url}\nserved to this machine alone; Ctrl-C stops it")
                self._open(server.url)
                Event().wait()
        except KeyboardInterrupt:
            say("\nstopped")

    def _open(self, address: str) -> None:
        """Open an address in a browser, where somebody could see it."""
        shown = sys.platform in ("win32", "darwin") or any(
            os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY")
        )
        if self.open and shown:
            import webbrowser

            webbrowser.open(address)

    def _write_clip(self, name: str) -> None:
        """Write how a question was played as a film, and say what was written."""
        from algos.viewer.pictures.clips import ClipSettings, write_clip

        assert self.out is not None
        run = self._read()
        if name not in set(run.order):
            raise CommandError(_unknown(name, run))
        question, entry = run.question(name), self.entry or run.shown
        played = {one.entry: one for one in question.episodes}
        if entry not in played:
            known = ", ".join(played) or "none: nobody played it"
            raise CommandError(f"--entry of {name!r} takes {known}, got {entry!r}")
        self.out.parent.mkdir(parents=True, exist_ok=True)
        settings = ClipSettings(frame_size=run.frame_size)
        say(write_clip(question, played[entry], self.out, settings))


def read_view(path: Path, videos: Path | None, *, allow_frames: bool = False) -> RunView:
    """Return a run of ours, or another project's trace.

    Args:
        path: a folder or a file.
        videos: folder of the videos, or the one video of all questions; `None`: where it says.
        allow_frames: whether frames are shown whatever a dataset's licence says.

    Raises:
        SageEnvError: if it is none of them.
    """
    if path.name == REPLAY or any((path / name).exists() for name in _OURS):
        run = read_run(path, pictures=True if allow_frames else None)
        return run if videos is None else with_videos(run, videos)
    from algos.viewer.foreign.opening import open_trace

    return with_sections(open_trace(path, videos=videos))


def byte_count(option: str, text: str) -> int:
    """Return a number of bytes as a user writes it: `500000`, `500k`, `20M`.

    Args:
        option: of the command line.
        text: its value.

    Raises:
        CommandError: if it is none.
    """
    plain = text.strip().lower().removesuffix("b")
    unit = plain[-1:] if plain[-1:] in ("k", "m", "g") else ""
    number = plain.removesuffix(unit)
    if not (number.isascii() and number.isdigit()) or len(number) > 12:
        raise CommandError(f"{option} takes a number of bytes, such as 500k or 20M, got {text!r}")
    return int(number) * _UNITS[unit]


def _unknown(name: str, run: RunView) -> str:
    near = difflib.get_close_matches(name, run.order, n=1)
    meant = f": did you mean {near[0]!r}?" if near else ""
    return f"the run has no question {name!r}{meant}"
