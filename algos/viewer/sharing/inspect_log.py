"""A run as a log of inspect_ai: one JSON file (version 2), which `inspect view` opens.

| theirs | is |
|---|---|
| a sample | a question as one entry played it |
| score `verdict` | `C` for right, `I` for wrong, `N` for no answer; none where it was not judged |
| `error` of a sample | why it failed on our side: then it has no score |
| `metadata` of a sample | video, length, evidence, groups and the measures of its row |

The package inspect_ai 0.3.285 read what is written here; it is not needed to write it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from algos.viewer.sharing.inspect_messages import messages_of, row_metadata
from algos.viewer.view_data import EntryView, EpisodeView, QuestionView, RunView
from sage_env.datasets.choice_labels import lettered
from sage_env.errors import SageEnvError
from sage_env.release import __version__
from sage_env.storage.atomic_file import atomic_path

SCORE = "verdict"


class SharingError(SageEnvError):
    """A run cannot be written in another format; the message says what to give."""


def write_inspect_log(run: RunView, path: Path, *, entry: str | None = None) -> int:
    """Write one entry of a run as a log of inspect_ai.

    Args:
        run: the run.
        path: of the log; its name should end in `.json`.
        entry: key of the entry; by default the one that is shown first.

    Returns:
        The number of samples.

    Raises:
        SharingError: if the run has no such entry.
    """
    key = run.shown if entry is None else entry
    chosen = next((one for one in run.entries if one.key == key), None)
    if chosen is None:
        known = ", ".join(one.key for one in run.entries)
        raise SharingError(f"the run has the entries {known}: name one of them, got {key!r}")
    path.parent.mkdir(parents=True, exist_ok=True)
    scored: list[bool] = []
    count = completed = 0
    with atomic_path(path) as partial, partial.open("w", encoding="utf-8") as file:
        head = _header(run, chosen)
        file.write(_json(head)[:-1] + ', "samples": [')
        for sample in _samples(run, chosen):
            file.write(",\n" * (count > 0) + _json(sample))
            count += 1
            completed += sample["error"] is None
            value = sample["scores"].get(SCORE, {}).get("value")
            scored += [value == "C"] * (value is not None)
        results = {"results": _results(count, completed, scored)}
        file.write("],\n" + _json(results)[1:] + "\n")
    return count


def _header(run: RunView, entry: EntryView) -> dict[str, Any]:
    created = datetime.now(UTC).isoformat(timespec="seconds")
    return {
        "version": 2,
        "status": "success",
        "eval": {
            "created": created,
            "task": run.title or "run",
            "dataset": {"name": run.about.get("dataset"), "samples": len(run.order)},
            "model": entry.told.get("policy") or entry.title or entry.key,
            "config": {},
            "packages": {"sage-video-qa": __version__},
            "metadata": {"about": dict(run.about), "entry": entry.key, **entry.told},
        },
        "plan": {"name": "plan", "steps": [], "config": {}},
        "stats": {"started_at": created, "completed_at": created, "model_usage": {}},
    }


def _samples(run: RunView, entry: EntryView) -> Iterator[dict[str, Any]]:
    for name in run.order:
        question = run.question(name)
        for episode in question.episodes:
            if episode.entry == entry.key:
                yield sample_of(question, episode, entry)


def sample_of(question: QuestionView, episode: EpisodeView, entry: EntryView) -> dict[str, Any]:
    """Return a question as one entry played it as a sample."""
    messages = messages_of(question, episode)
    answer = "" if episode.prediction is None else episode.prediction
    last = {"role": "assistant", "content": answer, "source": "generate"}
    choice = {"message": last, "stop_reason": "stop"}
    error = episode.error
    failed = {"message": error, "traceback": "", "traceback_ansi": ""}
    return {
        "id": question.id,
        "epoch": 1,
        "input": "\n".join([question.question, *lettered(question.choices)]),
        "choices": list(question.choices) or None,
        "target": question.gold or "",
        "messages": messages,
        "output": {"model": entry.title or entry.key, "choices": [choice], "completion": answer},
        "scores": _scores(episode),
        "metadata": _metadata(question, episode),
        "total_time": episode.row.get("seconds"),
        "error": None if error is None else failed,
    }


def _scores(episode: EpisodeView) -> dict[str, Any]:
    """Return the verdict as a score; none where nobody judged, or our side failed."""
    if episode.verdict is None or episode.error is not None:
        return {}
    value = "C" if episode.verdict else "I" if episode.prediction is not None else "N"
    return {
        SCORE: {
            "value": value,
            "answer": episode.prediction,
            "explanation": episode.judge_words or episode.rule,
        }
    }


def _metadata(question: QuestionView, episode: EpisodeView) -> dict[str, Any]:
    known = {
        "video": None if question.video is None else question.video.name,
        "duration": question.duration,
        "evidence": [list(span) for span in question.evidence] or None,
        "group": dict(question.group) or None,
        "rule": episode.rule,
        "stop_reason": episode.stop_reason,
        **row_metadata(episode.row),
    }
    return {key: value for key, value in known.items() if value is not None}


def _results(count: int, completed: int, scored: list[bool]) -> dict[str, Any]:
    accuracy = {"name": "accuracy", "value": sum(scored) / len(scored)} if scored else None
    return {
        "total_samples": count,
        "completed_samples": completed,
        "scores": [
            {
                "name": SCORE,
                "scorer": SCORE,
                "scored_samples": len(scored),
                "unscored_samples": count - len(scored),
                "metrics": {} if accuracy is None else {"accuracy": accuracy},
            }
        ],
    }


def _json(value: Mapping[str, Any]) -> str:
    """Return JSON that any reader takes: no NaN, and no half of a surrogate pair."""
    try:
        told = json.dumps(value, default=str, allow_nan=False, ensure_ascii=False)
    except ValueError:
        told = json.dumps(_finite(value), default=str, ensure_ascii=False)
    return told.encode(errors="replace").decode()


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and value - value != 0 else value
