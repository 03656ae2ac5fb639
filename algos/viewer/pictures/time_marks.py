"""What a video's time axis shows of the video itself: where scenes are cut, and what is said."""

from __future__ import annotations

from collections.abc import Sequence

from algos.viewer.view_data import QuestionView

Spoken = tuple[float, float, str]
"""Start and end in seconds, and what is said."""


def marks(question: QuestionView) -> tuple[Sequence[float] | None, Sequence[Spoken]]:
    """Return the scene cuts of a question's video, and what is said in it.

    Returns:
        Seconds of the first frame of each scene but the first; `None` where that was not measured.
        And lines of the subtitles in order of time, bounded in number and length.
    """
    return None, ()
