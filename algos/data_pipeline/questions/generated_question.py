"""One question that a model wrote, and all that is known of it: a dataclass and a line of JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from algos.runs.dataclass_json import dataclass_from_json
from sage_env.datasets.duration_buckets import bucket_of
from sage_env.datasets.item import QAItem
from sage_env.timeline import Span

Modality = Literal["visual", "verbal", "both"]
"""What one has to perceive for the answer: the pictures, what is said, or both together."""
Difficulty = Literal["easy", "medium", "hard"]
DIGEST = 10
"""Digits of the video's digest with which a question's id begins."""


@dataclass(frozen=True, kw_only=True)
class QuestionSource:
    """Where a question comes from.

    Attributes:
        model: `SERVER/NAME`, as a price list has it.
        prompt: hash of the instructions and the form of the reply.
        reply: id of the reply in `replies.jsonl`.
        position: of the question in that reply, from 0.
    """

    model: str
    prompt: str
    reply: str
    position: int


@dataclass(frozen=True, kw_only=True)
class GeneratedQuestion:
    """A question that was read from a reply, and whose form, times and options are sound.

    Whether it is kept is not said here but by `rejected.jsonl`, see `question_files`: a line that
    was written does not change.

    Attributes:
        id: unique in its folder, made from the video's content, the model and the question's text.
        video: path of the file, relative to the folder of videos, with `/`.
        question: text.
        choices: without letters, in an order that is drawn from the id; `()` for open questions.
        answer: text; one of `choices` where there are any.
        kind: `mcq` or `open`.
        aliases: other texts that count as the answer.
        tolerance: how far a number may be off, in its own unit; `None` for exact and for words.
        modality: what has to be perceived.
        difficulty: as the model that wrote it sees it.
        evidence: spans in seconds that the answer rests on, moved to times of frames.
        duration: of the video, in seconds.
        percent_video_parsed: share of the video, 0 to 100, that has to be looked through.
        rationale: the model's words on it, e.g. why it is hard; for readers, never shown to a
            policy.
        subtitles: path of what is said, relative as `video`; `None` where no such file lies there.
        subtitles_start: see `QAItem`.
        source: where it comes from.
    """

    id: str
    video: str
    question: str
    choices: tuple[str, ...] = ()
    answer: str
    kind: Literal["mcq", "open"]
    aliases: tuple[str, ...] = ()
    tolerance: float | None = None
    modality: Modality
    difficulty: Difficulty
    evidence: tuple[tuple[float, float], ...]
    duration: float
    percent_video_parsed: float
    rationale: Mapping[str, str]
    subtitles: str | None = None
    subtitles_start: float = 0.0
    source: QuestionSource

    def to_json(self) -> dict[str, Any]:
        """Return it as plain JSON data."""
        return asdict(self)

    def item(self, folder: Path) -> QAItem:
        """Return it as a question of a dataset, which is all that a policy plays.

        Args:
            folder: of the videos.
        """
        spans: tuple[Span, ...] = tuple(self.evidence)
        return QAItem(
            id=self.id,
            video=folder / self.video,
            question=self.question,
            choices=self.choices,
            answer=self.answer,
            kind=self.kind,
            evidence=spans,
            duration=self.duration,
            group={
                "modality": self.modality,
                "difficulty": self.difficulty,
                "bucket": bucket_of(self.duration),
                "generator": self.source.model,
            },
            tolerance=self.tolerance,
            aliases=self.aliases,
            subtitles=None if self.subtitles is None else folder / self.subtitles,
            subtitles_start=self.subtitles_start,
        )


def question_id(digest: str, request: str, position: int) -> str:
    """Return the id of a question.

    Args:
        digest: of the video's content.
        request: id of the request that it was written for.
        position: in the reply, from 0.
    """
    return f"{digest[:DIGEST]}-{request}-{position:02d}"


def question_from_json(row: Mapping[str, Any]) -> GeneratedQuestion:
    """Read what `GeneratedQuestion.to_json` returned.

    Raises:
        ValueError: if a value is missing, not known, or of another type; the message names it.
    """
    return dataclass_from_json(GeneratedQuestion, row)
