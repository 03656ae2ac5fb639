"""Held-out videos: of them nothing may get into a set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from algos.data_pipeline.distilling.settings import DistillError
from algos.runs.json_files import read_json
from sage_env.datasets.item import QAItem

_VIDEOS, _QUESTIONS = "videos", "ids"


def held_out_questions(
    path: Path, items: Sequence[QAItem], *, required: bool = False
) -> frozenset[str]:
    """Return the ids of the questions that a file holds out, by themselves or by their video.

    Args:
        path: of a JSON object with a list `videos`, a list `ids` of questions, or both. A video is
            named by its path, or by the end of it.
        items: the questions.
        required: whether the file has to be there.

    Raises:
        DistillError: if it is no such object, or holds out a video or question that is not known.
        RunFolderError: if it cannot be read.
    """
    if not required and not path.exists():
        return frozenset()
    data = read_json(path)
    videos, ids = _list(path, data, _VIDEOS), _list(path, data, _QUESTIONS)
    by_video = {item.id for item in items if any(_is(item.video, name) for name in videos)}
    return frozenset(by_video | {item.id for item in items if item.id in set(ids)})


def _list(path: Path, data: Any, name: str) -> list[str]:
    found = data.get(name, []) if isinstance(data, dict) else None
    told = isinstance(found, list) and all(isinstance(one, str) for one in found)
    if not told or (_VIDEOS not in data and _QUESTIONS not in data):
        raise DistillError(
            f"{path} must be an object with lists of texts, {_VIDEOS!r} or {_QUESTIONS!r}"
        )
    return list(found)  # type: ignore[arg-type]


def _is(video: Path, name: str) -> bool:
    """Return whether a path is the one that is named, or ends in it."""
    own, named = video.parts, Path(name).parts
    return own[-len(named) :] == named
