"""Laws of `sage_env.tools.tool_prompt`: a tool is told as it is called."""

import json

from sage_env.actions.action import UseTool
from sage_env.actions.action_text import parse_action
from sage_env.tools.tool_prompt import describe_tools
from tests.helpers.tools_to_try import Blueness, Echo


def test_each_tool_is_told_by_a_call_a_description_and_a_schema():
    tools = [Echo(), Blueness()]
    lines = describe_tools(tools).splitlines()
    assert len(lines) == 3 * len(tools)
    for k, tool in enumerate(tools):
        call, does, schema = lines[3 * k : 3 * k + 3]
        assert parse_action(call) == UseTool(tool.name, {})
        assert json.loads(call)["arguments"] == {}  # the key is shown, or nobody would know of it
        assert does.startswith(f"    {tool.description}")
        assert json.loads(schema) == tool.parameters


def test_no_tools_are_no_text():
    assert describe_tools([]) == ""
