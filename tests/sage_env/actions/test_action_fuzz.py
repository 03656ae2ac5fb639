"""Laws of `sage_env.actions.action_text`, `action_json`, `json_objects`: many and slow texts."""

import random
import time

import pytest
from hypothesis import example, given, settings

from sage_env.actions.action import Action, Invalid
from sage_env.actions.action_text import (
    MAX_CHARS,
    MAX_REASON,
    format_action,
    parse_action,
    read_action,
)
from tests.helpers.actions.action_samples import random_action, random_text
from tests.helpers.actions.action_strategies import actions, any_text


def check_round_trip(action):
    """What is written reads back equal, also from the middle of other words."""
    text = format_action(action)
    read = read_action(text)
    assert (read.action, read.notes) == (action, ())
    assert parse_action(f"I think… {{so}}\n```json\n{text}\n```") == action


def check_any_text(text):
    """Any text is an action or a reason, and all that is said about it can be shown."""
    read = read_action(text)
    assert read.thought is None or isinstance(read.thought, str)
    said = list(read.notes)
    if isinstance(read.action, Invalid):
        assert read.action.text == text
        assert 0 < len(read.action.reason) <= MAX_REASON
        said.append(read.action.reason)
    else:
        assert isinstance(read.action, Action)
        assert parse_action(format_action(read.action, read.thought)) == read.action
    assert all(words.isprintable() and words.encode() for words in said)
    assert all(one in text for one in read.extra_objects)


@settings(max_examples=300)
@given(actions)
def test_what_is_written_reads_back_equal(action):
    check_round_trip(action)


@settings(max_examples=300)
@given(any_text)
@example("{" * 5000)
@example('{"a":' * 20_000)
@example('{"action": "zoom", "start": ' + "[" * 900 + "]" * 900 + "}")
@example('{"action": "skip", "to": ' + "9" * 5000 + "}")
@example('{"action": "sample", "start": 0, "end": 1, "num_frames": "' + "9" * 5000 + '"}')
@example('{"action": []}')
@example("\ud800")
def test_any_text_is_an_action_or_a_reason(text):
    check_any_text(text)


def test_20_000_actions_read_back_equal():
    rng = random.Random(0)
    for _ in range(20_000):
        check_round_trip(random_action(rng))


def test_20_000_texts_are_actions_or_reasons():
    rng, valid = random.Random(0), 0
    for _ in range(20_000):
        text = random_text(rng)
        check_any_text(text)
        valid += not isinstance(parse_action(text), Invalid)
    assert 2_000 < valid < 10_000  # both outcomes are tried often


def full(unit):
    """Return a text of the greatest length, made of one piece."""
    return unit * (MAX_CHARS // len(unit))


HOSTILE = {
    "braces": full("{"),
    "begun keys": full('{"'),
    "spaced braces": full("{ "),
    "lines": full('{"\n'),
    "open objects": full('{"a":'),
    "open lists in objects": full('{"a":['),
    "a long list, read from many braces": '{"a":' * 60 + "[" + "1," * 31_000,
    "a long list, too deep": '{"a":' * 300 + "[" + "1," * 31_000,
    "objects in an open list": '{"a":' * 60 + "[" + '{"a":1},' * 8_000,
    "closed, too deep": '{"a":' * 9000 + "1" + "}" * 9000,
    "many too deep": full('{"a":' * 400 + "1" + "}" * 400),
    "many objects": full("{}"),
    "many actions": full('{"action": "skip", "to": 1}'),
    "many wrong actions": full('{"action": "skip", "to": -1}'),
    "many calls": full('{"name": "skip", "arguments": "{"}'),
    "many keys": '{"a":1' + "".join(f',"k{i}":1' for i in range(5000)) + "}",
    "one key many times": "{" + '"k":1,' * 10_000 + '"k":1}',
    "ends of thinking": full("</think>{}"),
    "a key that never ends": '{"' + '\\"' * 32_000,
    "a number": '{"action": "skip", "to": ' + "9" * 65_000 + "}",
    "a number as string": '{"action": "skip", "to": "' + "9" * 65_000 + 'x"}',
    "a count as string": '{"action": "sample", "start": 0, "end": 1, "num_frames": "'
    + "9" * 65_000 + 'x"}',
    "a time as string": '{"action": "skip", "to": "' + "1:" * 32_000 + '"}',
    "a box of strings": '{"action": "zoom", "start": 0, "end": 1, "num_frames": 1, "box": ['
    + ('"' + "9" * 60 + 'x",') * 1000 + "1]}",
    "much evidence": '{"action": "answer", "text": "", "evidence": ['
    + ('["' + "0" * 60 + '", "1:00"],') * 800 + "[1, 2]]}",
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_read_in_well_under_a_tenth_of_a_second(name):
    check_any_text(HOSTILE[name])
    spent = []
    for _ in range(3):
        began = time.process_time()  # the wall's clock also counts what else the machine does
        read_action(HOSTILE[name])
        spent.append(time.process_time() - began)
    assert min(spent) < 0.08
