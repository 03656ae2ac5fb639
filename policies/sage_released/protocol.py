"""One reply of a released checkpoint, parsed out of the text around its JSON.

The context stage replies with `video_context`, `query_intent`, `final_answer` and
`recommended_tools`, every later turn with `answerable`, `final_answer` and `recommended_tools`,
between `<json>` and `</json>`. Nothing is repaired: a reply that cannot be parsed has a problem.
The format is that of github.com/allenai/SAGE (arXiv 2512.13874).
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sage_env.actions.action_text import MAX_CHARS
from sage_env.actions.json_objects import JsonObject, find_objects, read_object
from sage_env.actions.thoughts import usable_spans
from sage_env.argument_checks import is_finite

Stage = Literal["context", "reasoner"]
"""`context`: the first turn, which sees the frames; `reasoner`: every later one, text only."""

STAGE_KEYS: Mapping[Stage, tuple[str, ...]] = {
    "context": ("video_context", "query_intent", "final_answer", "recommended_tools"),
    "reasoner": ("answerable", "final_answer", "recommended_tools"),
}
_SURROGATE = re.compile("[\ud800-\udfff]")  # half a character, which no tokenizer can encode
_NEITHER = "the reply has neither a final_answer nor a tool call"


@dataclass(frozen=True)
class Call:
    """One entry of `tool_calls`.

    Attributes:
        name: of the tool, as the model wrote it.
        arguments: as the model wrote them.
        rationale: why it is called.
    """

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    rationale: str = ""


@dataclass(frozen=True)
class StageReply:
    """A parsed reply: an `answer`, a `call`, or a `problem` where it is neither.

    Attributes:
        answer: the final answer.
        call: the first of the tool calls; the released code runs no other one.
        context: what the context stage says of the video.
        problem: why the reply is neither, as a sentence without its end.
    """

    answer: str | None = None
    call: Call | None = None
    context: str = ""
    problem: str = ""


def read_reply(text: str, stage: Stage, *, thinking: bool = False) -> StageReply:
    """Parse the first JSON object of `text` that is a reply of that stage; never raises.

    Objects after a `<json>` come first; those in thoughts (`sage_env.actions.thoughts`) are drafts,
    `thinking` says that the prompt has opened them. Which of answer and call counts:

    | stage | the model says | counts |
    |---|---|---|
    | context | a tool is needed, and there is a call | the first call |
    | context | otherwise | the answer |
    | reasoner | the question is answerable | the answer |
    | reasoner | otherwise, and a tool is needed | the first call |

    What counts and is missing is the reply's problem.
    """
    if len(text) > MAX_CHARS:
        return StageReply(
            problem=f"the reply has {len(text)} characters, at most {MAX_CHARS} are read"
        )
    found = find_objects(text)
    usable, unfinished = usable_spans(text, [(o.start, o.end) for o in found], thinking=thinking)
    tag, problem = text.find("<json>"), ""
    for one in sorted(found[usable.start : usable.stop], key=lambda one: one.start < tag):
        if one.value is not None and not set(one.value) & set(STAGE_KEYS[stage]):
            continue  # an object inside one that cannot be read, or something else altogether
        try:
            return _reply(_usable(one), stage)
        except ValueError as error:
            problem = problem or str(error)
    keys = ", ".join(STAGE_KEYS[stage])
    where = ", and the reply ends inside its thoughts" if unfinished else ""
    return StageReply(problem=problem or f"no JSON object was found with the keys {keys}{where}")


def _usable(one: JsonObject) -> dict[str, Any]:
    if one.value is None or one.problem:
        raise ValueError(one.problem)
    return one.value


def _reply(value: Mapping[str, Any], stage: Stage) -> StageReply:
    """Decide between answer and call, by the table of `read_reply`."""
    answer = _answer(value.get("final_answer"))
    tools = _object("recommended_tools", value.get("recommended_tools"))
    calls = _calls(tools.get("tool_calls"))
    needed = _flag("recommended_tools.needed", tools.get("needed"), bool(calls))
    call = calls[0] if calls and needed else None
    if stage == "context":
        context = value.get("video_context")
        context = context if isinstance(context, str) else json.dumps(context, ensure_ascii=False)
        context = _SURROGATE.sub("\ufffd", context)  # it is part of the next prompts
        if call is not None:
            return StageReply(None, call, context)
        return StageReply(answer, None, context, "" if answer else _NEITHER)
    answerable = _object("answerable", value.get("answerable"))
    if _flag("answerable.verdict", answerable.get("verdict"), False):
        lacks = "answerable.verdict is true, but final_answer is empty"
        return StageReply(answer, problem="" if answer else lacks)
    return StageReply(call=call, problem="" if call else _NEITHER)


def _answer(value: object) -> str | None:
    """Return the answer as text; numbers are texts too, lists are not."""
    if value is None or isinstance(value, str):
        return value if value and value.strip() else None
    if is_finite(value):
        return str(value)
    raise ValueError(f"final_answer must be a string or null, got {reprlib.repr(value)}")


def _object(name: str, value: object) -> Mapping[str, Any]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} must be an object, got {reprlib.repr(value)}")
    return value


def _flag(name: str, value: object, default: bool) -> bool:
    """Return a truth value; the text "false" is not true."""
    if value is None:
        return default
    words = {"true": True, "false": False}
    if isinstance(value, str) and value.strip().lower() in words:
        return words[value.strip().lower()]
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false, got {reprlib.repr(value)}")
    return value


def _calls(value: object) -> list[Call]:
    if value is None:
        return []
    listed = [value] if isinstance(value, dict) else value
    if not isinstance(listed, list):
        raise ValueError(f"tool_calls must be a list, got {reprlib.repr(value)}")
    return [_call(one) for one in listed[:1]]


def _call(value: object) -> Call:
    if not isinstance(value, dict) or not isinstance(name := value.get("name"), str):
        raise ValueError(
            f"a tool call must be an object with a name and arguments, got {reprlib.repr(value)}"
        )
    arguments = value.get("arguments")
    if isinstance(arguments, str):  # as function calls of chat APIs have them
        arguments = read_object(arguments)
    rationale = value.get("rationale")
    return Call(
        name.strip(),
        _object(f"the arguments of {reprlib.repr(name)}", arguments),
        rationale if isinstance(rationale, str) else "",
    )
