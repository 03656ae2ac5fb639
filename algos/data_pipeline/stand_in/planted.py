"""The errors that the stand-in makes on purpose, and its own record of where it made them.

The record is for reports alone: no check may read it. `Planted.id` is the id of the same question
in the folder of whoever asked, kept or rejected.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.generated_question import question_id
from algos.runs.append_log import LogError, read_log
from algos.runs.dataclass_json import dataclass_from_json

OF_QUESTIONS: Mapping[str, str] = {
    "wrong_answer": "the answer is not what the video shows",
    "wrong_times": "the evidence is elsewhere in the video",
    "times_past_end": "the evidence ends after the video",
    "times_reversed": "the evidence ends before it begins",
    "whole_video": "the evidence is the whole video",
    "answer_not_in_options": "the answer is none of the options",
    "same_options": "an option stands there twice",
    "gives_itself_away": "the question says its own answer",
    "long_answer": "the right option is told by its length",
    "near_duplicate": "another question, asked in other words",
    "exact_duplicate": "another question, word for word",
    "injected": "the question holds an order to whoever answers it",
    "missing_field": "a field of the form is not there",
}
"""What can be wrong with one question; at most one of them is."""
OF_REPLIES: Mapping[str, str] = {
    "malformed": "the reply is no JSON",
    "truncated": "the reply ends at its length, in the middle",
    "blocked": "the prompt is blocked",
    "withheld": "the reply is withheld for safety",
    "refusal": "the model declines in words",
}
"""What can be wrong with a whole reply about a video; at most one of them is."""
OF_REQUESTS: Mapping[str, str] = {
    "busy_with_delay": "429, with the time to wait",
    "busy": "429, without it",
    "failed": "500",
    "cut": "the connection ends inside the reply",
    "silent": "no reply within the time-out",
}
"""What can happen to a request before it is answered; it is answered when it is sent again."""


@dataclass(frozen=True, kw_only=True)
class Planted:
    """One question as the stand-in wrote it.

    Attributes:
        video: names the content of the file, see `content_digest` of `questions`.
        request: id of the request that it was written for, as the client named it.
        position: in the reply, from 0.
        question: its text.
        truth: id of the question of the known dataset that it is made from.
        error: what was done to it, a key of `OF_QUESTIONS`; empty for a good one.
        details: what stood there before.
    """

    video: str
    request: str
    position: int
    question: str
    truth: str
    error: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """Return the id that the question has in the folder of the client."""
        return question_id(self.video, self.request, self.position)


def planted_questions(path: Path) -> list[Planted]:
    """Return the stand-in's record of questions, good ones included.

    Raises:
        LogError: if a line is none; names it.
    """
    rows = []
    for number, row in enumerate(read_log(path), 1):
        try:
            rows.append(dataclass_from_json(Planted, row))
        except ValueError as error:
            raise LogError(f"{path}, line {number}: {error}") from error
    return rows
