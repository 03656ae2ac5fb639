"""Laws of `sage_env.actions.grammar_text`: every action is told, and what is told can be read."""

import hashlib

import pytest

from policies.prompt import SYSTEM
from policies.served.prompt import system_prompt
from sage_env.actions.action import ACTION_NAMES, Invalid, Sample, UseTool
from sage_env.actions.action_text import parse_action, parse_thought
from sage_env.actions.grammar_text import CALL_INSTRUCTIONS, EXAMPLES, JSON_INSTRUCTIONS, TASK
from sage_env.wrappers.chat_observations import SYSTEM as CHAT_SYSTEM
from tests.helpers.tools_to_try import Echo

TRAINED_ON = "71a383df94a6e8a07210b652c52cdabed376308657a33fbc68a532fbadb7dbd2"


def objects(text):
    """Return the lines of a prompt that show how an action is written."""
    return [line for line in text.splitlines() if line.startswith("{")]


def test_every_line_is_the_action_that_it_says():
    read = [parse_action(line) for line in objects(JSON_INSTRUCTIONS)]
    assert read == [action for action, _ in EXAMPLES] and Sample(0.0, 60.0, 8) in read
    assert {parse_thought(line) for line in objects(JSON_INSTRUCTIONS)} == {"..."}


def test_every_action_that_an_agent_may_write_is_told():
    told = [type(parse_action(line)) for line in objects(system_prompt("json", [Echo()]))]
    assert sorted(told, key=repr) == sorted(set(ACTION_NAMES) - {Invalid}, key=repr)
    assert UseTool not in map(type, map(parse_action, objects(JSON_INSTRUCTIONS)))


def test_each_example_says_what_it_does_on_the_next_line():
    lines = JSON_INSTRUCTIONS.splitlines()
    told = {lines[k]: lines[k + 1] for k, line in enumerate(lines) if line.startswith("{")}
    assert list(told.values()) == [f"    {does}" for _, does in EXAMPLES]


def test_the_wording_is_the_one_that_checkpoints_were_trained_on():
    assert hashlib.sha256(JSON_INSTRUCTIONS.encode()).hexdigest() == TRAINED_ON


@pytest.mark.parametrize("text", [SYSTEM["full"], system_prompt("json"), CHAT_SYSTEM])
def test_every_model_that_replies_with_json_is_told_the_same(text):
    assert text == JSON_INSTRUCTIONS and SYSTEM["brief"] == ""


def test_a_model_that_calls_functions_is_told_the_task_and_no_json():
    assert CALL_INSTRUCTIONS.startswith(TASK) and objects(CALL_INSTRUCTIONS) == []
    assert CALL_INSTRUCTIONS == system_prompt("calls", [Echo()])
