"""Tools: what an agent can call by name beside looking, to get text about the video."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

from sage_env.actions.action import ACTION_NAMES, UseTool, is_unicode
from sage_env.actions.function_name import bare_name
from sage_env.datasets.item import QAItem
from sage_env.deadlines.own_process import OwnProcess
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
from sage_env.object_reference import is_reference
from sage_env.tools.json_schema import check_parameters, fit_arguments

if TYPE_CHECKING:
    from sage_env.frames import Video

MAX_TOOL_TEXT = 8_192
"""Most characters of a tool's reply; the rest is cut, and the agent told so.

A choice, some 2,000 tokens of English: raise it for models with long contexts.
"""
_MAX_MESSAGE = 1_000  # characters of a message, which the agent reads in its next prompt
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class ToolContext:
    """The episode as a tool sees it: no more than the agent knows, but for the video itself.

    Attributes:
        question: what is asked.
        choices: the choices in order; `()` when open-ended.
        path: of the video file.
        video: the open video. Reading any of its frames costs the agent nothing but the turn, and
            counts in `Spent.frames_decoded`; `close` does nothing. It ends with the call: a thread
            that outlives it gets a `VideoError`.
        duration: seconds of the video.
        cursor: seconds.
        history: the turns before this one. Its `item` has no answer, aliases, tolerance, evidence
            or group.
    """

    question: str
    choices: tuple[str, ...]
    path: Path
    video: Video
    duration: float
    cursor: float
    history: History


class Tool(Protocol):
    """The protocol of a tool; any object with these is one, there is no base class.

    Attributes:
        name: what the agent calls it: 1 to 64 letters, digits, `_` and `-`.
        description: what it does, for the agent to read.
        parameters: JSON Schema of its arguments, an object; see `sage_env.tools.json_schema`.
    """

    @property
    def name(self) -> str:
        """Return the name."""

    @property
    def description(self) -> str:
        """Return what it does."""

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the schema of the arguments."""

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return text for the agent. Same arguments and context, same text.

        Args:
            arguments: the tool's own copy; they fit `parameters`.
            context: of the episode.

        Raises:
            ToolInputError: if the arguments do not suit it: the agent's mistake, who is told.
            Exception: any other one is a failure of ours, and ends the episode as a `ToolError`.
        """


class ToolReply(NamedTuple):
    """The outcome of one call, as `call_tool` tabulates it.

    Attributes:
        text: what the tool returned, cut to `MAX_TOOL_TEXT` characters.
        message: what the agent is told about the call, or `""`.
        refused: whether the call was the agent's mistake.
    """

    text: str
    message: str = ""
    refused: bool = False


def find_tools(tools: Sequence[Tool | str]) -> dict[str, Tool]:
    """Return the tools by name, in order; those named `package.module:name` as `OwnProcess`.

    Raises:
        ValueError: if one of them is not a tool, or two have one name.
    """
    if isinstance(tools, str) or not isinstance(tools, Sequence):
        raise ValueError(f"tools must be a list of tools, got {tools!r}: write tools=[tool]")
    found: dict[str, Tool] = {}
    for given in tools:
        tool = _named_tool(given) if isinstance(given, str) else given
        check_tool_object(tool)
        if tool.name in found:
            raise ValueError(f"two tools have the name {tool.name!r}: rename one")
        found[tool.name] = tool
    return found


def _named_tool(name: str) -> Tool:
    """Return the tool `package.module:name`, in a process of its own."""
    if not is_reference(name):
        raise ValueError(
            f"no tool comes with this version, so none by the name {name!r}: pass an object as "
            "sage_env.tools.Tool describes it, or its 'package.module:name'"
        )
    return cast(Tool, OwnProcess(name))  # which has what the tool has


def check_tool_object(tool: Tool) -> None:
    """Check that an object has what `Tool` asks for; it is not called.

    Raises:
        ValueError: saying what it lacks.
    """
    name = getattr(tool, "name", None)
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            "a tool must have a name of 1 to 64 letters, digits, _ and -, got "
            f"{name!r} for {tool!r}"
        )
    if name in ACTION_NAMES.values():  # models call tools and actions in one way
        raise ValueError(f"no tool may have the name of an action, got {name!r}: rename it")
    description = getattr(tool, "description", None)
    if not isinstance(description, str) or not description.strip() or not is_unicode(description):
        raise ValueError(f"the tool {name!r} must have a description, got {description!r}")
    if isinstance(tool, type) or not callable(tool):
        hint = ": give an instance of the class" if isinstance(tool, type) else ""
        raise ValueError(f"the tool {name!r} must be callable as tool(arguments, context){hint}")
    try:
        check_parameters(getattr(tool, "parameters", None))
    except ValueError as error:
        raise ValueError(f"the tool {name!r}: {error}") from None


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

    | the call | text | message | refused |
    |---|---|---|---|
    | names no tool, or its arguments do not fit | "" | why | yes |
    | the tool raises `ToolInputError` | "" | what it said | yes |
    | gives no text | "" | so | no |
    | gives more than `MAX_TOOL_TEXT` characters | the first of them | that it was cut | no |
    | gives text | the text | "" | no |

    Args:
        tools: those of the episode, by name.
        action: the call.
        history: the turns before it.
        view: opens the video for the tool; not called where the call is refused.
        cursor: seconds.
        timeout: seconds that the call may take; `None` for no limit.

    Raises:
        ToolTimeout: if the tool takes longer.
        ToolError: if the tool fails.
        VideoError: if the video cannot be opened for it.
        MissingExtra: if it needs a package that is not installed.
    """
    tool = tools.get(bare_name(action.name, tools))
    if tool is None:
        there = f"the tools are {', '.join(tools)}" if tools else "there are no tools here"
        return ToolReply("", f"There is no tool {reprlib.repr(action.name)}: {there}.", True)
    try:
        arguments = fit_arguments(action.arguments, tool.parameters)
        text = _text(tool, arguments, tool_context(history, view(), cursor), timeout)
    except ToolInputError as error:
        return ToolReply(
            "", f"{tool.name} cannot be used so: {agent_message(error_text(error))}", True
        )
    if not text:
        return ToolReply("", f"{tool.name} found nothing to say.")
    if len(text) > MAX_TOOL_TEXT:
        cut = f"The text of {tool.name} was cut to {MAX_TOOL_TEXT} of {len(text)} characters."
        return ToolReply(text[:MAX_TOOL_TEXT], cut)
    return ToolReply(text)


def _text(
    tool: Tool, arguments: dict[str, Any], context: ToolContext, timeout: float | None
) -> str:
    """Return what the tool returns, if it is text."""
    item = context.history.item.id
    what = f"the tool {tool.name!r} on item {item!r}"
    failed = f"the tool {tool.name!r} failed on item {item!r}"
    with boundary(ToolError, failed, passes=(ToolInputError, MissingExtra, ToolTimeout)):
        text: object = timed_call(tool, (arguments, context), timeout, ToolTimeout, what)
    if not isinstance(text, str) or not is_unicode(text):
        law = f"the tool {tool.name!r} must return a string without lone surrogates"
        raise ToolError(f"{law}, got {text!a:.80} on item {item!r}")
    return text


def tool_context(history: History, video: Video, cursor: float) -> ToolContext:
    """Return what a tool may know; nothing in it says what the right answer is."""
    item = history.item
    told = QAItem(
        item.id, item.video, item.question, item.choices, kind=item.kind, duration=item.duration
    )
    return ToolContext(
        question=item.question,
        choices=item.choices,
        path=item.video,
        video=video,
        duration=video.duration,
        cursor=cursor,
        history=replace(history, item=told),
    )


def agent_message(text: str) -> str:
    """Return words for the agent as `message` can hold them: Unicode, not too long."""
    told = text.encode(errors="replace").decode()
    return told if len(told) <= _MAX_MESSAGE else told[:_MAX_MESSAGE] + "…"
