"""Laws of `sage_env.tools.tool`, `json_schema`: calls, arguments, failures, what a tool knows."""

import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.actions.action import Answer, Skip, UseTool
from sage_env.env import VideoQAEnv
from sage_env.errors import (
    MissingExtra,
    ResetNeeded,
    ToolError,
    ToolInputError,
    VideoError,
)
from sage_env.spaces import ActionSpace
from sage_env.testing import open_memory
from sage_env.testing.episodes import ITEMS
from sage_env.tools.json_schema import check_parameters, fit_arguments, sample_arguments
from sage_env.tools.tool import MAX_TOOL_TEXT
from tests.helpers.tools_to_try import Blueness, Echo


def start(*tools, item="which", **arguments):
    env = VideoQAEnv(dataset=ITEMS, opener=open_memory, frame_size=(6, 8), tools=tools, **arguments)
    env.reset(options={"item_id": item})
    return env


# Calls


def test_the_text_comes_back_and_costs_a_turn():
    env = start(Echo(), Blueness())
    env.step(Skip(12.0))
    observation, reward, terminated, truncated, info = env.step(
        UseTool("echo", {"text": "Käfer ", "times": 2})
    )
    assert (observation["text"], observation["message"]) == ("Käfer Käfer ", "")
    assert (observation["cursor"], observation["num_frames"]) == (12.0, 0)
    assert (observation["turns_left"], observation["frames_left"]) == (8, 112)
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert (info["action"], info["span"], info["spent"].turns) == ("use_tool", None, 2)
    assert env.history.looks[-1].text == "Käfer Käfer " and not env.history.looks[-1].refused
    assert observation in env.observation_space
    for name in ("blueness", "functions.blueness"):
        observation = env.step(UseTool(name, {"at": 7.3}))[0]
        assert observation["text"] == "124.7 at 7.0 s of 60 s"
    assert env.step(Skip(1.0))[0]["text"] == ""
    assert list(env.tools) == ["echo", "blueness"]


@pytest.mark.parametrize(
    ("action", "words"),
    [
        (UseTool("ecco", {}), "There is no tool 'ecco': the tools are echo, blueness."),
        (UseTool("tools.ecco", {}), "There is no tool 'tools.ecco': the tools are echo"),
        (UseTool("x" * 8000, {}), "There is no tool 'xxxxxxxxxxxx...xxxxxxxxxxxxx': "),
        (UseTool("echo", {}), "arguments: text is missing: the keys are text, times"),
        (UseTool("echo", {"text": "a", "tmes": 1}), "arguments: 'tmes' is not known: the keys"),
        (UseTool("echo", {"text": 3}), "arguments.text must be of type string, got 3"),
        (UseTool("echo", {"text": "a", "times": 6}), "arguments.times must be from 0 to 5, got 6"),
        (UseTool("echo", {"text": "a", "times": 1.5}), "must be of type integer, got 1.5"),
        (UseTool("echo", {"text": "a", "times": True}), "must be of type integer, got True"),
        (UseTool("echo", {"text": "refuse"}), "echo cannot be used so: not ? that"),
        (UseTool("echo", {"text": "ramble"}), "x…"),
    ],
)
def test_the_agents_mistakes_are_said_and_cost_a_turn(action, words):
    faults = {"refuse": ToolInputError("not \ud800 that"), "ramble": ToolInputError("x" * 9999)}
    env = start(Echo(faults), Blueness())
    observation, reward, terminated, _, info = env.step(action)
    assert words in observation["message"] and len(observation["message"]) < 1_100
    assert (observation["text"], reward, terminated) == ("", 0.0, False)
    assert observation["turns_left"] == 9 and observation in env.observation_space
    assert env.history.looks[-1].refused
    assert env.step(Answer("star"))[1] == 1.0


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ZeroDivisionError("oh"), "the tool 'echo' failed on item 'which': ZeroDivisionError: oh"),
        (VideoError("torn"), "VideoError: torn"),
        (b"bytes", "must return a string without lone surrogates, got b'bytes'"),
        (17, "must return a string"),
        ("\ud800", "lone surrogates"),
    ],
)
def test_a_tool_that_fails_ends_the_episode_without_a_reward(fault, words):
    env = start(Echo({"x": fault}))
    with pytest.raises(ToolError, match=words):
        env.step(UseTool("echo", {"text": "x"}))
    with pytest.raises(ResetNeeded):
        env.step(Skip(1))
    env.reset()
    assert env.step(Skip(1))[0]["turns_left"] == 9


def test_a_missing_package_is_told_as_it_is():
    env = start(Echo({"x": MissingExtra("pip install …")}))
    with pytest.raises(MissingExtra):
        env.step(UseTool("echo", {"text": "x"}))


def test_long_replies_are_cut_and_empty_ones_said():
    env = start(Echo({"long": "ab" * MAX_TOOL_TEXT, "just": "c" * MAX_TOOL_TEXT}))
    observation = env.step(UseTool("echo", {"text": "long"}))[0]
    assert observation["text"] == "ab" * (MAX_TOOL_TEXT // 2)
    assert observation["message"] == "The text of echo was cut to 8192 of 16384 characters."
    observation = env.step(UseTool("echo", {"text": "just"}))[0]
    assert (len(observation["text"]), observation["message"]) == (MAX_TOOL_TEXT, "")
    observation = env.step(UseTool("echo", {"text": "a", "times": 0}))[0]
    assert (observation["text"], observation["message"]) == ("", "echo found nothing to say.")
    assert not env.history.looks[-1].refused


# What a tool gets


def test_the_context_holds_the_question_and_not_the_answer():
    echo = Echo()
    env = start(echo, item="which")
    env.step(Skip(20.0))
    env.step(UseTool("echo", {"text": "a"}))
    arguments, context = echo.calls[-1]
    assert (context.question, context.choices) == (ITEMS[0].question, ITEMS[0].choices)
    assert (context.path, context.duration, context.cursor) == (Path("60.memory"), 60.0, 20.0)
    assert context.history.actions == (Skip(20.0),) and len(context.history.looks) == 2
    item = context.history.item
    assert (item.id, item.question, item.video) == ("which", ITEMS[0].question, Path("60.memory"))
    assert (item.answer, item.aliases, item.evidence, item.group) == ("", (), (), {})
    assert (item.tolerance, context.history.evidence_recall) == (None, None)
    with pytest.raises(AttributeError):
        context.cursor = 3.0
    assert env.history.item is ITEMS[0]


def test_nothing_that_a_tool_can_reach_names_the_answer():
    item = ITEMS[1]
    echo = Echo()
    env = start(echo, item=item.id)
    env.step(UseTool("echo", {"text": "a"}))
    reached, queue = set(), [echo.calls[-1][1]]
    while queue:
        thing = queue.pop()
        if id(thing) in reached or isinstance(thing, type | np.ndarray) or callable(thing):
            continue
        reached.add(id(thing))
        assert thing is not item and thing != item.answer
        if isinstance(thing, dict):
            queue += [*thing, *thing.values()]
        elif isinstance(thing, tuple | list):
            queue += thing
        queue += vars(thing).values() if hasattr(thing, "__dict__") else []
    assert len(reached) > 20


def test_arguments_are_the_tools_own():
    class Greedy(Echo):
        def __call__(self, arguments, context):
            return str(arguments.clear())

    action = UseTool("echo", {"text": "a"})
    env = start(Greedy())
    env.step(action)
    assert action.arguments == {"text": "a"} == env.history.actions[0].arguments


def test_the_video_of_a_tool_is_that_of_its_turn_and_not_its_to_close():
    class Looking(Echo):
        def __call__(self, arguments, context):
            super().__call__(arguments, context)
            video = context.video
            video.close()
            assert not env._viewer._video.closed
            assert video.frames_at([1.0, 2.0]).pixels.shape == (2, 48, 64, 3)
            whole = video.frames_at([1.0], size=(9, 9), box=(0, 0, 1, 0.5))
            assert whole.pixels.shape == (1, 9, 9, 3)
            assert video.frames_at([]).seconds.shape == (0,)
            assert (video.duration, video.fps) == (60.0, 2.0)
            return "looked"

    echo = Looking()
    env = start(echo)
    before = env.history.spent.decode_seconds
    assert env.step(UseTool("echo", {"text": "a"}))[0]["text"] == "looked"
    assert env.history.spent.decode_seconds > before and env.history.spent.frames_shown == 16
    video = echo.calls[-1][1].video
    for _ in range(2):  # it ends with the call, and at the latest with the episode
        with pytest.raises(VideoError, match="one call, which is over.* do not keep it"):
            video.frames_at([1.0])
        env.reset(options={"item_id": "when"})


# What is a tool


def tool(**attributes):
    made = Echo()
    for name, value in attributes.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (Echo(), r"must be a list of tools, got .*write tools=\[tool\]"),
        ("echo", "must be a list of tools"),
        (["echo"], "no tool has the name .echo.: there are transcribe, ground"),
        ([Echo(), Blueness(), Echo()], "two tools have the name 'echo'"),
        ([Echo], "'echo' must be callable as tool.arguments, context."),
        ([lambda arguments, context: ""], "must have a name"),
        ([tool(name="two words")], "1 to 64 letters, digits, _ and -, got 'two words'"),
        ([tool(name="zoom")], "no tool may have the name of an action, got 'zoom'"),
        ([tool(description=" ")], "'echo' must have a description"),
        ([tool(parameters=None)], "'echo': a tool's parameters must be a JSON Schema of an object"),
        ([tool(parameters={"properties": {}})], "JSON Schema of an object"),
        ([tool(parameters={"type": "object", "properties": {"a": {"type": "text"}}})],
         "the type of parameters.a must be of string, .* got 'text'"),
        ([tool(parameters={"type": "object", "required": ["a"]})], "requires must be a list of"),
        ([tool(parameters={"type": "object", "x": {1, 2}})], "written as JSON"),
    ],
)  # fmt: skip
def test_what_is_no_tool_is_refused_at_make(tools, words):
    with pytest.raises(ValueError, match=words):
        VideoQAEnv(dataset=ITEMS, opener=open_memory, tools=tools)


# Schemas


def of(**properties):
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"enum": []}, "the enum of parameters.a must be a list"),
        ({"type": "string", "enum": ["x", 3]}, "holds 3, but it must be of type string"),
        ({"minimum": "1"}, "limits of parameters.a must be numbers"),
        ({"minimum": 1e300}, "limits of parameters.a must be numbers"),
        ({"minimum": 3, "maximum": 2}, "must be a number within the limits"),
        ({"type": "integer", "minimum": 0.2, "maximum": 0.8}, "must be a number within"),
        ({"type": "array", "items": "string"}, "the items of parameters.a must be a JSON Schema"),
        ({"type": "array", "items": {"type": "list"}}, "the type of the items of parameters.a"),
        ({"type": ["string", ["null"]]}, "the type of parameters.a"),
        (7, "parameters.a must be a JSON Schema, got 7"),
        (
            {"type": "object", "additionalProperties": 7},
            "additionalProperties of parameters.a must",
        ),
        ({"type": "object", "properties": 3}, "the properties of parameters.a must be an object"),
    ],
)
def test_a_schema_that_says_nothing_sensible_is_refused(schema, words):
    with pytest.raises(ValueError, match=words):
        check_parameters(of(a=schema))


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "number"}, [1, 1.5, -3, 10**300], [True, "1", None, [1], 10**400]),
        ({"type": "integer"}, [1, 8.0, -3, 10**400], [True, 8.5, "8", None]),
        ({"type": "boolean"}, [True, False], [0, 1, "true"]),
        ({"type": ["string", "null"]}, ["", "ä", None], [0, False, {}]),
        ({"type": "number", "minimum": 0}, [0, 10**300], [10**400, -(10**400)]),
        ({"type": "array"}, [[1.5, "a"]], [[10**400]]),
        ({"enum": ["a", 1, None]}, ["a", 1, 1.0, None], ["b", True, 0, {}]),
        ({"type": "number", "minimum": 0, "maximum": 1}, [0, 1, 0.5], [-1, 1.01, 10**400]),
        ({"type": "array", "items": {"type": "integer"}}, [[], [1, 2.0]], [[1, "2"], {}, "12"]),
        (of(b={"type": "string"}), [{}, {"b": "x"}], [{"b": 1}, {"c": 1}, []]),
        ({"type": "object"}, [{}, {"any": ["thing"]}], [3]),
        ({"type": "object", "additionalProperties": False}, [{}], [{"any": 1}]),
        ({**of(), "additionalProperties": {"type": "null"}}, [{}, {"c": None}], [{"c": 1}]),
        ({}, [1, "a", None, [1, {"x": 2}]], []),
    ],
)
def test_what_fits_is_copied_and_what_does_not_is_named(schema, good, bad):
    outer = of(a=schema)
    check_parameters(outer)
    for value in good:
        given_ = {"a": value}
        fitted = fit_arguments(given_, outer)
        assert fitted == given_
        assert not isinstance(value, list | dict) or fitted["a"] is not value
    for value in bad:
        with pytest.raises(ToolInputError, match=r"arguments\.a"):
            fit_arguments({"a": value}, outer)


def test_whole_numbers_become_int_where_they_are_asked_for():
    schema = of(n={"type": "integer"}, x={"type": "number"}, m={"type": ["integer", "null"]})
    fitted = fit_arguments({"n": 8.0, "x": 8.0, "m": 3.0}, schema)
    assert [type(fitted[key]) for key in "nxm"] == [int, float, int]


def test_deep_nests_are_the_agents_mistake():
    nest: list[object] = []
    for _ in range(3_000):
        nest = [nest]
    with pytest.raises(ToolInputError, match="nested too deeply"):
        fit_arguments({"a": nest}, of(a={}))


limits = st.integers(-(2**40), 2**40)
leaves = st.one_of(
    st.just({}),
    st.sampled_from(["string", "boolean", "null"]).map(lambda name: {"type": name}),
    st.tuples(st.sampled_from(["number", "integer"]), st.lists(limits, max_size=2)).map(
        lambda pair: {"type": pair[0]} | dict(zip(["minimum", "maximum"], sorted(pair[1])))  # noqa: B905
    ),
    limits.map(lambda most: {"type": ["integer", "null"], "maximum": most}),
    st.lists(st.one_of(st.text(), limits), min_size=1).map(lambda values: {"enum": values}),
)
schemas = st.recursive(
    leaves,
    lambda inner: st.one_of(
        inner.map(lambda items: {"type": "array", "items": items}),
        st.dictionaries(st.text(max_size=3), inner, max_size=3).map(
            lambda properties: of(**properties) | {"required": sorted(properties)[::2]}
        ),
    ),
    max_leaves=6,
)


@given(st.dictionaries(st.text(max_size=3), schemas, max_size=3), st.integers(0, 99))
def test_samples_fit_and_can_be_actions(properties, seed):
    schema = of(**properties) | {"required": list(properties)[:1]}
    check_parameters(schema)
    drawn = sample_arguments(schema, np.random.default_rng(seed), 10.0)
    fitted = fit_arguments(drawn, schema)
    assert fitted == drawn == dict(UseTool("x", drawn).arguments)
    assert drawn == sample_arguments(schema, np.random.default_rng(seed), 10.0)
    assert {*schema["required"]} <= {*drawn} <= {*properties}


# The action space


def test_tools_are_in_the_action_space_where_there_are_some():
    env = start(Echo(), Blueness())
    space = env.action_space
    space.seed(0)
    drawn = [space.sample() for _ in range(300)]
    assert all(action in space for action in drawn)
    calls = [action for action in drawn if isinstance(action, UseTool)]
    assert {action.name for action in calls} == {"echo", "blueness"} and 30 < len(calls) < 90
    for call in calls:
        fit_arguments(call.arguments, env.tools[call.name].parameters)
    assert UseTool("echo") in space and UseTool("transcribe") not in space
    assert UseTool("echo") not in start().action_space
    assert not any(isinstance(start().action_space.sample(), UseTool) for _ in range(50))
    copies = [deepcopy(space), pickle.loads(pickle.dumps(space))]
    following = space.sample()
    assert all(copied == space and copied.sample() == following for copied in copies)
    assert space != ActionSpace(space.duration, space.max_frames)
    with pytest.raises(ValueError, match="JSON Schema"):
        ActionSpace(tools={"x": {}})
