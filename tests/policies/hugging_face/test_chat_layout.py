"""Laws of `policies.hugging_face.chat_layout`: a template is given what it can write."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from policies.errors import ModelError
from policies.hugging_face.chat_layout import find_layout
from policies.hugging_face.conversation import ChatTurn
from tests.helpers.foreign.tiny_chat_models import BLIND, IN_PLACE, PICTURES_FIRST, PLAIN_REPLIES

FRAMES = tuple(np.zeros((2, 4, 4, 3), np.uint8))
CONTROLS = ("<image>", "</s>", "<|im_start|>")
LAYOUTS = {
    "pictures first": PICTURES_FIRST,
    "in place": IN_PLACE,
    "plain replies": PLAIN_REPLIES,
}


def renderer(template: str):
    def refuse(why: str) -> None:
        raise ValueError(why)

    environment = Environment()
    environment.globals["raise_exception"] = refuse
    compiled = environment.from_string(template)

    def render(messages, reply):
        return compiled.render(messages=messages, add_generation_prompt=reply, bos_token="<s>")

    return render


def turn(*segments, reply=None):
    return ChatTurn(tuple(segments), FRAMES, reply)


def written(template, system, turns):
    render = renderer(template)
    layout = find_layout(render, CONTROLS, "x")
    return layout, render(layout.messages(system, turns), True)


@pytest.mark.parametrize("name", sorted(LAYOUTS))
def test_everything_is_written_once_and_in_order(name) -> None:
    turns = [turn("<1.0 seconds>", 0, "<2.0 seconds>", 1, "\nwhich?", reply="zoom"), turn("more")]
    _, text = written(LAYOUTS[name], "rules", turns)
    told = ["rules", "<1.0 seconds>", "<2.0 seconds>", "which?", "zoom", "more"]
    places = [text.index(one) for one in told]
    assert places == sorted(places) and all(text.count(one) == 1 for one in told)
    assert text.count("<image>") == 2 and "{" not in text


def test_a_picture_stands_after_its_time_or_is_named_where_it_would_stand() -> None:
    turns = [turn("<1.0 seconds>", 0, "<2.0 seconds>", 1, "\nwhich?")]
    _, text = written(IN_PLACE, "rules", turns)
    assert "<1.0 seconds><image><2.0 seconds><image>\nwhich?" in text
    layout, text = written(PICTURES_FIRST, "rules", turns)
    assert not layout.in_place
    assert "<image>\n<image>\n" in text
    assert "<1.0 seconds> picture 1\n<2.0 seconds> picture 2\n\nwhich?" in text


def test_a_template_without_a_system_role_is_told_the_rules_in_the_first_turn_alone() -> None:
    turns = [turn("one", reply="r"), turn("two")]
    layout, text = written(PICTURES_FIRST, "rules", turns)
    assert not layout.own_system and text.startswith("<s>USER: rules\n\none\n")
    assert text.count("rules") == 1
    layout, text = written(IN_PLACE, "rules", turns)
    assert layout.own_system and text.startswith("<|im_start|>System:rules<end_of_utterance>")


def test_replies_are_texts_where_the_template_wants_texts() -> None:
    layout, text = written(PLAIN_REPLIES, "rules", [turn("one", 0, reply="r"), turn("two")])
    assert not layout.in_parts and layout.own_system
    assert text.startswith("system: rules\nuser: one<image>\nassistant: r\nuser: two\n")


def test_a_template_that_opens_thoughts_is_noticed() -> None:
    assert written(PLAIN_REPLIES, "rules", [turn("one")])[0].thinks_first
    assert not written(IN_PLACE, "rules", [turn("one")])[0].thinks_first


def test_a_template_that_cannot_show_pictures_or_replies_is_refused() -> None:
    with pytest.raises(ModelError, match="the chat template of x has no place for a picture"):
        find_layout(renderer(BLIND), (), "x")
    for broken in ("{{ messages[0].content }}", "{{ 1 / 0 }}", ""):
        with pytest.raises(ModelError, match="cannot write a conversation"):
            find_layout(renderer(broken), (), "x")


@settings(max_examples=40)
@given(st.lists(st.sampled_from([*CONTROLS, "<", "im", " ", "which?", ">"])).map("".join))
def test_no_text_is_read_as_a_control_token(text) -> None:
    layout = find_layout(renderer(IN_PLACE), CONTROLS, "x")
    plain = layout.plain(text)
    assert not any(control in plain for control in CONTROLS)
    assert plain.replace(" ", "") == text.replace(" ", "")
    messages = layout.messages(text, [turn(f"{text}.", reply=text), turn(f"{text}.")])
    said = [message["content"][0]["text"] for message in messages]
    assert said == [plain, f"{plain}.", plain, f"{plain}."]
    layout = find_layout(renderer(PICTURES_FIRST), CONTROLS, "x")
    (first,) = layout.messages(text, [turn("asked")])
    assert first["content"][0]["text"].startswith(f"{layout.plain(text)}\n\n")
