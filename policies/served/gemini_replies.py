"""Gemini's responses, read: a candidate of any form as a decision, and as what goes back."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

from policies.base import Decision
from policies.errors import ReplyBlocked, ReplyUnusable
from policies.served.function_calls import arguments_text
from policies.served.policy import Reply
from policies.served.reply_json import Json, can_be_sent, count_of, part_of
from policies.served.server_errors import malformed, one_line
from policies.served.usage import counts_or_none
from policies.turn_usage import TokenCounts
from sage_env.actions.action import Invalid
from sage_env.actions.action_text import parse_action
from sage_env.actions.function_name import bare_name

_BLOCKED = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "MODEL_ARMOR",
    "PUP_LIMITED_DISABLED",
}
"""Reasons to stop that are the provider's decision."""
_BAD_CALL = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
"""Reasons to stop that are the model's own mistake: a turn that it has spent."""
_PICTURES = ("IMAGE", "VIDEO")


def counts_of(response: Json) -> TokenCounts | None:
    """Return the tokens that a response says it took; thoughts are billed as output."""
    usage = part_of(response, "usageMetadata")
    if isinstance(usage, dict):  # counts of 0 are left out by the service
        usage = {"candidatesTokenCount": 0, "thoughtsTokenCount": 0} | usage
    found = counts_or_none(
        usage,
        ("promptTokenCount",),
        ("candidatesTokenCount",),
        ("cachedContentTokenCount",),
        ("thoughtsTokenCount",),
    )
    if found is None:
        return None
    used_by_tools = count_of(usage, "toolUsePromptTokenCount") or 0
    return replace(
        found,
        prompt=found.prompt + used_by_tools,
        completion=found.completion + found.thinking,
        visual=_of_kind(usage, "promptTokensDetails", *_PICTURES),
        visual_cached=_of_kind(usage, "cacheTokensDetails", *_PICTURES),
        audio=_of_kind(usage, "promptTokensDetails", "AUDIO"),
    )


def _of_kind(usage: Json, name: str, *modalities: str) -> int | None:
    """Return the tokens of some modalities; `None` where a response does not tell them apart."""
    details = part_of(usage, name)
    if not isinstance(details, list) or not details:
        return None
    seen = [one for one in details if part_of(one, "modality") in modalities]
    counts = [count_of(one, "tokenCount") for one in seen]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def read_candidate(response: Json, model: str, known: Collection[str]) -> Reply:
    """Read the first call of a reply, or its text if it has none.

    The first row that fits a response says what it becomes:

    | response | becomes |
    |---|---|
    | the prompt was blocked | `ReplyBlocked` |
    | has no candidate | `ReplyUnusable`, after it was asked for again |
    | withheld (`_BLOCKED`) | `ReplyBlocked` |
    | holds calls | the action of the first; the others are answered, and not done |
    | a call that cannot be read (`_BAD_CALL`) | `Invalid`: a turn that the model has spent |
    | has no text | `ReplyUnusable`, after it was asked for again |
    | has text that was cut at its length | the action behind its thoughts, or `Invalid` |
    | has text | the action that the text writes |

    Args:
        response: the body of a response.
        model: whose reply it is.
        known: the names of all functions.
    """
    candidate = _candidate(response, model)
    reason = one_line(str(candidate.get("finishReason")))[:60]
    parts = part_of(candidate, "content", "parts")
    parts = [part for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    calls = [call for part in parts if isinstance(call := part.get("functionCall"), dict)]
    texts = [part.get("text") for part in parts if not part.get("thought")]
    text = "".join(text for text in texts if isinstance(text, str))
    if calls:
        return _called(candidate["content"], calls, known)
    if reason in _BAD_CALL:
        said = text or f"({reason})"
        why = "the function call could not be read: call one of the functions by its schema"
        return Reply(_sent_back(candidate, parts, said), Decision(Invalid(said, why), said))
    cut = reason == "MAX_TOKENS"
    if not text.strip():
        hint = ": raise max_output_tokens or lower thinking_budget" * cut
        raise ReplyUnusable(f"{model} sent an empty reply ({reason}){hint}", not cut)
    action = parse_action(text, thinking=cut)  # what is cut may end inside thoughts
    return Reply(_sent_back(candidate, parts, text), Decision(action, text))


def _candidate(response: Json, model: str) -> dict[str, Any]:
    """Return the one reply of a response, unless the provider withholds it."""
    why = part_of(response, "promptFeedback", "blockReason")
    if why is not None:
        raise ReplyBlocked(
            f"{model} was not shown the prompt: the provider blocked it ({one_line(str(why))})"
        )
    candidate = part_of(response, "candidates", 0)
    if not isinstance(candidate, dict):
        raise malformed(model, "a response without a candidate")
    reason = one_line(str(candidate.get("finishReason")))[:60]
    if reason in _BLOCKED:
        raise ReplyBlocked(f"a reply of {model} was withheld by the provider ({reason})")
    return candidate


def _called(content: Json, calls: Sequence[Json], known: Collection[str]) -> Reply:
    """Return a reply that does the first of some calls and names them all, in order."""
    names = [str(call.get("name") or "") for call in calls]
    first = {
        "name": bare_name(names[0], known),
        "arguments": arguments_text(calls[0].get("args")),
    }
    text = json.dumps(first, ensure_ascii=False)
    decision = Decision(parse_action(text), text)
    if not can_be_sent(content) or not all(names):
        return Reply(_said(text), decision)
    numbers = [n if isinstance(n := call.get("id"), str) else None for call in calls]
    return Reply({"role": "model"} | content, decision, tuple(zip(names, numbers, strict=True)))


def _sent_back(candidate: Json, parts: Sequence[Json], text: str) -> dict[str, Any]:
    """Return a reply as the next request holds it: as it came, or its text if that is nothing."""
    content = part_of(candidate, "content")
    return {"role": "model"} | content if parts and can_be_sent(content) else _said(text)


def _said(text: str) -> dict[str, Any]:
    return {"role": "model", "parts": [{"text": text}]}
