"""SAGE's released evaluations: traces (`.jsonl`), judged results (`.json`), or both of one model.

The files are those of `results/` in github.com/allenai/SAGE, and what its evaluator writes today.

| theirs | becomes |
|---|---|
| `path` or `video_path` | the video |
| `id`, or the MD5 of question, bar and path, as its evaluator makes it | the id |
| `question` of `mcq` | question and choices, where they can be told apart |
| `full_answer` | the gold answer; `correct_answer` (a letter, or null) is not needed |
| `answer` | the prediction; `null` is no answer, a list its text |
| `answer` that begins with `Could not produce an answer` | a failed question: they gave up |
| `is_correct` | the verdict; `false` without `evaluation_reasoning` is how an outage of the judge \
is written: not judged |
| `evaluation_reasoning` | `judge_words` of the row |
| `complete_results` | the episode: `context_vlm`, then `search_llm` or `iterative_reasoner` |
| `tool_call_types` | `tool_calls` of the row, where there is no trace to count |
| `num_attempts`, `time_taken` | `attempts`, `seconds`; unknown where the file is older |
| `ques_type` (`open-ended` or `open_ended`), `difficulty`, `modality` | groups |
| `duration` | of the video, in seconds |
| `reasoning_steps` | nothing: a reference that the model has not written |

Which frames were shown, tokens and cost are in none of the files: unknown.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.exchange.foreign_rows import ForeignQuestion, ForeignStep
from algos.exchange.played_entry import ExchangeError
from algos.exchange.sage_calls import action_of_call, bare_tool
from algos.runs.append_log import read_log
from algos.runs.json_files import read_json
from sage_env.datasets.item import QAItem
from sage_env.datasets.native.option_text import gold_option, split_question
from sage_env.errors import DatasetError

GAVE_UP = "could not produce an answer"
_STAGES = ("search_llm", "iterative_reasoner")
_NEEDED = ("question", "answer", "full_answer")
_GROUPS = ("ques_type", "difficulty", "modality")


def read_sage_results(paths: Sequence[Path]) -> list[ForeignQuestion]:
    """Read the files of one model, and return its questions in the order of the first file.

    Args:
        paths: traces, judged results, or both; of a question that stands in several, each file
            adds what the others do not say.

    Raises:
        ExchangeError: if a file holds something else; names the place.
    """
    records: dict[str, dict[str, Any]] = {}
    for path in paths:
        for place, record in _records(path):
            key = _id(record)
            known = {name: value for name, value in record.items() if value is not None}
            if key in records:
                _require_same_answer(place, records[key], record)
            records[key] = {**record, **records.get(key, {}), **known}
    return [sage_question(record, key) for key, record in records.items()]


def _records(path: Path) -> list[tuple[str, dict[str, Any]]]:
    if path.suffix == ".jsonl":
        rows = read_log(path)
    else:
        rows = read_json(path)
        if not isinstance(rows, list):
            raise ExchangeError(f"{path} is no list of results: expected a file of SAGE's results/")
    numbered = [(f"{path}, record {number}", row) for number, row in enumerate(rows, 1)]
    for place, row in numbered:
        if not is_sage_result(row):
            raise ExchangeError(
                f"{place} is no result of SAGE: expected {', '.join(_NEEDED)} and path or "
                "video_path"
            )
    return numbered


def _video(record: Mapping[str, Any]) -> str:
    return str(record.get("path") or record["video_path"])


def _id(record: Mapping[str, Any]) -> str:
    """Return the id that their evaluator gives the question; the judged results leave it out."""
    told = f"{record['question']}|{_video(record)}"
    return str(record.get("id") or hashlib.md5(told.encode(), usedforsecurity=False).hexdigest())


def _require_same_answer(place: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    if before["answer"] != now["answer"]:
        raise ExchangeError(
            f"{place} answers {now['answer']!r:.60}, and the record before it "
            f"{before['answer']!r:.60}: give the files of one evaluation"
        )


def is_sage_result(row: Any) -> bool:
    """Return whether a row is one question of SAGE's traces or judged results."""
    if not isinstance(row, Mapping) or any(key not in row for key in _NEEDED):
        return False
    return bool(row.get("path") or row.get("video_path"))


def sage_question(record: Mapping[str, Any], key: str | None = None) -> ForeignQuestion:
    """Return one question of theirs.

    Args:
        record: a row that `is_sage_result`.
        key: its id; by default that which their evaluator gives it.
    """
    key = _id(record) if key is None else key
    answer = record["answer"]
    prediction = answer if answer is None or isinstance(answer, str) else str(answer)
    gave_up = prediction is not None and prediction.casefold().startswith(GAVE_UP)
    asked, choices, gold = _asked(record)
    item = QAItem(
        id=key,
        video=Path(_video(record)),
        question=asked,
        choices=choices,
        answer=gold,
        kind="mcq" if choices else "open",
        duration=_number(record.get("duration")),
        group={
            name: str(record[name]).replace("-", "_") if name == "ques_type" else str(record[name])
            for name in _GROUPS
            if record.get(name) is not None
        },
    )
    steps, said = _trace(record.get("complete_results"))
    calls = Counter(bare_tool(name) for name, _ in _calls(record.get("complete_results")))
    counted = _traced(record) or record.get("tool_call_types") is not None
    tools = dict(calls) if _traced(record) else record.get("tool_call_types")
    known = {
        "tool_calls": tools if counted else None,
        "attempts": record.get("num_attempts"),
        "seconds": _number(record.get("time_taken")),
        "judge_words": record.get("evaluation_reasoning"),
    }
    if not _traced(record) and counted:
        known["turns"] = sum((tools or {}).values()) + (prediction is not None and not gave_up)
    if gave_up:
        return ForeignQuestion(item, None, None, prediction, steps=steps, known=known)
    return ForeignQuestion(item, prediction, _verdict(record), None, said, steps, known)


def _asked(record: Mapping[str, Any]) -> tuple[str, tuple[str, ...], str]:
    """Return question, choices and gold answer; where these do not fit, all as an open question."""
    asked, gold = str(record["question"]), str(record["full_answer"])
    if record.get("ques_type") != "mcq":
        return asked, (), gold
    question, choices = split_question(asked)
    try:
        return question, choices, gold_option(choices, gold)
    except DatasetError:
        return asked, (), gold


def _verdict(record: Mapping[str, Any]) -> bool | None:
    """Return the judge's verdict; an outage of the judge stands there as `false` without reason."""
    verdict = record.get("is_correct")
    if verdict is False and not record.get("evaluation_reasoning"):
        return None
    return verdict if isinstance(verdict, bool) else None


def _traced(record: Mapping[str, Any]) -> bool:
    return bool(record.get("complete_results"))


def _trace(results: Any) -> tuple[list[ForeignStep], str]:
    """Return the steps before the answer, and the reply that gives it."""
    attempt = _last_attempt(results)
    first = (attempt.get("context_vlm") or [{}])[-1]
    said = _reply(first)
    steps: list[ForeignStep] = []
    for stage in _later_stages(attempt):
        for name, call in _stage_calls(stage):
            action = action_of_call(name, call.get("arguments", {}))
            steps.append(ForeignStep(action, said, _dumped(call.get("result"))))
        said = _reply(stage) or said
    return steps, said


def _calls(results: Any) -> list[tuple[str, Mapping[str, Any]]]:
    stages = _later_stages(_last_attempt(results))
    return [call for stage in stages for call in _stage_calls(stage)]


def _last_attempt(results: Any) -> Mapping[str, Any]:
    """Return the attempt that gave the answer: some files list them all."""
    if isinstance(results, list):
        results = results[-1] if results else None
    return results if isinstance(results, Mapping) else {}


def _later_stages(attempt: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    found: Any = next((attempt[name] for name in _STAGES if attempt.get(name)), [])
    return [stage for stage in found if isinstance(stage, Mapping)]


def _stage_calls(stage: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Return the calls of a stage with their names, from a mapping, a list, or names alone."""
    calls = stage.get("tool_calls") or {}
    if isinstance(calls, Mapping):
        pairs = list(calls.items())
    else:
        listed = [call if isinstance(call, Mapping) else {"name": call} for call in calls]
        pairs = [(call.get("name", "unknown"), call) for call in listed]
    return [(str(name), call if isinstance(call, Mapping) else {}) for name, call in pairs]


def _reply(stage: Any) -> str:
    """Return what the model wrote in a stage, as JSON."""
    values = stage.values() if isinstance(stage, Mapping) else ()
    keys = {"final_answer", "recommended_tools"}
    reply = next((v for v in values if isinstance(v, Mapping) and keys & v.keys()), None)
    return "" if reply is None else _dumped(reply)


def _dumped(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def _number(value: Any) -> float | None:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e9
    return float(value) if good else None
