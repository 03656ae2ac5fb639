"""Conversations in OpenAI's form and its relatives: lists of messages, and records that hold one.

Read here: a list of messages; `{"messages": …}` with `images` beside (Hugging Face); `prompt` and
`completion` (verifiers, TRL); a request and its response; `{question: messages}` (DVD); items of
the Responses API.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from algos.viewer.foreign.chat_messages import Message, is_message, message_of
from algos.viewer.foreign.conversations import conversation_of
from algos.viewer.foreign.loose_values import count, first, listed, mapping, number, text
from algos.viewer.foreign.traced import (
    Source,
    Traced,
    asked_in,
    question_view,
    told_of,
    verdict_of,
    video_of,
)
from algos.viewer.view_data import EpisodeView

_LISTS = ("messages", "conversations", "conversation", "trajectory", "history")


def is_chat(record: Any) -> bool:
    """Return whether a record is a conversation, or holds one."""
    return bool(raw_messages(record))


def chats_in(document: Any) -> Sequence[tuple[str | None, Any]]:
    """Return the conversations of an object that has one for each question, with their names."""
    found = mapping(document)
    if raw_messages(document) or not found:
        return ()
    held = [(text(name), value) for name, value in found.items()]
    return held if all(_is_list(value) for _, value in held) else ()


def read_chat(record: Any, source: Source) -> Traced:
    """Return a conversation as a question and its episode."""
    found = mapping(record)
    source.pictures.images = list(listed(found.get("images")))
    told = told_of(found, source)
    messages = [one for one in map(message_of, raw_messages(record)) if one is not None]
    conversation = conversation_of(messages, source.pictures, told["duration"])
    asked = first(found, "question", "problem", "query")
    marked, length = asked_in(conversation.asked)
    told["duration"] = told["duration"] or length
    prediction = first(found, "prediction", "pred", "response_text")
    usage = _usage(found)
    episode = EpisodeView(
        entry="",
        steps=conversation.steps,
        verdict=verdict_of(found),
        prediction=text(prediction) if isinstance(prediction, str) else conversation.prediction,
    )
    return Traced(
        question=question_view(text(asked) or marked, **told),
        episode=episode,
        video=video_of(found) or _video_in(messages),
        row={"reward": number(first(found, "reward", "score")), **usage},
        model=text(found.get("model")) or None,
    )


def raw_messages(record: Any) -> Sequence[Any]:
    """Return the messages of a record as they stand in it; none where it holds none."""
    if _is_list(record):
        return listed(record)
    found = mapping(record)
    for key in _LISTS:
        if _is_list(found.get(key)):
            return listed(found[key])
    request = mapping(first(found, "request", "body"))
    before = _some(found.get("prompt")) or _some(found.get("input")) or _asked(request)
    after = _some(found.get("completion")) or _some(found.get("output"))
    after = after or _answered(mapping(found.get("response"))) or _answered(found)
    both = [*before, *after]
    return both if after and _is_list(both) else ()


def _some(value: Any) -> Sequence[Any]:
    return listed(value) if _is_list(value) else ()


def _asked(request: Mapping[str, Any]) -> Sequence[Any]:
    return _some(request.get("messages")) or _some(request.get("input"))


def _answered(response: Mapping[str, Any]) -> Sequence[Any]:
    """Return the message of a completion, or the items of a response."""
    choices = [mapping(choice).get("message") for choice in listed(response.get("choices"))]
    return choices[:1] if choices and is_message(choices[0]) else _some(response.get("output"))


def _is_list(value: Any) -> bool:
    """Return whether a value is a list of messages; what stands between them may be odd."""
    items = listed(value)
    return bool(items) and is_message(items[0])


def _usage(found: Mapping[str, Any]) -> dict[str, Any]:
    usage = mapping(first(found, "usage", "token_usage"))
    return {
        "tokens": count(first(usage, "completion_tokens", "output_tokens")),
        "prompt_tokens": count(first(usage, "prompt_tokens", "input_tokens")),
    }


def _video_in(messages: Sequence[Message]) -> str | None:
    """Return the video that a call names, as LongVT's and SAGE's do."""
    for message in messages:
        for call in message.calls:
            named = mapping(call.arguments).get("video_path")
            if isinstance(named, str):
                return named[:4096]
    return None
