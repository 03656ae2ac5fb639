"""What is said in the videos of questions: subtitles, or speech that is recognised once.

`said.jsonl` keeps what was recognised, a line for each video: a check that goes on asks with the
same words, whatever a recogniser would hear the next time.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeAlias

from algos.data_pipeline.questions.generated_question import GeneratedQuestion
from algos.runs.append_log import AppendLog, LogError, read_log
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError
from sage_env.subtitles.line import Line
from sage_env.subtitles.reading import subtitles_of

SAID = "said.jsonl"
"""Name of the file in the folder of the questions."""
Said: TypeAlias = Mapping[str, tuple[Line, ...] | None]
"""What is said, by the name of the video; `None` where that is not known."""


def said_in_videos(folder: Path, questions: Sequence[GeneratedQuestion], root: Path) -> Said:
    """Return what is said in the videos of questions, as far as it is known by now.

    Args:
        folder: of the questions.
        questions: about the videos.
        root: folder of the videos.

    Raises:
        LogError: if what was recognised cannot be read.
    """
    heard = _heard(folder)
    return {
        video: _written(one.item(root)) if one.subtitles is not None else heard.get(video)
        for video, one in _by_video(questions).items()
    }


def listen(folder: Path, questions: Sequence[GeneratedQuestion], root: Path) -> None:
    """Recognise what is said where a question is about it and nothing is written down; keep it.

    Args:
        folder: of the questions; no one else may write there meanwhile.
        questions: about the videos.
        root: folder of the videos. One that cannot be listened to is warned about.

    Raises:
        LogError: if it cannot be written.
    """
    heard = _heard(folder)
    spoken = [one for one in questions if one.modality != "visual" and one.subtitles is None]
    waiting = {v: one for v, one in _by_video(spoken).items() if v not in heard}
    if not waiting:
        return
    from sage_env.tools.speech.hearing import Hearing, speech_between

    with closing(AppendLog(folder / SAID)) as log:
        for video, one in waiting.items():
            try:
                lines = speech_between(root / video, 0.0, one.duration, Hearing()).lines
            except SageEnvError as error:
                warnings.warn(f"{video} cannot be listened to: {error}", stacklevel=2)
            else:
                log.append({"video": video, "lines": [list(line) for line in lines]})


def _by_video(questions: Sequence[GeneratedQuestion]) -> dict[str, GeneratedQuestion]:
    found: dict[str, GeneratedQuestion] = {}
    for one in questions:
        found.setdefault(one.video, one)
    return found


def _written(item: QAItem) -> tuple[Line, ...] | None:
    try:
        return subtitles_of(item)
    except SageEnvError:  # what is said is not known, and the question stays unchecked for it
        return None


def _heard(folder: Path) -> dict[str, tuple[Line, ...]]:
    path = folder / SAID
    try:
        return {
            row["video"]: tuple(Line(float(a), float(b), str(text)) for a, b, text in row["lines"])
            for row in read_log(path)
        }
    except (KeyError, TypeError, ValueError) as error:
        raise LogError(f"{path} holds a line that is not of it: {error!r}") from error
