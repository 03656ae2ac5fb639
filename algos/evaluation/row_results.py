"""What measures are made of: the result of one question, read from its row in `samples.jsonl`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from sage_env.timeline import Span

SPENT = (
    "frames_decoded",
    "frames",
    "frames_unique",
    "visual_tokens",
    "visual_tokens_billed",
    "prompt_tokens",
    "cached_tokens",
    "tokens",
    "thought_tokens",
    "turns",
    "invalid_actions",
    "replies",
    "retries",
    "seconds",
    "cost",
)
"""Keys of a row that say what a question cost, in the order of tables."""
Belief: TypeAlias = tuple[float, ...]
"""Probabilities of the choices of a question, in their order."""


@dataclass(frozen=True, slots=True)
class EpisodeResult:
    """The outcome of one question: the verdict on its answer, and what it cost.

    Attributes:
        item_id: of the question.
        video: what intervals are clustered by.
        duration: seconds; `None` when neither the item nor the file said.
        group: the item's report keys; one with several values as `sage_env.datasets.report_keys`
            joins them.
        correct: the verdict; `None` when the answer was not judged or the episode failed.
        frames: frames shown, the overview included; `None` for a policy that saw the whole video.
        turns: turns played.
        evidence_seen: whether a shown frame lay inside an evidence span; `None` without evidence,
            and where frames are not counted.
        error: why the episode failed on our side.
        missing: whether it ended without an answer, which counts as a wrong one.
        kind: `mcq`, `open` or `ground`.
        choices: how many choices there are; 0 for an open question.
        gold_choice: number of the right one, from 0.
        evidence: gold spans in seconds.
        evidence_recall: share of gold spans with a shown frame.
        evidence_precision: share of shown frames in a gold span.
        hit_turn: first turn with a frame in a gold span, 0 for the overview; `None` without one.
        answer_spans: the spans that the answer claims; `None` without any that can be read.
        beliefs: per turn, the probabilities of the choices before its action; `None` for a turn
            without, and for a policy that tells none.
        spent: what it cost, by the names of `SPENT`; what is not known is not there.
        stages: seconds that it waited, by stage; empty where they were not measured.
        tool_calls: how many calls of tools had which outcome.
    """

    item_id: str
    video: str
    duration: float | None
    group: Mapping[str, str]
    correct: bool | None
    frames: int | None
    turns: int
    evidence_seen: bool | None
    error: str | None
    missing: bool = False
    kind: str = "open"
    choices: int = 0
    gold_choice: int | None = None
    evidence: tuple[Span, ...] = ()
    evidence_recall: float | None = None
    evidence_precision: float | None = None
    hit_turn: int | None = None
    answer_spans: tuple[Span, ...] | None = None
    beliefs: tuple[Belief | None, ...] | None = None
    spent: Mapping[str, float] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    tool_calls: Mapping[str, int] = field(default_factory=dict)

    @property
    def chance(self) -> float | None:
        """Return the expected accuracy of a random choice; `None` without choices."""
        return 1 / self.choices if self.choices else None


def result_of_row(row: Mapping[str, Any]) -> EpisodeResult:
    """Return what a row of `samples.jsonl` says; keys that older rows lack are not known.

    Raises:
        KeyError: if one of the keys that every version wrote is missing.
    """
    recall = row.get("evidence_recall")
    silent = row["prediction"] is None or row.get("stop_reason") == "out_of_turns"
    claimed, beliefs = row.get("answer_spans"), row.get("beliefs")
    return EpisodeResult(
        item_id=row["id"],
        video=row["video"],
        duration=row.get("duration"),
        group=row["group"],
        correct=row["verdict"],
        frames=row["frames"],
        turns=row["turns"],
        evidence_seen=None if recall is None else recall > 0,
        error=row["error"],
        missing=silent and row["verdict"] is False,
        kind=row.get("kind", "open"),
        choices=row.get("choices", 0),
        gold_choice=row.get("gold_choice"),
        evidence=_spans(row.get("evidence") or ()),
        evidence_recall=recall,
        evidence_precision=row.get("evidence_precision"),
        hit_turn=row.get("evidence_hit_turn"),
        answer_spans=None if claimed is None else _spans(claimed),
        spent={key: value for key in SPENT if (value := row.get(key)) is not None},
        stages=row.get("seconds_by_stage") or {},
        tool_calls=row.get("tool_calls") or {},
        beliefs=beliefs and tuple(None if b is None else tuple(b) for b in beliefs),
    )


def _spans(pairs: Sequence[Sequence[float]]) -> tuple[Span, ...]:
    return tuple((pair[0], pair[1]) for pair in pairs)
