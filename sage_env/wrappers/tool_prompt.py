"""Tools in words: what an agent that writes text has to be told of them."""

from __future__ import annotations

import json
from collections.abc import Iterable

from sage_env.actions.action import ACTION_NAMES, UseTool
from sage_env.tools.tool import Tool


def describe_tools(tools: Iterable[Tool]) -> str:
    """Return a paragraph per tool for a prompt; "" without tools.

    It has the JSON object that calls the tool, as `parse_action` reads it, the tool's description
    and the JSON Schema of its arguments. `env.unwrapped.tools.values()` are the tools of an
    environment. For APIs that call functions there is `sage_env.function_schemas`.
    """
    paragraphs = []
    for tool in tools:
        call = {"action": ACTION_NAMES[UseTool], "name": tool.name, "arguments": {}}
        written = json.dumps(call, ensure_ascii=False).replace("{}", "{\u2026}")
        schema = json.dumps(tool.parameters, ensure_ascii=False)
        paragraphs.append(
            f"{written} calls a tool, whose text is shown next. {tool.description} "
            f"JSON Schema of its arguments: {schema}"
        )
    return "\n".join(paragraphs)
