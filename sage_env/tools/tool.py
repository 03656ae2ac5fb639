"""Tools: what an agent can call by name beside looking, to get text about the video."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from sage_env.actions.action import ACTION_NAMES, is_unicode
from sage_env.argument_checks import is_number, is_whole
from sage_env.datasets.item import QAItem
from sage_env.history import History
from sage_env.tools.json_schema import check_parameters

if TYPE_CHECKING:
    from sage_env.frames import Video

MAX_TOOL_TEXT = 8_192
"""Most characters of a tool's reply; the rest is cut, and the agent told so.

A choice, some 2,000 tokens of English: raise it for models with long contexts.
"""
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
        subtitles: path of what is said in the video, see `sage_env.subtitles`; `None` where there
            is none.
        subtitles_start: seconds at which the video begins on the clock of its subtitles.
    """

    question: str
    choices: tuple[str, ...]
    path: Path
    video: Video
    duration: float
    cursor: float
    history: History
    subtitles: Path | None = None
    subtitles_start: float = 0.0


class Tool(Protocol):
    """The protocol of a tool; any object with these is one, there is no base class.

    Attributes:
        name: what the agent calls it: 1 to 64 letters, digits, `_` and `-`.
        description: what it does, for the agent to read.
        parameters: JSON Schema of its arguments, an object; see `sage_env.tools.json_schema`.

    A tool may also have these, which the environment enforces; `None` is as if it had not:

        max_calls: how often it may be called in one episode.
        max_text: most characters of its reply, if fewer than `MAX_TOOL_TEXT`.
        timeout: seconds that one call may take, in place of the environment's `call_timeout`.
        cache_key: a method that says what a reply depends on, see `sage_env.tools.reply_cache`.
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
    _check_limits(tool, name)


def _check_limits(tool: Tool, name: str) -> None:
    """Check what a tool says of how often, how long and how much it may be used."""
    for limit, whole in (("max_calls", True), ("max_text", True), ("timeout", False)):
        value = getattr(tool, limit, None)
        if value is None:
            continue
        if not (is_whole(value) if whole else is_number(value)) or value <= 0:
            kind = "a whole number from 1 on" if whole else "seconds above 0"
            raise ValueError(f"{limit} of the tool {name!r} must be {kind} or None, got {value!r}")


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
        subtitles=item.subtitles,
        subtitles_start=item.subtitles_start,
    )
