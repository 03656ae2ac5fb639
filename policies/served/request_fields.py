"""The fields of a request, and what is left of them when a server refuses some.

Servers that speak the same protocol know different fields of it. A refusal that names a field, in
its `param`, in the `loc` of a validation or in its words, is answered with a request that lacks it,
or has it in its other form; what was learned holds for the rest of the run:

| refused | then |
|---|---|
| `tool_choice`, `"required"` | `"auto"`, then plain JSON instead of function calls |
| `tools`, or function calling altogether | plain JSON |
| `max_completion_tokens` or `max_tokens`, as unknown | the other one, then neither |
| either of them, as too large for the context | neither: the server takes what is left |
| any other field, also one of an assistant's message | it is left out |
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.served.prompt import Replies
from policies.served.reply_json import Json
from sage_env.actions.action import ACTION_NAMES, Answer

CALL_FIELDS = ("tools", "tool_choice", "parallel_tool_calls")
LIMITS = ("max_completion_tokens", "max_tokens")
_NEVER = {"model", "messages"}
_PLAIN = {"role", "content", "tool_calls", "tool_call_id", "name"}
"""Keys of a message that the protocol itself knows; others came from a provider."""
_FIELD_STATUSES = {400, 422}
_CALL_STATUSES = {400, 404, 422, 500, 501}  # of servers whose models call no functions
_CALLS = re.compile(
    r"tool[ _-]?(choice|call|calling|use)\b|\btools?\b|function[ _-]?call", re.IGNORECASE
)
_UNABLE = re.compile(
    r"\brequires?\b|\bsupport|unsupported|not (enabled|available|implemented|allowed)",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"too (large|long|high|big)|greater than|exceed|context length|at most|max_model_len|less than",
    re.IGNORECASE,
)

_FLAGS = (
    ("tool-call-parser", "vLLM makes function calls with --enable-auto-tool-choice "
     "--tool-call-parser NAME, e.g. hermes"),
    ("context length", "show fewer frames, or start it with a larger --max-model-len"),
    ("may be provided in one prompt", "vLLM takes more with --limit-mm-per-prompt "
     "'{\"image\": 128}'"),
    ("--jinja", "llama.cpp makes function calls with --jinja"),
)  # fmt: skip
"""Words of servers, and the flag that they are about."""


@dataclass(frozen=True)
class Learned:
    """What a server has taught us so far.

    Attributes:
        replies: in which form it replies.
        choice: the `tool_choice` that it takes.
        limit: the name of the field that bounds a reply; `None` for no bound.
        left_out: further fields that it does not take.
    """

    replies: Replies
    choice: str = "required"
    limit: str | None = LIMITS[0]
    left_out: frozenset[str] = frozenset()


class RequestFields:
    """Makes the bodies of requests; several threads may share it.

    Args:
        fixed: what is the same in every request, function calls included.
        options: the user's own fields, over all others; `None` leaves a field out.
        max_tokens: of one reply; `None` for the server's own limit.
        replies: the form of a reply to begin with.
    """

    def __init__(
        self,
        fixed: Mapping[str, Any],
        options: Mapping[str, Any],
        max_tokens: int | None,
        replies: Replies,
    ) -> None:
        """Know nothing of the server."""
        self._fixed, self._options, self._max_tokens = dict(fixed), dict(options), max_tokens
        self._lock, self._learned = threading.Lock(), Learned(replies)

    @property
    def learned(self) -> Learned:
        """Return what is known of the server."""
        with self._lock:
            return self._learned

    def without_limit(self) -> None:
        """Leave the length of a reply to the server."""
        with self._lock:
            self._learned = replace(self._learned, limit=None)

    def body(
        self, learned: Learned, changing: Mapping[str, Any], *, answers_only: bool = False
    ) -> dict[str, Any]:
        """Return the fields of a request beside `model` and `messages`.

        Args:
            learned: what is known of the server.
            changing: fields of this request; `None` leaves one out.
            answers_only: whether only the answer may be called.
        """
        fields = {**self._fixed, "tool_choice": learned.choice}
        if answers_only:
            asked = [x for x in fields["tools"] if x["function"]["name"] == ACTION_NAMES[Answer]]
            fields["tools"] = asked
        if learned.limit is not None and self._max_tokens is not None:
            fields[learned.limit] = self._max_tokens
        fields |= {**changing, **self._options}
        dropped = set(learned.left_out)
        if learned.replies == "json":
            dropped |= set(CALL_FIELDS)
        if learned.limit is None:
            dropped |= set(LIMITS)
        return {k: x for k, x in fields.items() if x is not None and k not in dropped}

    def messages(self, learned: Learned, messages: Iterable[Mapping[str, Any]]) -> list[Any]:
        """Return the messages without what the server does not take in them."""
        dropped = learned.left_out - _PLAIN
        return [{k: x for k, x in one.items() if k not in dropped} for one in messages]

    def learn(
        self, learned: Learned, sent: Mapping[str, Any], status: int, body: Json, said: str
    ) -> str | None:
        """Take a refusal, and return what is done about it, for a warning.

        Args:
            learned: what was known when the request was made.
            sent: the request.
            status: of the response.
            body: of the response, as JSON.
            said: the words of the response.

        Returns:
            `None` if the refusal is of no field; `""` if another thread has learned meanwhile.
        """
        found = _relearned(learned, sent, status, body, said)
        if found is None:
            return None
        with self._lock:
            if self._learned != learned:
                return ""
            self._learned = found
        return _told(learned, found)


def _relearned(
    learned: Learned, sent: Mapping[str, Any], status: int, body: Json, said: str
) -> Learned | None:
    """Return what is known after a refusal; `None` if it teaches nothing."""
    steps, words = _structured(body), said if body is None else f"{said} {body}"
    names = _named(sent, steps, words) if status in _FIELD_STATUSES else []
    calls = status in _CALL_STATUSES and "tools" in sent
    unable = not steps and _CALLS.search(said) and _UNABLE.search(said)
    if calls and ("tools" in names or "tool_choice" in names or unable):
        if "tool_choice" in sent and learned.choice == "required" and "tools" not in names:
            return replace(learned, choice="auto")
        return replace(learned, replies="json")
    limit = next((name for name in LIMITS if name in names), None)
    if limit is None and status in _FIELD_STATUSES and not steps and "context length" in said:
        limit = next((name for name in LIMITS if name in sent), None)
    if limit is not None:
        other = LIMITS[1] if limit == LIMITS[0] else LIMITS[0]
        if _TOO_LONG.search(said) or limit != LIMITS[0] or learned.limit != LIMITS[0]:
            return replace(learned, limit=None)
        return replace(learned, limit=other)
    names = [name for name in names if name not in LIMITS]
    return replace(learned, left_out=learned.left_out | set(names)) if names else None


def _named(sent: Mapping[str, Any], steps: list[tuple[str, ...]], words: str) -> list[str]:
    """Return the fields of a request that its refusal names."""
    extras = {key for message in sent["messages"] for key in message} - _PLAIN
    fields = [key for key in sent if key not in _NEVER]
    if steps:  # it says where, and its words may quote anything
        found = [key for key in fields if any(path[0] == key for path in steps)]
        inside = [path[1:] for path in steps if path[0] == "messages"]
        return found + [key for key in sorted(extras) if any(key in path for path in inside)]
    return [
        key
        for key in [*fields, *sorted(extras)]
        if re.search(rf"(?<![A-Za-z0-9_]){re.escape(key)}(?![A-Za-z0-9_])", words)
    ]


def _structured(body: Json) -> list[tuple[str, ...]]:
    """Return the places that an error names as data: `param` of OpenAI, `loc` of validations."""
    found: list[Any] = []
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found += [value[key] for key in ("param", "loc") if value.get(key)]
            waiting += [x for key, x in value.items() if key != "input"]  # it quotes the request
        elif isinstance(value, list):
            waiting += value
    paths = [
        tuple(str(step) for step in place)
        if isinstance(place, list)
        else tuple(filter(None, re.split(r"[^A-Za-z0-9_]+", str(place))))
        for place in found
    ]
    paths = [path[1:] if path[:1] == ("body",) else path for path in paths]
    return [path for path in paths if path]


def _told(before: Learned, after: Learned) -> str:
    """Return the difference as half a sentence."""
    if after.replies != before.replies:
        return "actions are asked for as JSON text from here on, not as function calls"
    if after.choice != before.choice:
        return f"tool_choice is {after.choice!r} from here on"
    if after.limit != before.limit:
        if after.limit is None:
            return "the length of a reply is left to the server from here on"
        return f"{before.limit} is sent as {after.limit} from here on"
    names = ", ".join(sorted(after.left_out - before.left_out))
    return f"{names} is left out from here on"


def flag_of(said: str) -> str:
    """Return the flag of a server that its words are about, as the end of a sentence."""
    return next((f"; {flag}" for words, flag in _FLAGS if words in said), "")
