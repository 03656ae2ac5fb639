"""lmms-eval's sample files (`--log_samples`), a sample at a time.

`algos.exchange.lmms_import` says what each key stands for. A reply that called tools is one text
there, `…<tool_call>crop_video {"start_time": 3, "end_time": 9}</tool_call>…` (its chat model for
OpenAI's interface, and LongVT's): each call becomes a turn. What the tools showed is not written.
Older releases wrote one document with the samples under `logs`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from algos.exchange.foreign_rows import UNKNOWN_VIDEO
from algos.exchange.lmms_import import is_lmms_sample, sample_question
from algos.exchange.lmms_samples import OWN
from algos.exchange.played_entry import ExchangeError
from algos.viewer.foreign.chat_messages import message_of, read_text
from algos.viewer.foreign.conversations import step_of_call
from algos.viewer.foreign.loose_values import first, listed, mapping, text
from algos.viewer.foreign.own_traces import read_own_parts
from algos.viewer.foreign.sage_traces import traced_question
from algos.viewer.foreign.traced import Source, Traced, duration_of, question_view
from algos.viewer.view_data import StepView

_CALL_ENDS = re.compile(r"(?<=</tool_call>)")
_TASK = re.compile(r"_samples_(.+?)(?:\.jsonl?)?(?:\.gz)?$")


def samples_in(document: Any) -> Sequence[tuple[str | None, Any]]:
    """Return the samples of a document of an older release."""
    samples = listed(mapping(document).get("logs"))
    return [(None, one) for one in samples] if samples and is_lmms_sample(samples[0]) else ()


def read_lmms(record: Any, source: Source) -> Traced:
    """Return a sample as a question and its episode."""
    row = dict(mapping(record))
    asked, media = _input(row.get("input"))
    row["input"] = asked
    if mapping(row.get(OWN)):
        return read_own_parts({"row": row[OWN]}, (), None)
    try:
        found = sample_question(row, "the sample")
    except ExchangeError:  # its metrics differ: then none of them decides
        found = sample_question({**row, "judge_failed": True}, "the sample")
    steps = reply_steps(_written(row))
    video = None if found.item.video == UNKNOWN_VIDEO else str(found.item.video)
    made = traced_question(found, steps, video or media)
    task = _TASK.search(source.path.name)
    number = text(row["doc_id"])
    name = f"{task[1]}/{number}" if task and found.item.id == number else found.item.id
    doc = mapping(row.get("doc"))
    question = question_view(
        made.question.question,
        name=name,
        gold=made.question.gold,
        duration=duration_of(doc),
        group={"task": task[1]} if task else {},
    )
    return Traced(question=question, episode=made.episode, video=made.video, row=made.row)


def reply_steps(written: str) -> list[StepView]:
    """Return a reply that holds all calls as turns, and the answer as the last."""
    steps: list[StepView] = []
    for piece in _CALL_ENDS.split(written):
        thought, calls, said, rest = read_text(piece)
        opening: dict[str, Any] = {"thought": thought or (rest if calls else None) or None}
        for call in calls:
            steps.append(step_of_call(call, len(steps) + 1, **opening))
            opening = {}
        answer = said if said is not None else rest
        if not calls and (answer or thought):
            turn = len(steps) + 1
            steps.append(StepView(turn=turn, action="answer", call=answer, thought=thought))
    return steps


def _written(row: Mapping[str, Any]) -> str:
    """Return the reply as the model wrote it: `resps`, where filters changed it."""
    value = first(row, "resps", "filtered_resps")
    while isinstance(value, list):
        value = value[0] if value else ""
    return text(value)


def _input(value: Any) -> tuple[Any, str | None]:
    """Return the question of an input, which newer releases write as messages, and its video."""
    messages = listed(value) or listed(mapping(value).get("messages"))
    read = [message_of(message) for message in messages]
    told = [m.text for m in read if m is not None and m.role == "user"]
    if not told:
        return value, None
    parts = [p for m in messages for p in listed(mapping(m).get("content"))]
    named = (first(mapping(p), "url", "video", "path") for p in parts if _is_video(p))
    return "\n".join(told), next((text(name) for name in named if isinstance(name, str)), None)


def _is_video(part: Any) -> bool:
    return mapping(part).get("type") == "video"
