"""lmms-eval's result files of an entry: `<date>_results.json` and `<date>_samples_<task>.jsonl`.

Written as lmms-eval 0.7.3 writes them (`lmms_eval.loggers.evaluation_tracker`), so that its viewer,
its statistics and scripts for its files take them. A line of samples has what theirs has, and under
`sage_vqa` our whole row, from which `lmms_import` reads it back unchanged:

| key | value |
|---|---|
| `doc_id` | number of the question in the entry; its id is in `sage_vqa` |
| `input` | the question, with its choices lettered |
| `target` | the gold answer |
| `resps`, `filtered_resps` | `[prediction]`; the former is left out, as theirs is when both agree |
| `token_counts` | `[{"input_tokens", "output_tokens"}]`, or `[null]` where unknown |
| `doc_hash` | SHA-256 of the question as JSON |
| `sage_vqa_accuracy` | 1.0 or 0.0; `null` for a failed or not judged one |
| `sage_vqa_failed`, `sage_vqa_unjudged` | flags, so that neither counts as 0 in any mean |
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algos.exchange.played_entry import PlayedEntry, PlayedQuestion
from algos.runs.json_files import item_to_json, json_text
from sage_env.datasets.choice_labels import lettered
from sage_env.datasets.item import QAItem
from sage_env.storage.atomic_file import atomic_write

OWN = "sage_vqa"
"""Key of a sample that holds our row."""
ACCURACY = "sage_vqa_accuracy"
FAILED = "sage_vqa_failed"
UNJUDGED = "sage_vqa_unjudged"
FAILURE = "[sage-vqa failed] "
"""Beginning of an answer's text inside lmms-eval that says why the episode failed instead."""


def write_lmms_samples(entry: PlayedEntry, folder: Path, *, date: str | None = None) -> list[Path]:
    """Write the two files of an entry.

    Args:
        entry: whose questions.
        folder: where to; made if it is missing.
        date: of the files' names, `YYYYMMDD_HHMMSS`; by default when the entry began.

    Returns:
        The paths of the results and of the samples.
    """
    date = date or _date(entry)
    samples = [sample_of(number, question) for number, question in enumerate(entry.questions)]
    results = folder / f"{date}_results.json"
    lines = folder / f"{date}_samples_{entry.dataset}.jsonl"
    folder.mkdir(parents=True, exist_ok=True)
    atomic_write(results, json_text(_results(entry, samples, date)))
    atomic_write(lines, "".join(json.dumps(sample) + "\n" for sample in samples))
    return [results, lines]


def sample_of(number: int, question: PlayedQuestion) -> dict[str, Any]:
    """Return one question as a line of samples; `number` is its `doc_id`."""
    item, row = question.item, question.row
    prediction = row.get("prediction")
    failed, verdict = row.get("error") is not None, row.get("verdict")
    return {
        "doc_id": number,
        "input": question_text(item),
        "target": str(row.get("gold")),
        "filtered_resps": ["" if prediction is None else prediction],
        "token_counts": [_tokens(row)],
        "doc_hash": document_hash(item),
        ACCURACY: None if failed or verdict is None else float(verdict),
        FAILED: failed,
        UNJUDGED: not failed and verdict is None,
        OWN: dict(row),
    }


def question_text(item: QAItem) -> str:
    """Return a question with its choices lettered, one a line."""
    return "\n".join([item.question, *lettered(item.choices)])


def document_hash(item: QAItem) -> str:
    """Return the SHA-256 of a question as JSON, in hexadecimal digits; its video by file name."""
    row = {**item_to_json(item), "video": item.video.name}
    return hashlib.sha256(json.dumps(row, indent=2, default=str).encode()).hexdigest()


def _tokens(row: Mapping[str, Any]) -> dict[str, int] | None:
    """Return what is known of the tokens, as lmms-eval's `TokenCounts` has it."""
    named = {"input_tokens": row.get("prompt_tokens"), "output_tokens": row.get("tokens")}
    return {name: count for name, count in named.items() if count is not None} or None


def _results(entry: PlayedEntry, samples: Sequence[Mapping[str, Any]], date: str) -> dict[str, Any]:
    task = entry.dataset
    scores = [sample[ACCURACY] for sample in samples if sample[ACCURACY] is not None]
    mean = sum(scores) / len(scores) if scores else None
    counts = entry.counts()
    line = {
        "alias": task,
        f"{ACCURACY},none": mean,
        f"{FAILED},none": counts["failed"],
        f"{UNJUDGED},none": counts["unjudged"],
        "samples": len(scores),
    }
    hashes = "".join(f"sample_{k}{sample['doc_hash']}" for k, sample in enumerate(samples))
    return {
        "results": {task: line},
        "configs": {
            task: {"task": task, "output_type": "generate_until", "cluster_key": "video"},
        },
        "versions": {task: None},
        "n-shot": {task: 0},
        "higher_is_better": {task: {ACCURACY: True, FAILED: False, UNJUDGED: False}},
        "n-samples": {task: {"original": len(samples), "effective": len(samples)}},
        "config": {"model": "sage-video-qa", "model_args": entry.policy, "limit": None},
        "usage": _usage(entry),
        "date": date,
        "model_name": entry.policy,
        "model_source": "sage-video-qa",
        "task_hashes": {task: hashlib.sha256(hashes.encode()).hexdigest()},
        OWN: {"settings": dict(entry.settings), "sessions": list(entry.sessions), "counts": counts},
    }


def _usage(entry: PlayedEntry) -> dict[str, Any]:
    """Return the tokens of all questions, in the keys of lmms-eval; `None` where any is unknown."""
    rows = [question.row for question in entry.questions]
    known = {
        "input_tokens": [row.get("prompt_tokens") for row in rows],
        "output_tokens": [row.get("tokens") for row in rows],
    }
    totals = {name: _total(values) for name, values in known.items()}
    return {"total": {**totals, "n_api_calls": None}}


def _total(values: Sequence[int | None]) -> int | None:
    counted = [value for value in values if value is not None]
    return sum(counted) if len(counted) == len(values) else None


def _date(entry: PlayedEntry) -> str:
    started = entry.sessions[0].get("started") if entry.sessions else None
    when = datetime.fromisoformat(started) if started else datetime.now(UTC)
    return when.strftime("%Y%m%d_%H%M%S")
