"""Laws of `sage_env.wrappers.chat_observations`, `chat_space`: a conversation only grows."""

from __future__ import annotations

import base64
import copy
import io
import json
import pickle
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sage_env import (
    Answer,
    Invalid,
    QAItem,
    Sample,
    Skip,
    UseTool,
    Zoom,
    format_action,
    parse_action,
)
from sage_env.testing import open_memory
from sage_env.tools.quoting import quoted
from sage_env.wrappers import ChatObservations, ChatSpace, TextActions, describe_tools
from sage_env.wrappers.chat_observations import SYSTEM
from tests.helpers.painted import SIZE, make
from tests.helpers.tools_to_try import Blueness, Echo

ACTIONS = [
    Skip(300.0),
    Sample(0.0, 600.0, 9),
    Zoom(1.0, 2.0, 2, (0.0, 0.0, 0.5, 0.5)),
    Invalid("hm", "no JSON"),
    UseTool("none", {}),
    Sample(700.0, 800.0, 1),
]
FORMATS = pytest.mark.parametrize("format", ["transformers", "openai"])


def words(message) -> str:
    """Return all text of a message."""
    content = message["content"]
    if isinstance(content, str):
        return content
    return "\n".join(block["text"] for block in content if block["type"] == "text")


@FORMATS
@given(plan=st.lists(st.sampled_from(ACTIONS), max_size=5), index=st.integers(0, 2))
@settings(max_examples=25)
def test_the_conversation_only_grows_by_the_reply_and_one_user_message(format, plan, index) -> None:
    env = ChatObservations(make(), format=format)
    before, _ = env.reset(options={"index": index})
    assert before in env.observation_space
    assert [message["role"] for message in before] == ["system", "user"]
    for action in plan:
        messages, *_ = env.step(action)
        assert messages in env.observation_space
        assert messages[:-2] == before
        reply, shown = messages[-2:]
        assert reply["role"] == "assistant" and shown["role"] == "user"
        expected = action.text if isinstance(action, Invalid) else format_action(action)
        assert words(reply) == expected
        before = messages


@FORMATS
def test_each_frame_stands_after_its_own_true_time(format) -> None:
    raw, env = make(), ChatObservations(make(), format=format)
    raw.reset(options={"index": 0})
    env.reset(options={"index": 0})
    observation, *_ = raw.step(Zoom(1.0, 21.0, 4))
    messages, *_ = env.step(Zoom(1.0, 21.0, 4))
    content = messages[-1]["content"]
    assert observation["num_frames"] == 4 and len(content) == 2 * 4 + 1
    for k in range(4):
        time, picture = content[2 * k : 2 * k + 2]
        assert time["text"] == f"<{observation['seconds'][k]:.1f} seconds>"
        if format == "openai":
            data = picture["image_url"]["url"].removeprefix("data:image/png;base64,")
            image = Image.open(io.BytesIO(base64.b64decode(data)))
        else:
            image = picture["image"]
        assert np.array_equal(np.asarray(image), observation["frames"][k])


def test_the_first_message_asks_and_the_others_tell() -> None:
    env = ChatObservations(make())
    messages, _ = env.reset(options={"index": 0})
    first = words(messages[-1])
    for part in ("600.0 seconds", "Which symbol is red?", "B. ring", "Turns left: 6", "left: 16"):
        assert part in first
    messages, *_ = env.step(Sample(590.0, 900.0, 2))
    assert "The video ends at 600.00 s" in words(messages[-1])
    assert "Which symbol" not in words(messages[-1]) and "Cursor: 600.0" in words(messages[-1])


def test_a_reply_stays_as_it_was_written() -> None:
    env = ChatObservations(TextActions(make()))
    env.reset(options={"index": 0})
    for text in (
        'So: {"action":"skip", "to":"00:05"}!',
        "é \ud800",
        '{"action": "answer", "text": "B"}',
    ):
        messages, reward, terminated, *_ = env.step(text)
        assert messages in env.observation_space
        assert words(messages[-2]) == text.replace("\ud800", "?")
    assert terminated and reward == 1.0


def test_the_newest_messages_and_the_replies_make_the_conversation() -> None:
    whole, newest = ChatObservations(make()), ChatObservations(make(), newest_only=True)
    whole.reset(options={"index": 0})
    conversation, _ = newest.reset(options={"index": 0})
    for action in [*ACTIONS[:3], Answer("A")]:
        expected, *_ = whole.step(action)
        messages, *_ = newest.step(action)
        assert len(messages) == 1 and messages in newest.observation_space
        conversation += [expected[-2], *messages]
    assert conversation == expected


@FORMATS
def test_changing_what_was_shown_changes_nothing_later(format) -> None:
    env, other = ChatObservations(make(), format=format), ChatObservations(make(), format=format)
    messages, _ = env.reset(options={"index": 0})
    other.reset(options={"index": 0})
    for second in (1.0, 2.0, 3.0):
        for message in messages:
            message["role"] = "nobody"
            if isinstance(message["content"], list):
                for block in message["content"]:
                    block.get("image_url", block).clear()
        messages, *_ = env.step(Skip(second))
        assert messages == other.step(Skip(second))[0]


def test_a_failed_step_leaves_no_reply() -> None:
    env = ChatObservations(make())
    env.reset(options={"index": 0})
    with pytest.raises(TypeError):
        env.step("answer")
    assert len(env.step(Skip(1.0))[0]) == 4


def test_openai_messages_are_json() -> None:
    for encoding in ("png", "jpeg"):
        env = ChatObservations(make(frame_size=(64, 64)), format="openai", encoding=encoding)
        messages, _ = env.reset(options={"index": 0})
        assert json.loads(json.dumps(messages)) == messages and messages in env.observation_space
        kind, _, data = messages[-1]["content"][1]["image_url"]["url"].partition(",")
        image = Image.open(io.BytesIO(base64.b64decode(data)))
        assert kind == f"data:image/{encoding};base64" and image.format == encoding.upper()


@FORMATS
def test_pictures_in_a_conversation_have_no_bars_but_for_whole_tokens(format) -> None:
    """48 by 64 in 96 by 96 has 72 rows, shown in 96; a strip of it 96 by 12 in 32."""
    items = [QAItem("a", Path("60.memory"), "What?", ("x", "y"), "x", "mcq")]
    env = gym.make("SageVideoQA-v0", dataset=items, opener=open_memory, frame_size=(128, 96),
                   overview_frames=1, frames_per_turn=1)  # fmt: skip
    chat = ChatObservations(env, format=format)
    messages, _ = chat.reset(seed=0)
    messages, *_ = chat.step(Zoom(4.0, 5.0, 1, (0.0, 0.0, 1.0, 0.16)))
    assert messages in chat.observation_space
    sizes = []
    for block in (block for message in messages[1::2] for block in message["content"]):
        if block["type"] == "image":
            sizes.append(block["image"].size)
        elif block["type"] == "image_url":
            file = base64.b64decode(block["image_url"]["url"].partition(",")[2])
            sizes.append(Image.open(io.BytesIO(file)).size)
    assert sizes == [(96, 96), (96, 32)]


@FORMATS
def test_the_space_holds_its_samples_and_refuses_what_is_another_shape(format) -> None:
    space = ChatSpace(SIZE, format, seed=0)
    samples = [space.sample() for _ in range(50)]
    assert all(sample in space for sample in samples)
    assert {len(sample) for sample in samples} == {1, 2, 3, 4, 5, 6}
    other = ChatSpace((9, 9), "openai" if format == "transformers" else "transformers")
    assert space != other and space == ChatSpace(SIZE, format)
    pictured = next(sample for sample in samples if len(sample[-1]["content"]) > 1)
    assert pictured not in other
    if format == "transformers":
        height, width = SIZE  # a picture without its bars is smaller than a frame, never larger
        assert pictured in ChatSpace((height + 3, width + 1), format)
        assert pictured not in ChatSpace((height - 1, width), format)
        assert pictured not in ChatSpace((height, width - 1), format)
    user = {"role": "user", "content": []}
    for wrong in (
        [],
        "user",
        [{"role": "user"}],
        [{"role": "user", "content": "text"}],
        [user, user],
        [user, {"role": "assistant", "content": [{"type": "text", "text": "a"}] * 2}, user],
        [{"role": "system", "content": [{"type": "text", "text": "\ud800"}]}, user],
        [{"role": "user", "content": [{"type": "video", "video": ""}]}],
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://x"}}]}],
        [{"role": "user", "content": [{"type": "image", "image": "x.png"}]}],
    ):
        assert wrong not in space
    with pytest.raises(ValueError, match="without a mask"):
        space.sample(mask=1)


@FORMATS
def test_it_is_a_gymnasium_environment_that_can_be_copied_and_remade(format) -> None:
    env = ChatObservations(make(disable_env_checker=True), format=format, system=None)
    with pytest.warns(UserWarning, match="different from the unwrapped"):
        check_env(env, skip_render_check=True)
    env.close()
    again = gym.make(env.spec)
    assert isinstance(again, ChatObservations)
    for other in (again, copy.deepcopy(env), pickle.loads(pickle.dumps(env))):
        assert other.observation_space == env.observation_space
        assert env.reset(seed=3)[0] == other.reset(seed=3)[0]
        env.close()
        other.close()


def test_a_chat_template_takes_the_messages() -> None:
    jinja = pytest.importorskip("jinja2")
    template = jinja.Template(
        "{% for m in messages %}<|{{ m.role }}|>{% for c in m.content %}"
        "{% if c.type == 'image' %}[{{ c.image.size[0] }}]{% else %}{{ c.text }}{% endif %}"
        "{% endfor %}{% endfor %}"
    )
    messages, _ = ChatObservations(make(), system="Hi.").reset(options={"index": 1})
    text = template.render(messages=messages)
    assert text.startswith("<|system|>Hi.<|user|><1.0 seconds>[8]<3.5 seconds>[8]")


@FORMATS
def test_the_system_message_tells_of_every_tool_and_how_to_call_it(format) -> None:
    tools = [Echo(), Blueness()]
    env = ChatObservations(TextActions(make(tools=tools)), format=format)
    messages, _ = env.reset(options={"index": 0})
    told = words(messages[0])
    assert told == f"{SYSTEM}\n{describe_tools(tools)}"
    lines = told.splitlines()[-6:]
    for tool, call, does, schema in zip(tools, lines[::3], lines[1::3], lines[2::3], strict=True):
        assert tool.description in does and schema.strip() == json.dumps(tool.parameters)
        call = call.replace("{}", '{"text": "hm", "at": 1.0}')
        assert parse_action(call) == UseTool(tool.name, {"text": "hm", "at": 1.0})
    messages, *_ = env.step('{"action": "use_tool", "name": "echo", "arguments": {"text": "月"}}')
    assert words(messages[-1]).startswith(quoted("月") + "\n") and words(messages[0]) == told
    again = gym.make(env.spec)
    assert words(again.reset(options={"index": 0})[0][0]) == told


def test_tools_are_told_where_there_are_tools_with_a_system_message_or_without() -> None:
    assert words(ChatObservations(make()).reset()[0][0]) == SYSTEM
    for options, expected in (
        ({"tell_tools": False}, SYSTEM),
        ({"system": "Hi.", "tell_tools": False}, "Hi."),
        ({"system": "Hi."}, f"Hi.\n{describe_tools([Echo()])}"),
    ):
        env = ChatObservations(make(tools=[Echo()]), **options)
        assert words(env.reset()[0][0]) == expected
    for options in ({}, {"newest_only": True}):
        env = ChatObservations(make(tools=[Echo()]), system=None, **options)
        messages, _ = env.reset()
        assert [message["role"] for message in messages] == ["user"]
        assert messages[0]["content"][0]["text"] == f"The tools:\n{describe_tools([Echo()])}"
        assert "The tools" not in words(env.step(Skip(1.0))[0][-1]), "told once"


def test_wrong_options_and_environments_are_named() -> None:
    with pytest.raises(ValueError, match="format must be"):
        ChatObservations(make(), format="anthropic")
    with pytest.raises(ValueError, match="encoding must be"):
        ChatObservations(make(), encoding="gif")
    with pytest.raises(ValueError, match="before any wrapper that changes"):
        ChatObservations(ChatObservations(make()))


def test_choices_with_letters_of_their_own_have_no_second_one() -> None:
    for choices in (("yes", "no"), ("A. yes", "B. no")):
        item = QAItem("q", Path("60.memory"), "Which?", choices, choices[1], "mcq")
        env = gym.make("SageVideoQA-v0", dataset=[item], opener=open_memory, frame_size=SIZE)
        messages, _ = ChatObservations(env).reset()
        assert "\nA. yes\nB. no\n" in words(messages[-1])
