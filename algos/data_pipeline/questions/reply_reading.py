"""A reply of a service, read: the questions that are whole in it, or why there are none.

JSON is read strictly: nothing is added, closed or escaped. Of a reply that was cut at its length
the questions before the cut are whole, and are kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass

from policies.served import gemini_replies, openai_replies
from policies.served.reply_json import Json, part_of, whole_text
from policies.served.server_errors import one_line
from policies.turn_usage import TokenCounts

_LIST = re.compile(r'(?<!\\)"questions"\s*:\s*\[')
_BLOCKED = {"SAFETY", "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "content_filter"}
_SHOWN = 300  # characters of a reply in a reason


@dataclass(frozen=True)
class ReadReply:
    """What a reply holds.

    Attributes:
        questions: as the reply has them, each any JSON.
        check: why it could not be used, in a word; empty if it could.
        reason: the same in a sentence.
        again: whether asking once more may help.
        cut: whether it was cut at its length, so that a longer one may help.
    """

    questions: tuple[Json, ...] = ()
    check: str = ""
    reason: str = ""
    again: bool = False
    cut: bool = False


def read_reply(body: Json) -> ReadReply:
    """Read the body of a response, of Gemini or of chat completions."""
    why = part_of(body, "promptFeedback", "blockReason")
    if why is not None:
        return ReadReply((), "blocked", f"the service blocked the prompt ({one_line(str(why))})")
    text, ended, refusal = _said(body)
    if refusal or ended in _BLOCKED:
        told = one_line(refusal or ended)
        return ReadReply((), "withheld", f"the service withheld the reply ({told})")
    cut = ended in ("MAX_TOKENS", "length")
    if not text.strip():
        why = f"the reply is empty ({one_line(ended)})"
        more = ": its length went into thoughts, raise --max-output-tokens" if cut else ""
        return ReadReply((), "empty", why + more, again=not cut, cut=cut)
    if cut:
        return _before_the_cut(text)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return ReadReply((), *_not_json(text), again=True)
    questions = part_of(found, "questions")
    if not isinstance(questions, list):
        told = "the reply holds no list of questions"
        return ReadReply((), "malformed", f"{told}: {one_line(text[:_SHOWN])}", again=True)
    if not questions:
        return ReadReply((), "no_questions", "the list of questions is empty", again=True)
    return ReadReply(tuple(questions))


def counts_of_reply(body: Json) -> TokenCounts | None:
    """Return the tokens that a response says it took; `None` if it does not."""
    chat = part_of(body, "choices") is not None
    return openai_replies.counts_of(body) if chat else gemini_replies.counts_of(body)


def _said(body: Json) -> tuple[str, str, str]:
    """Return the text of a reply, why it ended, and the words of a refusal."""
    candidate = part_of(body, "candidates", 0)
    if candidate is not None:
        parts = part_of(candidate, "content", "parts")
        shown = [p for p in parts if not part_of(p, "thought")] if isinstance(parts, list) else []
        texts = [part_of(part, "text") for part in shown]
        text = "".join(text for text in texts if isinstance(text, str))
        return whole_text(text), str(part_of(candidate, "finishReason")), ""
    message = part_of(body, "choices", 0, "message")
    content, refusal = part_of(message, "content"), part_of(message, "refusal")
    if isinstance(content, list):
        texts = [part_of(part, "text") for part in content]
        content = "".join(text for text in texts if isinstance(text, str))
    ended = str(part_of(body, "choices", 0, "finish_reason"))
    text = content if isinstance(content, str) else ""
    return whole_text(text), ended, refusal if isinstance(refusal, str) else ""


def _not_json(text: str) -> tuple[str, str]:
    """Tell a refusal in words from JSON that is broken."""
    if "{" not in text:
        return "refusal", f"the reply is words and no JSON: {one_line(text[:_SHOWN])}"
    return "malformed", f"the reply is no JSON: {one_line(text[:_SHOWN])}"


def _before_the_cut(text: str) -> ReadReply:
    questions = tuple(_whole_ones(text))
    if questions:
        return ReadReply(questions)
    why = "the reply was cut at its length before the first question: raise --max-output-tokens"
    return ReadReply((), "truncated", why, again=True, cut=True)


def _whole_ones(text: str) -> Iterator[Json]:
    """Yield the values of the list of questions that are closed before the text ends."""
    begun = _LIST.search(text)
    if begun is None:
        return
    place, decoder = begun.end(), json.JSONDecoder()
    while True:
        place += len(text[place:]) - len(text[place:].lstrip(" \t\r\n,"))
        if place >= len(text) or text[place] == "]":
            return
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            return
        yield value
