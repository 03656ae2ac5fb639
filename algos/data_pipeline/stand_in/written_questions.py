"""What the stand-in writes about a video: good questions, and errors at the rates that are set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from algos.data_pipeline.stand_in.error_rates import ErrorRates
from algos.data_pipeline.stand_in.known_videos import KnownVideo
from algos.data_pipeline.stand_in.planted import Planted
from algos.data_pipeline.stand_in.spoiling import LATER, Draft, clock_of, spoiled
from algos.seeds import subseed
from sage_env.datasets.item import QAItem
from sage_env.timeline import Span

_DIFFICULTY = {"glance": "easy", "needle": "medium", "when": "medium"}
_HEARD = {"spoken": "verbal"}
_REWORDED = (
    ("stays", "rests"),
    ("flashes", "blinks"),
    ("flash", "blink"),
    ("is shown", "comes"),
    ("comes", "is shown"),
    ("rests", "stays"),
    ("blinks", "flashes"),
    ("blink", "flash"),
)


@dataclass(frozen=True)
class Written:
    """A reply about a video, and the private record of it."""

    reply: Mapping[str, Any]
    planted: tuple[Planted, ...]


def write_questions(
    video: KnownVideo, request: str, rates: ErrorRates, answers: Mapping[str, Sequence[str]]
) -> Written:
    """Return a reply with questions about a video.

    The same video and rates give the same reply; what is wrong with a question depends on the
    question, and not on where it stands.

    Args:
        video: to ask about.
        request: id of the request, for the record.
        rates: of errors.
        answers: that there are, by family: what a wrong one is drawn from.
    """
    drafts: list[Draft] = []
    for item in video.items:
        error = rates.of_question(video.digest, item.id)
        draft = Draft(item.id, _good(item, video.duration))
        if error in LATER:
            drafts += [draft, _again(draft, error)]
            continue
        rng = _rng(rates.seed, video.digest, item.id)
        others = tuple(a for a in answers.get(_family(item), ()) if a != item.answer)
        drafts.append(spoiled(draft, error, video.duration, others, rng) if error else draft)
    order = _rng(rates.seed, video.digest, "order").permutation(len(drafts))
    drafts = [drafts[int(place)] for place in order]
    facts = [f"The video lasts {clock_of(video.duration)}."]
    facts += [f"From {clock_of(s)} to {clock_of(e)} something is shown." for s, e in _spans(video)]
    planted = tuple(
        Planted(
            video=video.content,
            request=request,
            position=position,
            question=str(draft.row.get("question", "")),
            truth=draft.truth,
            error=draft.error,
            details=draft.details,
        )
        for position, draft in enumerate(drafts)
    )
    return Written({"facts": facts, "questions": [draft.row for draft in drafts]}, planted)


def _good(item: QAItem, duration: float) -> dict[str, Any]:
    """Return a question as a careful model would write it."""
    start = min((span[0] for span in item.evidence), default=0.0)
    end = max((span[1] for span in item.evidence), default=duration)
    family = _family(item)
    return {
        "question": item.question,
        "type": "mcq" if item.choices else "open",
        "options": list(item.choices),
        "answer": item.answer,
        "other_answers": list(item.aliases),
        "answer_tolerance": item.tolerance,
        "modality": _modality(item),
        "modality_reason": f"the {family or 'answer'} is in the {_where(item)}",
        "difficulty": _DIFFICULTY.get(family, "hard"),
        "difficulty_reason": "what is asked for is on screen for a part of the video only",
        "evidence": [{"start": clock_of(s), "end": clock_of(e)} for s, e in item.evidence],
        "percent_video_parsed": round(100 * (end - start) / duration, 1),
    }


def _again(draft: Draft, error: str) -> Draft:
    """Return a question once more: word for word, or in other words."""
    row = dict(draft.row)
    if error == "near_duplicate":
        text = str(row["question"])
        for old, new in _REWORDED:
            if f" {old} " in text:
                text = text.replace(f" {old} ", f" {new} ")
                break
        else:
            text = f"In this video: {text[0].lower()}{text[1:]}"
        row["question"] = text
    return Draft(draft.truth, row, error, {"of": draft.row["question"]})


def _spans(video: KnownVideo) -> list[Span]:
    return sorted({span for item in video.items for span in item.evidence})


def _where(item: QAItem) -> str:
    return "sound" if _modality(item) == "verbal" else "picture"


def _modality(item: QAItem) -> str:
    return item.group.get("modality", _HEARD.get(_family(item), "visual"))


def _family(item: QAItem) -> str:
    return item.group.get("family", "")


def _rng(seed: int, *path: int | str) -> np.random.Generator:
    return np.random.default_rng(subseed(seed, "stand-in-text", *path))
