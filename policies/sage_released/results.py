"""Replies of our tools in the form in which the checkpoints were shown results.

That is a printed Python dictionary, as in the released code: what a tool said is text in it, on one
line, in which nothing is spelled like a token of the chat, and cannot end it.

| their tool | dictionary |
|---|---|
| `verbal_transcript` | `{transcript: "[{text, start, end}, …]"}`, or a sentence in its place |
| `identify_timestamps_visually` | `{name, timestamps: {start, end}}`, both `None` where not found |
| `unified_web_search` | `{search_type, query, results: [{title, snippet, link}, …]}` |
| `parse_web_data` | `{title, content, url}` |
| `perform_reasoning` | `{answer}`: it has no other form |

Times are HH:MM:SS, the second in which it begins and the one after it has ended. A reply in another
form than our own tools have stands in it whole, as text; one that is a JSON object is printed as
it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from policies.sage_released.media import timestamp
from sage_env.actions.json_objects import read_object
from sage_env.tools.quoting import untagged

MAX_CONTENT = 5_000
"""Most characters of a page unless the call says another number, as in the released code."""
_TIME = r"(\d+(?:\.\d+)?) s"
_SAID = re.compile(rf"\[{_TIME} - {_TIME}\] (.*)")
_FOUND = re.compile(rf"\[{_TIME} - {_TIME}\] score (\d+(?:\.\d+)?)(?: .*)?")
_RESULT = re.compile(r"\d+\. (.+)\n {3}(https?://\S+)(?:\n {3}(.*))?")
_PAGE = re.compile(r"(?:Title: (.*)\n)?Address: (\S+)\n\n(.*)", re.DOTALL)
_NOTHING = {"No results."}


def printed_result(name: str, key: str, arguments: Mapping[str, Any], text: str) -> str:
    """Return a tool's reply as a printed dictionary; "" for none.

    Args:
        name: of their tool; any other one has no form of its own.
        key: under which a reply stands that is in none of the forms.
        arguments: of the call, as the model wrote them.
        text: the reply.
    """
    if not text:
        return ""
    form = _FORMS.get(name)
    found = form(text, arguments) if form else None
    return str(_untagged(_whole(text, key) if found is None else found))


def _transcript(text: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    lines = text.split("\n")
    said = [match for match in map(_SAID.fullmatch, lines) if match]
    if not said:
        return None
    rows = [{"text": m[3], "start": _first(m[1]), "end": _last(m[2])} for m in said]
    rest = " ".join(line for line in lines if not _SAID.fullmatch(line))
    return {"transcript": str(rows)} | ({"note": rest} if rest else {})


def _grounding(text: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    spans = [match for match in map(_FOUND.fullmatch, text.split("\n")) if match]
    event = arguments.get("event")
    times: dict[str, str | None]
    if spans:
        best = max(spans, key=lambda match: float(match[3]))
        times = {"start": _first(best[1]), "end": _last(best[2])}
    elif "not found" in text.lower():
        times = {"start": None, "end": None}
    else:
        return None
    return {"name": event, "timestamps": times}


def _search(text: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    found = [
        {"title": match[1], "snippet": match[3] or "", "link": match[2]}
        for match in _RESULT.finditer(text)
    ]
    if not found and text not in _NOTHING:
        return None
    kind = arguments.get("search_type") or "web"
    return {"search_type": kind, "query": arguments.get("query"), "results": found}


def _page(text: str, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    match = _PAGE.fullmatch(text)
    if match is None:
        return None
    most = arguments.get("max_content_length")
    most = most if isinstance(most, int) and most > 0 else MAX_CONTENT
    return {"title": match[1] or "", "content": match[3][:most], "url": match[2]}


_FORMS: Mapping[str, Callable[[str, Mapping[str, Any]], dict[str, Any] | None]] = {
    "verbal_transcript": _transcript,
    "identify_timestamps_visually": _grounding,
    "unified_web_search": _search,
    "parse_web_data": _page,
}


def _whole(text: str, key: str) -> dict[str, Any]:
    """Return a reply in no form of ours: its own object, if it is one, or its text."""
    try:
        return read_object(text) if text.startswith("{") else {key: text}
    except ValueError:
        return {key: text}


def _untagged(value: Any) -> Any:
    """Return a value in whose texts nothing is spelled like a token of the chat."""
    if isinstance(value, str):
        return untagged(value)
    if isinstance(value, list):
        return [_untagged(one) for one in value]
    if isinstance(value, dict):
        return {_untagged(key): _untagged(one) for key, one in value.items()}
    return value


def _first(second: str) -> str:
    return timestamp(math.floor(float(second)))


def _last(second: str) -> str:
    return timestamp(math.ceil(float(second)))
