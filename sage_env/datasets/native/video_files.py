"""The videos and subtitles of a benchmark: files below its root, found by their stems.

Rows name a video by an id, a file name, a path or an address. Archives are unpacked in many ways
and suffixes differ (`.mp4`, `.MP4`, `.mkv`), so only the stem counts. A row never leads to a file
that does not lie below the root.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, urlsplit

from sage_env.datasets.item import QAItem
from sage_env.datasets.splits import part_of
from sage_env.errors import DatasetError

VIDEO_SUFFIXES = (".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".ts", ".flv", ".mpg", ".mpeg")
SUBTITLE_SUFFIXES = (".srt", ".vtt", ".jsonl", ".json")
_BRACKETED = re.compile(r".*\[([\w-]{11})\]")  # `Title [dQw4w9WgXcQ]`, as yt-dlp names files
_UNSAFE = re.compile(r"[/\\\0]")


class FilesByStem:
    """Files below a folder with some suffixes, by stem; looked up once, when first asked for."""

    def __init__(
        self,
        root: Path,
        suffixes: Sequence[str],
        *,
        folder: str = "",
        leave_out: Sequence[Path] = (),
        not_in: Sequence[str] = (),
    ) -> None:
        """Take where to look.

        Args:
            root: the folder.
            suffixes: of the files, in lower case, the preferred first.
            folder: below `root`, where a file that is not there is expected; of files with one
                stem, one that lies there counts.
            leave_out: files that are none of these, such as the annotations.
            not_in: names of folders that are not looked into.
        """
        self.root, self.suffixes, self.folder = root, tuple(suffixes), folder
        self._leave_out, self._not_in = set(leave_out), set(not_in)
        self._exact: dict[str, Path] | None = None
        self._folded: dict[str, list[Path]] = {}

    def find(self, name: str) -> Path | None:
        """Return the file of a name; `None` if there is none.

        Args:
            name: an id, a file name, a path of which the last part counts, or an address. The stem
                with its capitals is looked for first, then without, where only one file has it.
        """
        by_stem = self._by_stem()
        stem = stem_of(name, self.suffixes)
        if stem in by_stem:
            return by_stem[stem]
        folded = self._folded.get(stem.casefold(), [])
        return folded[0] if len(folded) == 1 else None

    def path(self, name: str) -> Path:
        """Return the file of a name, or where it is expected if there is none.

        Raises:
            DatasetError: if the name is none of a file.
        """
        stem = stem_of(name, self.suffixes)
        if not stem or stem in (".", ".."):
            raise DatasetError(f"{name!r} does not name a file")
        return self.find(name) or self.root / self.folder / f"{stem}{self.suffixes[0]}"

    def _by_stem(self) -> dict[str, Path]:
        if self._exact is None:
            exact: dict[str, Path] = {}
            for path in self._files():
                exact.setdefault(path.stem, path)
                bracketed = _BRACKETED.fullmatch(path.stem)
                if bracketed:
                    exact.setdefault(bracketed[1], path)
            for stem, path in exact.items():
                self._folded.setdefault(stem.casefold(), []).append(path)
            self._exact = exact
        return self._exact

    def _files(self) -> list[Path]:
        """Return the files: of the expected folder, then by suffix, the shallowest folder first."""
        found = []
        for folder, inside, names in os.walk(self.root):
            inside[:] = [x for x in inside if not x.startswith(".") and x not in self._not_in]
            found += [Path(folder) / name for name in names if not name.startswith(".")]
        kept = [p for p in found if p.suffix.lower() in self.suffixes and p not in self._leave_out]
        return sorted(kept, key=self._rank)

    def _rank(self, path: Path) -> tuple[bool, int, int, str]:
        elsewhere = not path.is_relative_to(self.root / self.folder)
        return elsewhere, self.suffixes.index(path.suffix.lower()), len(path.parts), str(path)


def stem_of(name: str, suffixes: Sequence[str] = VIDEO_SUFFIXES) -> str:
    """Return the stem of what names a file: of a YouTube address its id.

    >>> stem_of("clips/a.b.MP4"), stem_of("https://www.youtube.com/watch?v=x-1_2&t=3s")
    ('a.b', 'x-1_2')
    """
    text = name.strip()
    if "://" in text:
        with suppress(ValueError):  # no address after all
            address = urlsplit(text)
            watched = parse_qs(address.query).get("v")
            text = watched[0] if watched else address.path.rstrip("/")
    last = PurePosixPath(text.replace("\\", "/")).name
    stem, dot, suffix = last.rpartition(".")
    bare = stem if stem and f"{dot}{suffix}".lower() in suffixes else last
    return _UNSAFE.sub("_", bare)


def missing_videos(items: Sequence[QAItem]) -> list[Path]:
    """Return the videos of some questions that are not there, each once, in order."""
    videos = dict.fromkeys(item.video for item in items)
    return [video for video in videos if not video.is_file()]


def with_videos(items: Sequence[QAItem]) -> Sequence[QAItem]:
    """Return the questions whose video is there, with what their dataset has beside them."""
    lost = set(missing_videos(items))
    return part_of(items, [k for k, item in enumerate(items) if item.video not in lost])
