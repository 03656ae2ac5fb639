"""Logs of inspect_ai as JSON (`inspect log dump`, or logs of the format `json`; version 2).

    {"version": 2, "status", "eval": {"task", "model"}, "samples": [{"id", "epoch", "input",
     "choices", "target", "messages", "output", "scores": {NAME: {"value", "answer",
     "explanation"}}, "metadata", "attachments", "error"}]}

A score of `C` is right, of `I` or `N` wrong. Logs of the format `eval` are archives: dump them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from algos.viewer.foreign.chat_messages import message_of
from algos.viewer.foreign.conversations import conversation_of
from algos.viewer.foreign.loose_values import (
    count,
    first,
    listed,
    mapping,
    number,
    seconds,
    some_text,
    text,
    truth,
)
from algos.viewer.foreign.own_traces import spans_of
from algos.viewer.foreign.traced import Source, Traced, duration_of, question_view, video_of
from algos.viewer.view_data import EpisodeView

_VALUES = {"C": True, "I": False, "N": False}


def logged_in(document: Any) -> Sequence[tuple[str | None, Any]]:
    """Return the samples of a log, each with the model of the log beside it."""
    found = mapping(document)
    if "eval" not in found or not isinstance(found.get("samples"), list):
        return ()
    model = text(mapping(found["eval"]).get("model"))
    return [(None, {"inspect model": model, **mapping(one)}) for one in found["samples"]]


def is_inspect_sample(record: Any) -> bool:
    """Return whether a record is a sample of a log."""
    found = mapping(record)
    return {"id", "epoch", "input", "target"} <= found.keys()


def read_inspect(record: Any, source: Source) -> Traced:
    """Return a sample as a question and its episode."""
    found = mapping(record)
    source.pictures.attachments = mapping(found.get("attachments"))
    meta = mapping(found.get("metadata"))
    duration = duration_of(meta)
    read = [message_of(message) for message in listed(found.get("messages"))]
    messages = [message for message in read if message is not None]
    conversation = conversation_of(messages, source.pictures, duration)
    score = _score(mapping(found.get("scores")))
    output = mapping(found.get("output"))
    answered = some_text(score.get("answer")) or some_text(output.get("completion"))
    target = found.get("target")
    gold = listed(target)[0] if isinstance(target, list) and target else target
    error = found.get("error")
    asked = found.get("input")
    question = question_view(
        asked if isinstance(asked, str) else conversation.asked,
        name=_name(found),
        gold=some_text(gold) if not isinstance(gold, list) else None,
        choices=[text(choice) for choice in listed(found.get("choices"))],
        duration=duration,
        evidence=spans_of(meta.get("evidence")),
        group={key: text(value) for key, value in mapping(meta.get("group")).items()},
    )
    episode = EpisodeView(
        entry="",
        steps=conversation.steps,
        verdict=_verdict(score.get("value")),
        judge_words=some_text(score.get("explanation")),
        prediction=answered or conversation.prediction,
        error=some_text(first(mapping(error), "message")) or (text(error) if error else None),
    )
    return Traced(
        question=question,
        episode=replace(episode, stop_reason="answered" if episode.prediction else None),
        video=video_of(meta),
        row={"seconds": seconds(found.get("total_time")), **_usage(found)},
        model=some_text(found.get("inspect model")),
    )


def _name(found: Mapping[str, Any]) -> str:
    epoch = count(found.get("epoch"))
    return text(found.get("id")) + (f" (epoch {epoch})" if epoch is not None and epoch > 1 else "")


def _score(scores: Mapping[str, Any]) -> Mapping[str, Any]:
    return next((mapping(score) for score in scores.values()), {})


def _verdict(value: Any) -> bool | None:
    return _VALUES.get(value) if isinstance(value, str) else truth(value)


def _usage(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the tokens of all models that a sample used; unknown where none is counted."""
    used = [mapping(usage) for usage in mapping(found.get("model_usage")).values()]
    known = {"prompt_tokens": "input_tokens", "tokens": "output_tokens"}
    totals = {ours: [number(usage.get(key)) for usage in used] for ours, key in known.items()}
    return {
        ours: int(sum(one or 0 for one in values)) if values and None not in values else None
        for ours, values in totals.items()
    }
