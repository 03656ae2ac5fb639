"""Laws of `sage_env.tools.reply_schema`: schemas agree with what is read and written."""

import json
import random
from types import SimpleNamespace

import pytest
from jsonschema import Draft202012Validator

from sage_env.actions.action import ACTION_NAMES, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import format_action, parse_action, read_action
from sage_env.tools.reply_schema import action_schema, function_schemas
from tests.helpers.actions.action_samples import random_action, random_words

SAID = {"start": {"type": "number"}, "language": {"type": "string"}}
PARAMETERS = {"type": "object", "properties": SAID, "required": ["start"]}


class DescribedTool(SimpleNamespace):
    def __call__(self, arguments, context):
        return "words"


OCR = DescribedTool(name="ocr", description="Reads.", parameters={"type": "object"})
HEAR = DescribedTool(name="hear", description="Hears.", parameters=PARAMETERS)
UNSAID = ("must be before", "box must be fractions")
"""Words of the reasons that JSON Schema cannot know of."""


def accepts(schema, value):
    return Draft202012Validator(schema).is_valid(value)


def actions(count):
    """Draw actions; those that use a tool use `ocr`."""
    rng = random.Random(0)
    for _ in range(count):
        action = random_action(rng)
        yield UseTool("ocr", action.arguments) if isinstance(action, UseTool) else action


def near(rng):
    """Draw an object that is an action, or nearly."""
    drawn = {
        "to": [0, 1.5, "1", -1, 10**9],
        "start": [0, 0.5, 7, None],
        "end": [1, 7.25, 0, 8],
        "num_frames": [1, 16, 17, 8.0, 0, 1_000_000, 1_000_001, "8", True],
        "box": [[0, 0, 1, 1], [0.5, 0, 0.25, 1], [0, 0, 1], [0, 0, 1, 1.5], None],
        "text": ["", "B", 5, "x" * 8192, "x" * 8193],
        "evidence": [[], [[0, 1]], [[1, 0]], [[0, 1]] * 64, [[0, 1]] * 65, [[0, 1, 2]], [0, 1]],
        "name": ["ocr", "hear", "zoom", ""],
        "arguments": [{}, {"start": 1}, {"start": "1"}, "{}", None],
        "thought": ["why", "", 5],
        "why": [1],
    }
    name = rng.choice(["skip", "sample", "zoom", "answer", "use_tool", "look"])
    wanted = {
        "skip": ["to"],
        "sample": ["start", "end", "num_frames"],
        "zoom": ["start", "end", "num_frames", "box"],
        "answer": ["text", "evidence"],
        "use_tool": ["name", "arguments"],
        "look": ["to"],
    }[name]
    keys = [key for key in [*wanted, "thought"] if rng.random() < 0.9]
    keys += ["why"] if rng.random() < 0.1 else []
    return {"action": name} | {
        key: rng.choice(drawn[key]) if rng.random() < 0.3 else drawn[key][0] for key in keys
    }


def test_the_schema_is_one():
    for schema in (action_schema(), action_schema([OCR, HEAR], 16, thought=False)):
        Draft202012Validator.check_schema(schema)
        assert json.loads(json.dumps(schema)) == schema
    for function in function_schemas([OCR, HEAR]):
        Draft202012Validator.check_schema(function.get("parameters", {}))


def test_what_is_written_is_accepted():
    validator = Draft202012Validator(action_schema([HEAR, OCR]))
    rng = random.Random(1)
    for action in actions(1000):
        thought = rng.choice([None, random_words(rng)])
        assert validator.is_valid(json.loads(format_action(action, thought))), action


def test_what_is_accepted_is_an_action():
    validator = Draft202012Validator(action_schema([OCR, HEAR], max_frames=16))
    rng, accepted, unsaid = random.Random(0), 0, 0
    for _ in range(3000):
        value = near(rng)
        if validator.is_valid(value):
            read = read_action(json.dumps(value))
            accepted += 1
            if isinstance(read.action, Invalid):
                assert any(words in read.action.reason for words in UNSAID), (value, read.action)
                unsaid += 1
            else:
                assert read.notes == ()
    assert 800 < accepted < 2500 and unsaid > 10  # the law is tried, and so are its exceptions


def test_what_a_function_accepts_is_a_call_of_it():
    rng, accepted = random.Random(0), 0
    functions = {
        function["name"]: Draft202012Validator(function["parameters"])
        for function in function_schemas([HEAR], max_frames=16)
    }
    for _ in range(2000):
        value = near(rng)
        name = value.pop("action")
        if name in functions and functions[name].is_valid(value):
            accepted += 1
            for arguments in (value, json.dumps(value)):
                action = parse_action(json.dumps({"name": name, "arguments": arguments}))
                if isinstance(action, Invalid):
                    assert any(words in action.reason for words in UNSAID), (value, action)
                else:
                    assert ACTION_NAMES[type(action)] == name
    assert accepted > 500
    assert functions["hear"].is_valid({"start": 5})
    call = '{"name": "hear", "arguments": {"start": 5}}'
    assert parse_action(call) == UseTool("hear", {"start": 5})


def test_limits_and_tools_are_as_asked_for():
    whole, few = action_schema(), action_schema(max_frames=16)
    value = json.loads(format_action(Sample(0, 1, 17)))
    assert accepts(whole, value) and not accepts(few, value)
    ocr, hear = UseTool("ocr"), UseTool("hear", {"start": 1})
    assert not accepts(whole, json.loads(format_action(ocr)))
    both = action_schema([OCR, HEAR])
    assert accepts(both, json.loads(format_action(ocr)))
    assert accepts(both, json.loads(format_action(hear)))
    assert not accepts(both, json.loads(format_action(UseTool("hear"))))
    assert not accepts(both, json.loads(format_action(UseTool("smell"))))
    thought = json.loads(format_action(Skip(1), "why"))
    assert accepts(whole, thought) and not accepts(action_schema(thought=False), thought)


def test_the_greatest_values_are_accepted_and_no_greater_ones():
    longest, count, spans = "x" * 8192, 1_000_000, ((0, 1),) * 64
    for action in (Sample(0, 1, count), Zoom(0, 1, count), Answer(longest, spans)):
        value = json.loads(format_action(action))
        assert accepts(action_schema(), value)
        for key, more in (("num_frames", 1), ("text", "x"), ("evidence", [[0, 1]])):
            assert key not in value or not accepts(
                action_schema(), value | {key: value[key] + more}
            )


def test_keys_stand_in_the_order_in_which_they_are_written():
    kinds = {tuple(kind["properties"]) for kind in action_schema([OCR])["anyOf"]}
    full = [Skip(1), Sample(0, 1, 1), Zoom(0, 1, 1, (0, 0, 1, 1)), Answer("B", ((0, 1),))]
    full.append(UseTool("ocr", {"a": 1}))
    assert kinds == {tuple(json.loads(format_action(action, "why"))) for action in full}


def test_functions_use_only_what_every_interface_knows():
    def keywords(schema):
        yield from schema
        inner = [*schema.get("properties", {}).values()]
        for one in inner + ([schema["items"]] if "items" in schema else []):
            yield from keywords(one)

    functions = function_schemas()
    assert [function["name"] for function in functions] == ["skip", "sample", "zoom", "answer"]
    for function in functions:
        assert set(function) == {"name", "description", "parameters"}
        assert function["parameters"]["type"] == "object"
        assert list(function["parameters"]["properties"])[0] == "thought"
        assert set(keywords(function["parameters"])) <= {
            *("type", "description", "properties", "required", "items"),
            *("minimum", "maximum", "minItems", "maxItems", "maxLength"),
        }
    assert "thought" not in function_schemas(thought=False)[0]["parameters"]["properties"]


def test_each_tool_is_a_function_of_its_own():
    assert function_schemas([HEAR, OCR])[4:] == [
        {"name": "hear", "description": "Hears.", "parameters": PARAMETERS},
        {"name": "ocr", "description": "Reads."},
    ]


def test_each_schema_is_a_new_one():
    schema, functions = action_schema([HEAR]), function_schemas([HEAR])
    before = json.dumps([schema, functions])
    for kind in schema["anyOf"] + [function["parameters"] for function in functions]:
        for value in kind["properties"].values():
            value["description"] = "mine"
        kind["properties"].clear()
    assert json.dumps([action_schema([HEAR]), function_schemas([HEAR])]) == before


def test_what_cannot_be_offered_is_refused():
    zoom = DescribedTool(name="zoom", description="Zooms.", parameters={"type": "object"})
    for schemas in (action_schema, function_schemas):
        with pytest.raises(ValueError, match="name of an action, got 'zoom'"):
            schemas([zoom])
        with pytest.raises(ValueError, match="two tools have the name 'ocr'"):
            schemas([OCR, OCR])
        with pytest.raises(ValueError, match="max_frames must be from 1 to 1000000, got 0"):
            schemas(max_frames=0)
