"""Tools in words: what an agent that writes text has to be told of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sage_env.actions.action import UseTool
from sage_env.actions.action_json import action_to_json
from sage_env.actions.grammar_text import ELLIPSIS, action_lines
from sage_env.tools.tool import Tool


def describe_tools(tools: Iterable[Tool]) -> str:
    """Return three lines per tool for a prompt; "" without tools.

    The first is the JSON object that calls the tool, as `parse_action` reads it, the second the
    tool's description, the third the JSON Schema of its arguments:

        {"thought": "...", "action": "use_tool", "name": "echo", "arguments": {}}
            Repeats a text. The tool's text is shown next. Its arguments, as JSON Schema:
            {"type": "object", "properties": {"text": {"type": "string"}}}

    `env.unwrapped.tools.values()` are the tools of an environment. For APIs that call functions
    there is `sage_env.function_schemas`.
    """
    return "\n".join(_lines(tool) for tool in tools)


def _lines(tool: Tool) -> str:
    does = f"{tool.description} The tool's text is shown next. Its arguments, as JSON Schema:"
    schema = json.dumps(tool.parameters, ensure_ascii=False)
    call = action_to_json(UseTool(tool.name), ELLIPSIS) | {"arguments": {}}
    return f"{action_lines(json.dumps(call, ensure_ascii=False), does)}\n    {schema}"
