"""A run with less in it, or with its videos elsewhere: changed before it is shown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from algos.viewer.view_data import QuestionView, RunView


def only_questions(run: RunView, ids: Sequence[str]) -> RunView:
    """Return the run with some of its questions alone, in the given order; its sections stay whole.

    Args:
        run: all of it.
        ids: of the questions.

    Raises:
        KeyError: with the first id that the run does not have.
    """
    known = set(run.order)
    if unknown := [name for name in ids if name not in known]:
        raise KeyError(unknown[0])
    kept = dict.fromkeys(ids)

    def rows() -> Iterator[Mapping[str, Any]]:
        return (row for row in run.rows() if row["id"] in kept)

    note = f"{len(kept)} of {len(run.order)} questions, those that were asked for."
    return replace(
        run,
        rows=rows,
        count=sum(1 for _ in rows()),
        order=list(kept),
        notes=[*run.notes, note],
    )


def with_videos(run: RunView, folder: Path) -> RunView:
    """Return the run with the videos of a folder, where it has one of the same name.

    A video may lie in a folder below it, under the last parts of the path that the run names.

    Args:
        run: whose videos lay elsewhere when it was made.
        folder: of the videos; or a file, which is the video of all questions.
    """

    def question(name: str) -> QuestionView:
        found = run.question(name)
        if found.video is None:
            return found
        return replace(found, video=_moved(found.video, folder) or found.video)

    return replace(run, question=question)


def _moved(video: Path, folder: Path) -> Path | None:
    """Return the file of the folder that has the most of a path in common, from its end."""
    if folder.is_file():
        return folder
    parts = [part for part in video.parts if part not in (video.anchor, "..")]
    candidates = (folder.joinpath(*parts[k:]) for k in range(len(parts)))
    return next((one for one in candidates if one.is_file()), None)
