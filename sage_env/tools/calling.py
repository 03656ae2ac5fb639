"""One call of a tool: its limits, its deadline, and what came of it."""

from __future__ import annotations

import reprlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from sage_env.actions.action import UseTool, is_unicode
from sage_env.actions.function_name import bare_name
from sage_env.deadlines.timed_call import CALL_TIMEOUT, timed_call
from sage_env.errors import (
    MissingExtra,
    ToolError,
    ToolInputError,
    ToolTimeout,
    boundary,
    error_text,
)
from sage_env.history import History
from sage_env.tools.json_schema import fit_arguments
from sage_env.tools.paid_text import PaidText, usage_of
from sage_env.tools.quoting import one_line, plain_text
from sage_env.tools.reply_cache import call_or_recall
from sage_env.tools.tool import MAX_TOOL_TEXT, Tool, ToolContext, tool_context

if TYPE_CHECKING:
    from sage_env.frames import Video

OK, REFUSED, UNKNOWN, LATE, FAILED = "ok", "refused", "unknown", "late", "failed"
"""The outcomes of a call: the tool answered; the arguments, or one call more, do not suit it; there
is no such tool; it took too long; it raised an error, which ends the episode. The second and the
third are the agent's mistakes, the last two are ours."""
OUTCOMES = (OK, REFUSED, UNKNOWN, LATE, FAILED)
"""All of them, in the order in which they are told."""
_MAX_MESSAGE = 1_000  # characters of a message, which the agent reads in its next prompt


class ToolReply(NamedTuple):
    """What came of one call, as `call_tool` tabulates it.

    Attributes:
        text: what the tool returned, cut to what it may return.
        message: what the agent is told about the call, or `""`.
        outcome: one of `OUTCOMES`, but `FAILED`, which is a `ToolError`.
        usage: what the models that the tool asked took, see `PaidText`; `None` for none.
    """

    text: str
    message: str = ""
    outcome: str = OK
    usage: Mapping[str, Any] | None = None

    @property
    def refused(self) -> bool:
        """Return whether the call was the agent's mistake."""
        return self.outcome in (REFUSED, UNKNOWN)


def call_tool(
    tools: Mapping[str, Tool],
    action: UseTool,
    history: History,
    view: Callable[[], Video],
    cursor: float,
    *,
    timeout: float | None = CALL_TIMEOUT,
) -> ToolReply:
    """Call the tool that `action` names, if there is one and the arguments fit.

    A namespace before the name is none of it, see `sage_env.actions.function_name`.

    | the call | text | message | outcome |
    |---|---|---|---|
    | names no tool | "" | which there are | `unknown` |
    | does not fit the parameters, or is one more than `max_calls` | "" | why | `refused` |
    | the tool raises `ToolInputError` | "" | what it said | `refused` |
    | takes longer than it may | "" | so | `late` |
    | gives no text | "" | so | `ok` |
    | gives more characters than it may | the first of them | that it was cut | `ok` |
    | gives text | the text | "" | `ok` |

    Args:
        tools: those of the episode, by name.
        action: the call.
        history: the turns before it.
        view: opens the video for the tool; not called where the call is refused.
        cursor: seconds.
        timeout: seconds that the call may take where the tool does not say; `None` for no limit.

    Raises:
        ToolError: if the tool fails.
        VideoError: if the video cannot be opened for it.
        MissingExtra: if it needs a package that is not installed.
    """
    tool = tools.get(bare_name(action.name, tools))
    if tool is None:
        there = f"the tools are {', '.join(tools)}" if tools else "there are no tools here"
        told = f"There is no tool {reprlib.repr(action.name)}: {there}."
        return ToolReply("", told, UNKNOWN)
    limit = getattr(tool, "timeout", None) or timeout
    try:
        _require_calls_left(tool, tools, history)
        arguments = fit_arguments(action.arguments, tool.parameters)
        text = _text(tool, arguments, tool_context(history, view(), cursor), limit)
    except ToolInputError as error:
        told = f"{tool.name} cannot be used so: {agent_message(error_text(error))}"
        return ToolReply("", told, REFUSED)
    except ToolTimeout:
        told = f"{tool.name} took too long and was ended: it is not your mistake."
        return ToolReply("", told, LATE)
    return _cut(text, tool)


def _require_calls_left(tool: Tool, tools: Mapping[str, Tool], history: History) -> None:
    """Refuse one call more than a tool may have in an episode; refused calls do not count."""
    most: int | None = getattr(tool, "max_calls", None)
    if most is None:
        return
    calls = sum(
        isinstance(action, UseTool)
        and bare_name(action.name, tools) == tool.name
        and look.outcome in (OK, LATE)
        for action, look in zip(history.actions, history.looks[1:], strict=True)
    )
    if calls >= most:
        raise ToolInputError(f"it may be called {most} times in an episode, and has been")


def _cut(text: str, tool: Tool) -> ToolReply:
    """Return a reply as the agent may have it."""
    if not text:
        return ToolReply("", f"{tool.name} found nothing to say.", usage=usage_of(text))
    most = min(getattr(tool, "max_text", None) or MAX_TOOL_TEXT, MAX_TOOL_TEXT)
    if len(text) > most:
        cut = f"The text of {tool.name} was cut to {most} of {len(text)} characters."
        return ToolReply(str(text[:most]), cut, usage=usage_of(text))
    return ToolReply(str(text), usage=usage_of(text))


def _text(
    tool: Tool, arguments: dict[str, Any], context: ToolContext, timeout: float | None
) -> str:
    """Return what the tool returns, if it is text, without what is not seen in it."""
    item = context.history.item.id
    what = f"the tool {tool.name!r} on item {item!r}"
    failed = f"the tool {tool.name!r} failed on item {item!r}"
    with boundary(ToolError, failed, passes=(ToolInputError, MissingExtra, ToolTimeout)):
        given = arguments, context
        text: object = timed_call(tool, given, timeout, ToolTimeout, what, through=call_or_recall)
    if not isinstance(text, str) or not is_unicode(text):
        law = f"the tool {tool.name!r} must return a string without lone surrogates"
        raise ToolError(f"{law}, got {text!a:.80} on item {item!r}")
    return PaidText(plain_text(text), usage_of(text))


def agent_message(text: str) -> str:
    """Return words for the agent as `message` can hold them: one line, and not too long."""
    told = one_line(text.encode(errors="replace").decode())
    return told if len(told) <= _MAX_MESSAGE else told[:_MAX_MESSAGE] + "…"
