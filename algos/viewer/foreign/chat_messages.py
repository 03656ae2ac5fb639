"""Messages of a conversation in one form, whichever project wrote them.

| theirs | where |
|---|---|
| `content` as text or parts, `tool_calls`, role `tool` | OpenAI's chat completions |
| `type` of `message`, `function_call`, `function_call_output`, `reasoning` | OpenAI's responses |
| parts of `tool_use`, `tool_result`, `thinking` | Anthropic's messages |
| parts of `image` with the picture, `reasoning`; `function` of a call as text | inspect_ai |
| `{"type": "image"}` or `<image>` in a text, with `images` beside | trainers of Hugging Face |
| `from` and `value` | ShareGPT |
| `<think>`, `<tool_call>`, `<answer>` in a text | LongVT and other models of Qwen's template |
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from algos.viewer.foreign.loose_values import first, listed, mapping, some_text, text

_ROLES = {
    "human": "user", "gpt": "assistant", "model": "assistant", "ai": "assistant",
    "developer": "system", "function": "tool", "observation": "tool", "function_call": "assistant",
}  # fmt: skip
ROLES = ("system", "user", "assistant", "tool")
_IMAGES = ("image", "image_url", "input_image", "image_base64")
_TEXTS = ("text", "input_text", "output_text", "refusal", "summary_text")
_THOUGHTS = ("reasoning", "thinking", "reasoning_text")
_MARK = re.compile(r"<image>|<\|image\|>|<image_pad>")
_THINK = re.compile(r"<(think|thinking|thought|reasoning)>(.*?)(?:</\1>|\Z)", re.DOTALL)
_CALL = re.compile(r"<(tool_call|video_zoom|function_call|action)>(.*?)</\1>", re.DOTALL)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|\Z)", re.DOTALL)
_NAMED = re.compile(r"\s*([\w.-]+)\s*(?=[({])")


@dataclass(frozen=True)
class Picture:
    """A picture in a message: a data URI, path or object, or `None` for the record's next one."""

    source: Any = None


Part = str | Picture


@dataclass(frozen=True)
class Call:
    """A call of a tool.

    Attributes:
        name: of the tool.
        arguments: an object where it can be read; otherwise as written.
        id: to which a reply refers.
    """

    name: str
    arguments: Any
    id: str | None = None


@dataclass(frozen=True)
class Message:
    """One message.

    Attributes:
        role: one of `ROLES`.
        parts: texts and pictures, in order.
        calls: of an assistant.
        thought: what it thought before, where that stands apart.
        answers: id of the call that it replies to, or the name of the tool.
    """

    role: str
    parts: Sequence[Part] = ()
    calls: Sequence[Call] = ()
    thought: str | None = None
    answers: str | None = None

    @property
    def text(self) -> str:
        """Return its texts, one after the other."""
        return "\n".join(part for part in self.parts if isinstance(part, str)).strip()


def is_message(value: Any) -> bool:
    """Return whether a value is a message, or an item of a response."""
    found = mapping(value)
    role = found.get("role", found.get("from"))
    if isinstance(role, str) and _ROLES.get(role, role) in ROLES:
        return bool({"content", "value", "parts", "tool_calls", "function_call"} & found.keys())
    return found.get("type") in ("function_call", "function_call_output", "reasoning")


def message_of(value: Any) -> Message | None:
    """Return a message in the one form; `None` where it is none."""
    if not is_message(value):
        return None
    found = mapping(value)
    kind = found.get("type")
    if "role" not in found and "from" not in found:
        return _item(str(kind), found)
    role = str(found.get("role", found.get("from")))
    role = _ROLES.get(role, role)
    parts, calls, thoughts, answers = _content(first(found, "content", "value", "parts"))
    calls += [_call(call) for call in listed(found.get("tool_calls")) if mapping(call)]
    if mapping(found.get("function_call")):
        calls.append(_call(found["function_call"]))
    apart = first(found, "reasoning_content", "reasoning", "thinking")
    if isinstance(apart, str):
        thoughts.insert(0, apart)
    replied = first(found, "tool_call_id", "name") if role == "tool" else None
    answers = some_text(replied) or answers
    if answers is not None and role == "user":
        role = "tool"
    return Message(role, parts, calls, "\n".join(thoughts) or None, answers)


def read_text(written: str) -> tuple[str | None, list[Call], str | None, str]:
    """Return thought, calls and answer that stand in a text as tags, and the text around them."""
    thoughts = [match[2].strip() for match in _THINK.finditer(written)]
    rest = _THINK.sub("", written)
    calls = [_tagged(match[1], match[2]) for match in _CALL.finditer(rest)]
    rest = _CALL.sub("", rest)
    answer = _ANSWER.search(rest)
    rest = rest if answer is None else _ANSWER.sub("", rest)
    said = None if answer is None else answer[1].strip()
    return "\n".join(filter(None, thoughts)) or None, calls, said, rest.strip()


def arguments_of(value: Any) -> Any:
    """Return arguments as an object: themselves, or read from JSON or from what Python prints."""
    if not isinstance(value, str):
        return value
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(value)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, Mapping):
            return found
    return value


def _item(kind: str, found: Mapping[str, Any]) -> Message:
    """Return an item of a response."""
    if kind == "function_call":
        return Message("assistant", (), [_call(found)])
    if kind == "function_call_output":
        parts, _, _, _ = _content(found.get("output"))
        return Message("tool", parts, answers=some_text(found.get("call_id")))
    parts, _, _, _ = _content(first(found, "summary", "content"))
    thoughts = [part for part in parts if isinstance(part, str)]
    return Message("assistant", thought="\n".join(thoughts) or None)


def _content(value: Any) -> tuple[list[Part], list[Call], list[str], str | None]:
    """Return the parts of a content, and the calls, thoughts and the reply that stand in it."""
    parts: list[Part] = []
    calls: list[Call] = []
    thoughts: list[str] = []
    answers: str | None = None
    for part in [value] if isinstance(value, str | Mapping) else listed(value):
        if isinstance(part, str):
            parts += _marked(part)
            continue
        found = mapping(part)
        kind = found.get("type")
        if kind in _IMAGES:
            parts.append(Picture(first(found, "image_url", "image", "source", "path", "url")))
        elif kind in _THOUGHTS:
            thoughts.append(text(first(found, "reasoning", "thinking", "text", "summary")))
        elif kind == "tool_use":
            calls.append(_call(found))
        elif kind == "tool_result":
            inner, _, _, _ = _content(found.get("content"))
            parts += inner
            answers = some_text(found.get("tool_use_id"))
        elif kind in _TEXTS or "text" in found:
            parts += _marked(text(first(found, "text", "refusal")))
        elif found:
            parts.append(f"[{kind or 'something else'}]")
    return parts, calls, thoughts, answers


def _marked(written: str) -> list[Part]:
    """Return a text in parts where pictures are marked in it."""
    written = text(written)
    pieces = _MARK.split(written)
    parts: list[Part] = []
    for number, piece in enumerate(pieces):
        parts += [Picture()] * (number > 0)
        parts += [piece] * bool(piece)
    return parts


def _call(value: Any) -> Call:
    found = mapping(value)
    inner = found.get("function")
    named = found if inner is None else {"name": inner} if isinstance(inner, str) else inner
    name = first(mapping(named), "name", "function_name")
    written = first(mapping(named), "arguments", "input", "parameters", "args")
    written = written if written is not None else first(found, "arguments", "input", "parameters")
    return Call(
        text(name) or "unknown",
        arguments_of(written),
        some_text(first(found, "call_id", "id", "tool_call_id")),
    )


def _tagged(tag: str, body: str) -> Call:
    """Return a call that stands between tags: JSON, or a name and then its arguments."""
    body = body.strip()
    found = arguments_of(body)
    if isinstance(found, Mapping) and first(found, "name", "function", "action") is not None:
        return _call({"name": text(first(found, "name", "function", "action")), **found})
    if isinstance(found, Mapping):
        return Call(tag, found)
    name = _NAMED.match(body)
    if name is None:
        return Call(tag, body)
    return Call(name[1], arguments_of(body[name.end() :].strip().strip("()")))
