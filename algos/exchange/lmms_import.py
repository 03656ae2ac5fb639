"""lmms-eval's sample files as questions with predictions; ours come back as they were.

| a sample has | becomes |
|---|---|
| `sage_vqa` | the row as it is: the file was written by `lmms_samples` |
| `doc_id`; `question_id`, `qid`, `id` or `key` beside the scores | the question's id, the latter \
first |
| `input` | the question |
| `target` | the gold answer |
| `filtered_resps` | the prediction, the first of several; an empty one is no answer |
| `judge_failed` | an answer that was not judged |
| a text of our model that begins with `FAILURE` | a failed question |
| a score of 0 or 1, or the pair `pred_answer` and `answer` | the verdict |
| any other score, such as 0.5 | not judged: no rule of ours makes it right or wrong |

A metric of the file can be named; otherwise it is the only one that decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.exchange.foreign_rows import UNKNOWN_VIDEO, ForeignQuestion
from algos.exchange.lmms_samples import FAILED, FAILURE, OWN, UNJUDGED
from algos.exchange.played_entry import ExchangeError
from algos.runs.append_log import read_log
from sage_env.datasets.item import QAItem

_NO_METRIC = {
    "doc_id", "doc", "input", "target", "resps", "filtered_resps", "token_counts", "doc_hash",
    "input_media", "arguments", "judge_failed", OWN, FAILED, UNJUDGED,
}  # fmt: skip
_IDS = ("question_id", "qid", "id", "key")
_VIDEOS = ("video", "video_id", "videoID", "video_uid")


def read_lmms_samples(path: Path, *, metric: str | None = None) -> list[ForeignQuestion]:
    """Read a file of samples.

    Args:
        path: `<date>_samples_<task>.jsonl`.
        metric: the key that decides; by default the only one that can.

    Raises:
        ExchangeError: if it holds something else, or several metrics differ; names the line.
        LogError: if it is not JSON lines.
    """
    rows = read_log(path)
    if not rows:
        raise ExchangeError(f"{path} holds no sample: expected a line of JSON for each question")
    return [
        sample_question(row, f"{path}, line {number}", metric) for number, row in enumerate(rows, 1)
    ]


def is_lmms_sample(row: Any) -> bool:
    """Return whether a row is a sample of lmms-eval."""
    return isinstance(row, Mapping) and {"doc_id", "filtered_resps"} <= row.keys()


def sample_question(row: Any, place: str, metric: str | None = None) -> ForeignQuestion:
    """Return one sample as a question with its prediction.

    Args:
        row: of the file.
        place: of the row, for messages.
        metric: the key that decides; by default the only one that can.

    Raises:
        ExchangeError: if it is none, or several metrics differ.
    """
    if not is_lmms_sample(row):
        raise ExchangeError(
            f"{place} is no sample of lmms-eval: expected doc_id and filtered_resps"
        )
    if OWN in row:
        return _own(row[OWN], place)
    scores = {key: value for key, value in row.items() if key not in _NO_METRIC}
    told = [value for value in (row.get("doc"), *scores.values()) if isinstance(value, Mapping)]
    item = QAItem(
        id=str(_first(told, _IDS, row["doc_id"])),
        video=Path(str(_first(told, _VIDEOS, UNKNOWN_VIDEO))),
        question=_text(row.get("input")) or f"question {row['doc_id']}",
        answer=_text(row.get("target")),
    )
    prediction = _text(row["filtered_resps"]) or None
    if prediction is not None and prediction.startswith(FAILURE):
        return ForeignQuestion(item, None, None, prediction.removeprefix(FAILURE))
    judged = not row.get("judge_failed")
    verdict = _verdict(place, scores, metric) if judged and prediction is not None else None
    counts = row.get("token_counts") or [None]
    tokens = counts[0] if isinstance(counts[0], Mapping) else {}
    known = {
        "tokens": tokens.get("output_tokens"),
        "prompt_tokens": tokens.get("input_tokens"),
    }
    return ForeignQuestion(item, prediction, verdict, known=known)


def _own(row: Mapping[str, Any], place: str) -> ForeignQuestion:
    """Return the question of our own row; what it knows stands above what is made of it."""
    try:
        item = QAItem(
            id=row["id"],
            video=Path(row["video"]),
            question=row["question"],
            answer=row["gold"],
            duration=row.get("duration"),
            group=dict(row["group"]),
        )
        return ForeignQuestion(item, row["prediction"], row["verdict"], row["error"], known=row)
    except (KeyError, TypeError) as error:
        raise ExchangeError(f"{place}: {OWN} is not a row of an evaluation: {error!r}") from error


def _verdict(place: str, scores: Mapping[str, Any], metric: str | None) -> bool | None:
    """Return what the named score says, else what all those say that can."""
    if metric is not None:
        if metric not in scores:
            raise ExchangeError(
                f"{place} has no metric {metric!r}: name one of {', '.join(scores) or 'none'}"
            )
        return _said(scores[metric])
    verdicts = {key: _said(value) for key, value in scores.items()}
    found = {key: verdict for key, verdict in verdicts.items() if verdict is not None}
    if len(set(found.values())) > 1:
        raise ExchangeError(
            f"{place}: its metrics differ ({', '.join(found)}): name the one that decides with "
            "--metric"
        )
    return next(iter(found.values()), None)


def _said(score: Any) -> bool | None:
    """Return whether a score says right or wrong; `None` for one that says neither."""
    if isinstance(score, Mapping):
        if {"pred_answer", "answer"} <= score.keys():
            return bool(score["pred_answer"] == score["answer"])
        return _said(score.get("score"))
    if isinstance(score, bool):
        return score
    if isinstance(score, int | float) and score in (0, 1):
        return bool(score)
    return None


def _first(told: Sequence[Mapping[str, Any]], keys: Sequence[str], default: Any) -> Any:
    found = (one[key] for key in keys for one in told if one.get(key) is not None)
    return next(found, default)


def _text(value: Any) -> str:
    """Return a text, also of a list, whose first element counts."""
    while isinstance(value, list):
        value = value[0] if value else ""
    return "" if value is None else str(value)
