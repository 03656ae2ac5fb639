"""Chat completions, read: a message of any form as a decision, and as what goes back."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from policies.base import Decision
from policies.errors import ReplyBlocked, ReplyUnusable
from policies.served.function_calls import FunctionCall, calls_of
from policies.served.policy import Reply
from policies.served.reply_json import Json, can_be_sent, part_of
from policies.served.server_errors import one_line
from policies.served.usage import counts_or_none
from policies.turn_usage import TokenCounts
from sage_env.actions.action_text import parse_action

_BROKEN_OFF = {"error", "abort"}
"""Reasons to stop that are the server's: OpenRouter says the first, engines that end the other."""


def has_message(response: Json) -> bool:
    """Return whether a response has a message of a model."""
    message = part_of(response, "choices", 0, "message")
    if not isinstance(message, dict):
        return False
    content, calls = message.get("content"), message.get("tool_calls")
    return isinstance(content, str | list | None) and isinstance(calls, list | None)


def counts_of(response: Json) -> TokenCounts | None:
    """Return the tokens that a response says it took; thinking is in the completion."""
    usage = part_of(response, "usage")
    return counts_or_none(
        usage,
        ("prompt_tokens",),
        ("completion_tokens",),
        ("prompt_tokens_details", "cached_tokens"),
        ("completion_tokens_details", "reasoning_tokens"),
    )


def read_message(response: Json, model: str, known: Collection[str], turn: int) -> Reply:
    """Read the first call of a reply, or its text if it has none.

    The first row that fits becomes:

    | message | becomes |
    |---|---|
    | a refusal, or withheld by a filter | `ReplyBlocked` |
    | broken off by the server | `ReplyUnusable`, after it was asked for again |
    | calls | the action of the first; the others are answered, and not done |
    | text that was cut at its length | the action behind the end of its thoughts, or `Invalid` |
    | text | the action that it writes |
    | nothing | `ReplyUnusable`, likewise |

    Args:
        response: that has a message.
        model: whose reply it is.
        known: the names of all functions.
        turn: number of the reply in its chat.
    """
    choice = response["choices"][0]
    message, reason = choice["message"], one_line(str(choice.get("finish_reason")))[:40]
    refusal, text = message.get("refusal"), _text_of(message.get("content"))
    if refusal or part_of(message, "content", 0, "type") == "refusal":
        said = refusal or part_of(message, "content", 0, "refusal")
        raise ReplyBlocked(f"{model} refused to reply: {one_line(str(said))}")
    if reason == "content_filter":
        raise ReplyBlocked(f"a reply of {model} was withheld by the provider ({reason})")
    if reason in _BROKEN_OFF:
        raise ReplyUnusable(f"{model} broke a reply off ({reason})")
    calls = calls_of(message.get("tool_calls") or (), known, turn)
    if calls:
        return _called(message, calls, turn)
    cut = reason == "length"
    if not text.strip():
        hint = ": raise max_tokens" * cut
        raise ReplyUnusable(f"{model} sent an empty reply ({reason}){hint}", again=not cut)
    action = parse_action(text, thinking=cut)  # what is cut may end inside thoughts
    return Reply(_sent_back(message, {}, text), Decision(action, text), turn=turn)


def _text_of(content: Json) -> str:
    """Return the text of a message's content, of its parts of text where it is a list."""
    if isinstance(content, str):
        return content
    texts = [
        part if isinstance(part, str) else part_of(part, "text")
        for part in content or ()
        if isinstance(part, str) or part_of(part, "type") in ("text", "output_text")
    ]
    return "".join(text for text in texts if isinstance(text, str))


def _called(message: Mapping[str, Any], calls: Sequence[FunctionCall], turn: int) -> Reply:
    """Read the function calls of a message."""
    decision = Decision(parse_action(calls[0].text), calls[0].text)
    if not all(call.can_go_back for call in calls):
        # servers refuse a chat with a call that cannot be read: it goes back as what it is, text
        text = "\n".join(call.text for call in calls)
        said = _sent_back(message, {"tool_calls": None, "content": text}, text)
        return Reply(said, decision, turn=turn)
    entries = [
        entry for entry in message["tool_calls"] if isinstance(part_of(entry, "function"), dict)
    ]
    listed = [
        {"type": "function"}
        | _without_nulls(entry)
        | {
            "id": call.number,
            "function": entry["function"] | {"name": call.name, "arguments": call.arguments},
        }
        for entry, call in zip(entries, calls, strict=True)
    ]
    said = _sent_back(message, {"tool_calls": listed}, decision.text)
    if "tool_calls" not in said:
        return Reply(said, decision, turn=turn)
    return Reply(said, decision, tuple((call.name, call.number) for call in calls), turn=turn)


def _sent_back(message: Mapping[str, Any], changes: Mapping[str, Any], text: str) -> dict[str, Any]:
    """Return a message as the next request holds it: as it came, with what its provider added.

    Keys without a value are left out, as some servers refuse them. What JSON cannot hold is
    replaced by the `text` alone.
    """
    said = _without_nulls({**message, **changes})
    said |= {"role": "assistant", "content": said.get("content")}
    if isinstance(audio := said.get("audio"), dict) and "id" in audio:
        said["audio"] = {"id": audio["id"]}  # the sound itself is not sent back
    if not said.get("tool_calls"):
        said.pop("tool_calls", None)
    return said if can_be_sent(said) else {"role": "assistant", "content": text}


def _without_nulls(value: Mapping[str, Any]) -> dict[str, Any]:
    return {key: x for key, x in value.items() if x is not None}
