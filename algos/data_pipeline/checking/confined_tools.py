"""Tools that may be asked about some stretches of a video alone, as what is shown of it.

A tool opens the file by itself, for its sound say, so that a restricted video does not confine it.
Its arguments do: those that look at a video take a `start` and an `end`, and both have to be given,
inside one stretch. A tool without them is only passed what it may see: a path that is no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sage_env.argument_checks import is_finite
from sage_env.deadlines.timed_call import end_idle
from sage_env.errors import ToolInputError
from sage_env.openers import read_restricted
from sage_env.tools.naming import find_tools
from sage_env.tools.tool import Tool, ToolContext

_LIMITS = ("max_calls", "max_text", "timeout")


class ConfinedTool:
    """A tool for videos of `restricted_path`: calls that reach outside of them are refused.

    Args:
        tool: that is called for the others.

    Attributes:
        tool: that tool.
        name, description, parameters: of it.
    """

    def __init__(self, tool: Tool) -> None:
        """Take the tool, with its limits."""
        self.tool = tool
        self.name, self.description = tool.name, tool.description
        self.parameters: Mapping[str, Any] = tool.parameters
        for limit in _LIMITS:
            if (value := getattr(tool, limit, None)) is not None:
                setattr(self, limit, value)

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Call the tool.

        Raises:
            ToolInputError: if it is asked about something outside.
        """
        if not {"start", "end"} <= set(self.parameters.get("properties", ())):
            return self.tool(arguments, replace(context, subtitles=None))
        path, spans = read_restricted(context.path)
        start, end = arguments.get("start"), arguments.get("end")
        inside = (
            is_finite(start) and is_finite(end) and any(a <= start <= end <= b for a, b in spans)
        )
        if not inside:
            told = ", ".join(f"{a:.1f} to {b:.1f} s" for a, b in spans)
            raise ToolInputError(f"give a start and an end within one of the stretches: {told}")
        return self.tool(arguments, replace(context, path=path))


@contextmanager
def confined_tools(tools: Sequence[str]) -> Iterator[list[ConfinedTool]]:
    """Give tools by their names, each confined; their processes end with the block.

    Raises:
        ValueError: if one of them is no tool.
    """
    found = find_tools(tools)
    try:
        yield [ConfinedTool(tool) for tool in found.values()]
    finally:
        end_idle(found.values())
