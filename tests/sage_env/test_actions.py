import json
import math
import time

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sage_env.action_text import MAX_CHARS, format_action, parse_action, parse_thought
from sage_env.actions import MAX_TEXT, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.spaces import ActionSpace, UnicodeText

seconds = st.floats(0, 1e6)
spans = st.tuples(seconds, seconds).filter(lambda s: s[0] != s[1]).map(lambda s: tuple(sorted(s)))
edges = st.tuples(st.floats(0, 1), st.floats(0, 1)).filter(lambda s: s[0] != s[1]).map(sorted)
boxes = st.tuples(edges, edges).map(lambda e: (e[0][0], e[1][0], e[0][1], e[1][1]))
counts = st.integers(1, 1_000_000)
texts = st.text(max_size=60)  # hypothesis draws surrogates only where asked to
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda x: st.lists(x, max_size=3) | st.dictionaries(texts, x, max_size=3),
    max_leaves=8,
)  # fmt: skip
actions = st.one_of(
    st.builds(Skip, seconds),
    st.builds(lambda s, n: Sample(*s, n), spans, counts),
    st.builds(lambda s, n, b: Zoom(*s, n, b), spans, counts, st.none() | boxes),
    st.builds(Answer, texts, st.lists(spans, max_size=3).map(tuple)),
    st.builds(UseTool, texts.filter(bool), st.dictionaries(texts, json_values, max_size=3)),
)
ZOOM = Zoom(312.0, 340.0, 8)
ZOOM_TEXT = '{"action": "zoom", "start": 312.0, "end": 340.0, "num_frames": 8}'


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Skip(math.nan), ValueError, "to must be finite, got nan"),
        (lambda: Skip(10**400), ValueError, "to must be finite"),
        (lambda: Skip(-0.5), ValueError, "start of the video, >= 0, got -0.5"),
        (lambda: Skip(True), TypeError, "to must be a number, got True"),
        (lambda: Skip("5"), TypeError, "to must be a number, got '5'"),
        (lambda: Sample(5, 5, 1), ValueError, "start must be before end, got 5.0 and 5.0"),
        (lambda: Sample(5, math.inf, 1), ValueError, "end must be finite"),
        (lambda: Sample(0, 1, 0), ValueError, "num_frames must be from 1 to"),
        (lambda: Sample(0, 1, 10**5000), ValueError, "got a huge number"),
        (lambda: Sample(0, 1, 2.0), TypeError, "num_frames must be a whole number, got 2.0"),
        (lambda: Sample(0, 1, True), TypeError, "num_frames must be a whole number, got True"),
        (lambda: Zoom(0, 1, 1, (0, 0, 1)), ValueError, "box must be .x0, y0, x1, y1."),
        (lambda: Zoom(0, 1, 1, (0.5, 0, 0.5, 1)), ValueError, "0 <= x0 < x1 <= 1"),
        (lambda: Zoom(0, 1, 1, (0, 0, 1, 1.1)), ValueError, "0 <= y0 < y1 <= 1"),
        (lambda: Zoom(0, 1, 1, "box!"), TypeError, "box must be a list"),
        (lambda: Answer(5), TypeError, "text must be a string, got 5"),
        (lambda: Answer("\ud800"), ValueError, "lone surrogate"),
        (lambda: Answer("x" * (MAX_TEXT + 1)), ValueError, "at most 8192 characters"),
        (lambda: Answer("x", ((3, 2),)), ValueError, "start must be before its end"),
        (lambda: Answer("x", ((0, 1),) * 65), ValueError, "at most 64 spans, got 65"),
        (lambda: UseTool("", {}), ValueError, "name of a tool"),
        (lambda: UseTool("t", {"a": math.nan}), ValueError, "JSON"),
        (lambda: UseTool("t", {1: 2}), TypeError, "string keys"),
    ],
)
def test_illegal_values_are_refused_where_they_are_made(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_numbers_of_other_types_become_plain_ones():
    action = Zoom(np.float32(1.5), 2, np.int64(3), [0, 0, 1, 1])
    assert action == Zoom(1.5, 2.0, 3, (0.0, 0.0, 1.0, 1.0))
    assert [type(x) for x in (action.start, action.end, action.num_frames)] == [float, float, int]
    assert len({action, Zoom(1.5, 2.0, 3, (0.0, 0.0, 1.0, 1.0)), UseTool("a", {"b": []})}) == 2


def test_a_tool_call_keeps_a_copy_of_its_arguments():
    arguments = {"spans": [1]}
    call = UseTool("transcribe", arguments)
    arguments["spans"].append(2)
    assert call.arguments == {"spans": [1]}


@settings(max_examples=250)
@given(actions)
def test_what_is_written_reads_back_equal(action):
    text = format_action(action)
    assert parse_action(text) == action
    assert parse_action(f"I think… {{so}}\n```json\n{text}\n```") == action


def test_the_written_form():
    assert format_action(ZOOM) == ZOOM_TEXT
    assert format_action(Answer("Où ?"), "hm") == (
        '{"thought": "hm", "action": "answer", "text": "Où ?"}'
    )
    assert format_action(Zoom(0, 1, 2, (0, 0, 0.5, 1))).endswith(', "box": [0.0, 0.0, 0.5, 1.0]}')
    assert format_action(Answer("B", ((1, 2),))).endswith(', "evidence": [[1.0, 2.0]]}')
    assert format_action(UseTool("ocr")) == '{"action": "use_tool", "name": "ocr"}'


@given(actions, texts)
def test_the_thought_comes_first_and_reads_back(action, thought):
    text = format_action(action, thought)
    assert text.startswith('{"thought": ')
    assert parse_thought(text) == thought
    assert parse_action(text) == action


@settings(max_examples=250)
@given(
    st.text(st.characters(), max_size=200)
    | st.text('{}[]",:0123456789.eE+- \n\\"aceinostuz', max_size=80)
    | st.dictionaries(
        st.sampled_from(["action", "start", "end", "num_frames", "box", "to", "text", "evidence"]),
        st.sampled_from(["zoom", "skip", "answer", "sample", "use_tool", "nan", "1:99", "5"])
        | json_values,
    ).map(json.dumps)
)
@example("{" * 5000)
@example('{"a":' * 20_000)
@example('{"action": "zoom", "start": ' + "[" * 900 + "]" * 900 + "}")
@example('{"action": "skip", "to": ' + "9" * 5000 + "}")
@example('{"action": "sample", "start": 0, "end": 1, "num_frames": "' + "9" * 5000 + '"}')
@example('{"action": []}')
@example("\ud800")
def test_any_text_is_an_action_or_a_reason(text):
    action = parse_action(text)
    thought = parse_thought(text)
    assert thought is None or isinstance(thought, str)
    if isinstance(action, Invalid):
        assert action.text == text and action.reason
        action.reason.encode()
    else:
        assert parse_action(format_action(action)) == action


@pytest.mark.parametrize(
    "text",
    [
        ZOOM_TEXT,
        f"```json\n{ZOOM_TEXT}\n```",
        f"<action>{ZOOM_TEXT}</action>",
        f"<tool_call>\n{ZOOM_TEXT}\n</tool_call>",
        f"Let me {{look}} closer. {ZOOM_TEXT} That should do.",
        f'{{"action": "zoom", "start": 9}} or rather {ZOOM_TEXT} {{"action": "skip", "to": 1}}',
        '{"action": "zoom", "start": "312", "end": "05:40", "num_frames": "8"}',
        '{"action": "zoom", "start": "00:05:12.000", "end": 340, "num_frames": 8.0, "box": null}',
        '{"why": "new key", "action": "zoom", "start": 312, "end": 3.4e2, "num_frames": 8}',
    ],
)
def test_one_action_however_it_is_wrapped(text):
    assert parse_action(text) == ZOOM


def test_strings_inside_lists_are_numbers_too():
    text = '{"action": "answer", "text": "B", "evidence": [["01:05", "70.5"], [80, 90]]}'
    assert parse_action(text) == Answer("B", ((65.0, 70.5), (80.0, 90.0)))
    zoom = (
        '{"action": "zoom", "start": 0, "end": 1, "num_frames": 1, "box": ["0", ".25", 0.5, "1"]}'
    )
    assert parse_action(zoom) == Zoom(0, 1, 1, (0, 0.25, 0.5, 1))
    assert parse_action('{"action": "answer", "text": "two\nlines"}') == Answer("two\nlines")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object was found"),
        ("The answer is B.", "no JSON object was found"),
        ('{"action": "zoom"', "cannot be read"),
        ('{"start": 3}', '"action" must be one of skip, sample, zoom, answer, use_tool'),
        ('{"action": "look"}', "got 'look'"),
        ('{"action": "zoom", "start": 3}', "missing end, num_frames"),
        ('{"action": "skip", "to": NaN}', "to must be finite, got nan"),
        ('{"action": "skip", "to": 1e999}', "to must be finite, got inf"),
        ('{"action": "skip", "to": "inf"}', "MM:SS"),
        ('{"action": "skip", "to": "-3"}', "MM:SS"),
        ('{"action": "skip", "to": "1:60"}', "MM:SS"),
        ('{"action": "skip", "to": "1:75:00"}', "MM:SS"),
        ('{"action": "skip", "to": true}', "to must be a number"),
        ('{"action": "sample", "start": 9, "end": 3, "num_frames": 1}', "start must be before end"),
        ('{"action": "sample", "start": 0, "end": 3, "num_frames": 1.5}', "whole number, got 1.5"),
        ('{"action": "sample", "start": 0, "end": 3, "num_frames": -1}', "got -1"),
        ('{"action": "answer", "text": 4}', "text must be a string, got 4"),
        ('{"action": "answer", "text": "\\ud800"}', "lone surrogate"),
        ('{"action": "answer", "text": "A", "evidence": 3}', "evidence must be a list"),
        ('{"action":' * 5000, "nested too deeply"),
        (" " * MAX_CHARS + ZOOM_TEXT, "at most 65536 are read"),
    ],
)
def test_the_reason_says_what_to_change(text, words):
    action = parse_action(text)
    assert isinstance(action, Invalid)
    assert words in action.reason


def test_hostile_text_is_read_in_bounded_time():
    hostile = '{"a":' * 300 + "[" + "1," * 31_000
    began = time.perf_counter()
    for text in (hostile, "{" * MAX_CHARS, '{"' * (MAX_CHARS // 2), '{"a":[' * (MAX_CHARS // 6)):
        assert isinstance(parse_action(text), Invalid)
    assert time.perf_counter() - began < 3


def test_an_invalid_text_has_no_other_form():
    with pytest.raises(TypeError, match="takes an Action, got Invalid"):
        format_action(Invalid("x", "why"))
    with pytest.raises(ValueError, match="shorten the thought"):
        format_action(Skip(1), "x" * MAX_CHARS)


def test_samples_are_in_the_space_and_follow_the_seed():
    space, twin = ActionSpace(30, 4, seed=1), ActionSpace(30, 4, seed=1)
    samples = [space.sample() for _ in range(300)]
    assert samples == [twin.sample() for _ in range(300)]
    assert all(sample in space for sample in samples)
    assert {type(sample) for sample in samples} == {Skip, Sample, Zoom, Answer}
    looks = [sample for sample in samples if isinstance(sample, Sample | Zoom)]
    assert {look.num_frames for look in looks} == {1, 2, 3, 4}
    assert all(look.end <= 30 for look in looks)
    assert Sample(1e9, 2e9, 500) in space
    assert Invalid("x", "y") not in space and ZOOM_TEXT not in space
    assert space == twin != ActionSpace(31, 4)


def test_text_may_hold_what_people_write():
    space = UnicodeText(seed=0)
    assert all(space.sample() in space for _ in range(50))
    assert "Où est le chat ? 猫\n" in space and "" in space
    assert "\ud800" not in space and 5 not in space
    with pytest.raises(ValueError, match="without a mask"):
        space.sample(mask=np.ones(3))
