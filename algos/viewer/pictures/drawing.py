"""The pictures of all questions of a page, one question after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from algos.viewer.pictures.page_pictures import NO_PICTURE, Pictures, PictureSettings
from algos.viewer.view_data import QuestionView

LICENCE = "The licence of the dataset does not let frames be put into a page."


def draw_pictures(
    questions: Iterable[QuestionView], settings: PictureSettings
) -> Iterator[tuple[str, Pictures]]:
    """Yield id and pictures of each question, in the order in which they come.

    Whatever is wrong with a video is said in `Pictures.missing`, and is no exception.

    Args:
        questions: those with details on the page, the most telling first.
        settings: how large the pictures may be.
    """
    for question in questions:
        yield question.id, _without(question, LICENCE if not question.pictures else "")


def _without(question: QuestionView, missing: str) -> Pictures:
    """Return that there is no picture of a question, and why."""
    cells = [
        [[(NO_PICTURE, NO_PICTURE)] * len(step.frames) for step in episode.steps]
        for episode in question.episodes
    ]
    return Pictures(None, (0, 0), 0, cells, missing)
