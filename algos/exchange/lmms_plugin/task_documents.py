"""What the YAML file of a task names: a question as text, messages and a verdict.

A document is our item as JSON. An answer is scored by our rules (`sage_env.datasets`), not by the
first capital letter: as in an environment without a judge, what they cannot decide is wrong. A text
that begins with `FAILURE` is no answer: `agent_model` says so that an episode failed on our side,
and it counts in `sage_vqa_failed` alone.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from algos.exchange.lmms_samples import ACCURACY, FAILED, FAILURE, question_text
from algos.runs.json_files import item_from_json
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import decide_answer

QUESTION = "sage_vqa_question"
"""Key of a sample that says which question it is of: lmms-eval's files have numbers alone."""
ITEM = "sage_vqa_item"
"""Key of a document that holds our item, as a text of JSON: `datasets` would give every item the
keys of all others."""
Document = Mapping[str, Any]


def item_of(doc: Document) -> QAItem:
    """Return the question of a document of ours."""
    return item_from_json(json.loads(doc[ITEM]))


def doc_to_text(doc: Document, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None) -> str:
    """Return the question with its choices lettered, between the model's own prompts."""
    given = lmms_eval_specific_kwargs or {}
    ask = given.get("post_prompt", "")
    return f"{given.get('pre_prompt', '')}{question_text(item_of(doc))}{ask}"


def doc_to_visual(doc: Document) -> list[str]:
    """Return the path of the video."""
    return [str(item_of(doc).video)]


def doc_to_messages(
    doc: Document, lmms_eval_specific_kwargs: Mapping[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Return one user message: the video, then the question."""
    content = [
        {"type": "video", "url": str(item_of(doc).video)},
        {"type": "text", "text": doc_to_text(doc, lmms_eval_specific_kwargs)},
    ]
    return [{"role": "user", "content": content}]


def doc_to_target(doc: Document) -> str:
    """Return the gold answer."""
    return item_of(doc).answer


def process_results(doc: Document, results: Sequence[str]) -> dict[str, Any]:
    """Return the scores of an answer; a failed episode is left out of the accuracy's mean."""
    text, item = results[0], item_of(doc)
    question = {"question_id": item.id, "video": str(item.video)}
    if text.startswith(FAILURE):
        return {QUESTION: question, FAILED: 1.0}
    verdict = decide_answer(item, text).verdict
    score = {"score": float(bool(verdict)), **question}
    return {QUESTION: question, FAILED: 0.0, ACCURACY: score}


def mean_score(scores: Sequence[Mapping[str, Any]]) -> float:
    """Return the mean of the verdicts; lmms-eval clusters its error of it by video."""
    return math.fsum(one["score"] for one in scores) / len(scores)
