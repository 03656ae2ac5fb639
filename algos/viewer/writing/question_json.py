"""One question, its episodes and its pictures as the page has them: names of `view_data`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from algos.viewer.pictures.page_pictures import NO_PICTURE, Pictures
from algos.viewer.pictures.time_marks import Spoken
from algos.viewer.view_data import EpisodeView, QuestionView, StepView
from algos.viewer.writing.plain_values import plain, said, values_of

Marks = tuple[Sequence[float] | None, Sequence[Spoken]]
"""Scene cuts and speech of a video, as `time_marks.marks` gives them."""
_OF_THE_QUESTION = frozenset(
    ("id", "entry", "question", "gold", "group", "evidence", "kind", "choices", "video", "duration")
)
"""Keys of a row that the question says for all of its episodes."""


def question_json(
    question: QuestionView,
    pictures: Pictures,
    marks: Marks = (None, ()),
    *,
    sheet: int | None = None,
    href: str | None = None,
) -> dict[str, Any]:
    """Return a question as plain JSON data; what says nothing is left out.

    Args:
        question: with its episodes.
        pictures: of it; `cells` as its episodes, steps and frames.
        marks: of its video.
        sheet: number of its sheet of pictures.
        href: address of its video, for playback.
    """
    own = ("video", "subtitles", "subtitles_start", "pictures", "episodes")
    values = values_of(question)
    found = said({key: value for key, value in values.items() if key not in own})
    if question.video is not None:
        found["video"] = {"name": question.video.name, "href": href}
    cuts, speech = marks
    found |= said({"cuts": cuts, "speech": speech, "missing": pictures.missing})
    if sheet is not None:
        found |= {"sheet": sheet, "cell": list(pictures.cell), "across": pictures.across}
    found["episodes"] = [
        _episode(episode, pictures.cells[number] if number < len(pictures.cells) else ())
        for number, episode in enumerate(question.episodes)
    ]
    return found


def video_href(video: Path | None, page: Path) -> str | None:
    """Return the address of a video from a page's folder; `None` if there is no such file."""
    if video is None or not video.is_file():
        return None
    folder = page.resolve().parent
    try:
        relative = os.path.relpath(video.resolve(), folder)
    except ValueError:  # another drive
        return video.resolve().as_uri()
    return quote(os.fsencode(relative.replace(os.sep, "/")))


def _episode(episode: EpisodeView, cells: Sequence[Sequence[tuple[int, int]]]) -> dict[str, Any]:
    values = values_of(episode)
    steps = values.pop("steps")
    values["row"] = _row(episode.row)
    found = said(values)
    found["steps"] = [
        _step(step, cells[number] if number < len(cells) else ())
        for number, step in enumerate(steps)
    ]
    if episode.other_video is not None:
        for step in found["steps"]:
            step["elsewhere"] = True
    return found


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in _OF_THE_QUESTION}


def _step(step: StepView, cells: Sequence[tuple[int, int]]) -> dict[str, Any]:
    values = values_of(step)
    frames = values.pop("frames")
    found = said(values)
    if frames:
        found["frames"] = [
            [plain(frame.second), *(cells[k] if k < len(cells) else (NO_PICTURE, NO_PICTURE))]
            for k, frame in enumerate(frames)
        ]
    return found
