"""Tools by name, with settings: `transcribe`, `ground?server=http://localhost:8000/v1`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from functools import lru_cache
from typing import cast

from sage_env.deadlines.own_process import OwnProcess
from sage_env.deadlines.plug_in_settings import split_settings
from sage_env.object_reference import is_reference
from sage_env.tools.tool import Tool, check_tool_object

NAMED: Mapping[str, str] = {
    "transcribe": "sage_env.tools.speech.transcribe:Transcribe",
    "ground": "sage_env.tools.grounding.ground:Ground",
    "search": "sage_env.tools.web.search:Search",
    "read_page": "sage_env.tools.web.read_page:ReadPage",
    "analyze": "policies.tools.analyze:Analyze",
}
"""The tools that have a name: where their classes are. References, as a user's are: nothing here
imports what stands above."""


def find_tools(tools: Sequence[Tool | str]) -> dict[str, Tool]:
    """Return the tools by their names, in order; those that are named by text as `OwnProcess`.

    Args:
        tools: objects, names of `NAMED`, or `"package.module:name"`; a name may be followed by
            settings, `?key=value&key=value`, which are arguments of the tool's class.

    Raises:
        ValueError: if one of them is not a tool, or two have one name.
        SageEnvError: what a named tool says that cannot be made, such as a missing package.
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


def _named_tool(written: str) -> Tool:
    """Return the tool of a name, in a process of its own."""
    name, settings = split_settings(written)
    reference = NAMED.get(name, name)
    if not is_reference(reference):
        raise ValueError(
            f"no tool has the name {name!r}: there are {', '.join(NAMED)}; or pass an object as "
            "sage_env.tools.Tool describes it, or its 'package.module:name'"
        )
    if name not in NAMED:
        return cast(Tool, OwnProcess(reference, settings))  # which has what the tool has
    try:
        return cast(Tool, copy(_described(reference, tuple(settings.items()))))
    except ValueError as error:
        said = error.__cause__ if isinstance(error.__cause__, ValueError) else error
        raise ValueError(f"the tool {name!r} cannot be had: {said}") from error


@lru_cache(maxsize=64)
def _described(reference: str, settings: tuple[tuple[str, str], ...]) -> OwnProcess:
    """Return a tool of ours, asked once in a process what it is: environments have copies of it."""
    return OwnProcess(reference, dict(settings)).described()
