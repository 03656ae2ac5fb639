"""Writing a dataset out: one `.jsonl` file of questions, and its videos beside it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import fields
from filecmp import cmp
from pathlib import Path
from typing import Any

from sage_env.datasets.item import QAItem
from sage_env.datasets.json_lines import SPLIT
from sage_env.errors import DatasetError
from sage_env.storage.atomic_file import atomic_path, atomic_write

QUESTIONS = "questions.jsonl"
"""Name of the file of questions."""
VIDEOS = "videos"
"""Name of the folder of videos, where a dataset is one split."""
SUBTITLES = "subtitles"
"""Name of the folder of subtitles in a folder of videos."""
_DEFAULTS = {field.name: field.default for field in fields(QAItem) if field.name != "group"}


def export_questions(
    parts: Mapping[str | None, Sequence[QAItem]], folder: Path, *, link: bool = False
) -> int:
    """Write questions and videos so that `read_jsonl` gives the same questions back.

    Ids, order, answers and evidence are as they were; videos lie in a folder for each split, their
    subtitles in one inside it. A file that is there with the bytes of the original is kept; the
    questions are written last.

    Args:
        parts: the questions of each split, by its name; `None` as a name: one split without one.
        folder: where to; made if it is missing.
        link: whether videos become second names of the same files (hard links) instead of copies,
            where the file system allows it.

    Returns:
        The number of questions.

    Raises:
        DatasetError: if a video is missing, or the folder cannot be written to.
    """
    rows = []
    for split, items in parts.items():
        name = split or VIDEOS
        places = _write_files([item.video for item in items], folder, name, link=link)
        said = [item.subtitles for item in items if item.subtitles is not None]
        places |= _write_files(said, folder, f"{name}/{SUBTITLES}", link=link)
        rows += [_row(item, places, split) for item in items]
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    try:
        atomic_write(folder / QUESTIONS, text)
    except OSError as error:
        raise DatasetError(f"{folder / QUESTIONS} cannot be written: {error}") from error
    return len(rows)


def _write_files(files: Sequence[Path], folder: Path, name: str, *, link: bool) -> dict[Path, Path]:
    """Copy the files of a split, and return where each is, relative to the folder."""
    places: dict[Path, Path] = {}
    taken: set[str] = set()
    for video in dict.fromkeys(files):
        file, number = video.name, 1
        while file.lower() in taken:  # some file systems know no capitals
            number += 1
            file = f"{video.stem}-{number}{video.suffix}"
        taken.add(file.lower())
        places[video] = Path(name) / file
        try:
            _write(video, folder / name / file, link=link)
        except OSError as error:
            raise DatasetError(f"{video} cannot be written to {folder / name}: {error}") from error
    return places


def _write(video: Path, target: Path, *, link: bool) -> None:
    video.stat()  # a missing one is an error, whatever is there already
    # Not its size alone: recordings of one camera can be as long to the byte.
    if target.exists() and (target.samefile(video) or cmp(video, target, shallow=False)):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(target) as partial:
        if link:
            with suppress(OSError):  # of another disk, or of a file system without links
                os.link(video.resolve(), partial)
                return
        shutil.copyfile(video, partial)


def _row(item: QAItem, places: Mapping[Path, Path], split: str | None) -> dict[str, Any]:
    """Return an item as a line of JSON has it; what is as by default is left out."""
    row = {name: getattr(item, name) for name in _DEFAULTS}
    row = {name: value for name, value in row.items() if value != _DEFAULTS[name]}
    row |= {"video": places[item.video].as_posix(), "kind": item.kind}
    if item.subtitles is not None:
        row["subtitles"] = places[item.subtitles].as_posix()
    if item.group:
        row["group"] = dict(item.group)
    return row if split is None else {**row, SPLIT: split}
