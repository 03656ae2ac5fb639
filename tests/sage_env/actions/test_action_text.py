"""Laws of `sage_env.actions.action_text`, `action_json`, `json_objects`: by example."""

import json

import pytest
from hypothesis import given, settings

from sage_env.actions.action import Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import (
    MAX_CHARS,
    MAX_REASON,
    format_action,
    parse_action,
    parse_thought,
    read_action,
)
from tests.helpers.actions.action_strategies import actions, texts

ZOOM = Zoom(312.0, 340.0, 8)
ZOOM_TEXT = '{"action": "zoom", "start": 312.0, "end": 340.0, "num_frames": 8}'
ZOOM_VALUES = '{"start": 312.0, "end": 340.0, "num_frames": 8}'
SKIP_TEXT = '{"action": "skip", "to": 1}'


def skip(to):
    return f'{{"action": "skip", "to": {to}}}'


def sample(count):
    return f'{{"action": "sample", "start": 0, "end": 3, "num_frames": {count}}}'


def zoom(box):
    return f'{{"action": "zoom", "start": 0, "end": 1, "num_frames": 1, "box": {box}}}'


def test_the_written_form():
    assert format_action(ZOOM) == ZOOM_TEXT
    assert format_action(Answer("Où ?"), "hm") == (
        '{"thought": "hm", "action": "answer", "text": "Où ?"}'
    )
    assert format_action(Zoom(0, 1, 2, (0, 0, 0.5, 1))).endswith(', "box": [0.0, 0.0, 0.5, 1.0]}')
    assert format_action(Answer("B", ((1, 2),))).endswith(', "evidence": [[1.0, 2.0]]}')
    assert format_action(UseTool("ocr")) == '{"action": "use_tool", "name": "ocr"}'


@settings(max_examples=100)
@given(actions, texts)
def test_the_thought_comes_first_and_reads_back(action, thought):
    text = format_action(action, thought)
    assert text.startswith('{"thought": ')
    assert parse_thought(text) == thought
    assert parse_action(text) == action
    assert read_action(text).notes == ()


def test_a_thought_may_look_like_anything():
    for thought in ("</think>", SKIP_TEXT, "```json", '{"a": ', "</think> {} </think>"):
        text = format_action(ZOOM, thought)
        assert (parse_action(text), parse_thought(text)) == (ZOOM, thought)


@pytest.mark.parametrize(
    "text",
    [
        ZOOM_TEXT,
        f"```json\n{ZOOM_TEXT}\n```",
        f"<action>{ZOOM_TEXT}</action>",
        f"<json>{ZOOM_TEXT}</json>",
        f"<tool_call>\n{ZOOM_TEXT}\n</tool_call>",
        f"Let me {{look}} closer. {ZOOM_TEXT} That should do.",
        f"<think>It says {{so}}.</think>\n\n{ZOOM_TEXT}",
        f'He said "look" {{"now… {ZOOM_TEXT}',
        f"{{'action': 'skip', 'to': 1}} {ZOOM_TEXT}",
        f"[{ZOOM_TEXT}]",
        '{"action": "zoom", "start": "312", "end": "05:40", "num_frames": "8"}',
        '{"action": "zoom", "start": "00:05:12.000", "end": 340, "num_frames": 8.0, "box": null}',
        '{"action": "zoom", "start": 312, "end": 3.4e2, "num_frames": "8.0"}',
        f'{{"name": "zoom", "arguments": {ZOOM_VALUES}}}',
        f'<tool_call>\n{{"name": "zoom", "arguments": {ZOOM_VALUES}}}\n</tool_call>',
        json.dumps({"name": "zoom", "arguments": ZOOM_VALUES}),
    ],
)
def test_one_action_however_it_is_wrapped(text):
    read = read_action(text)
    assert read.action == ZOOM
    assert read.notes == read.ignored_keys == read.extra_objects == ()


def test_the_first_valid_action_counts_and_the_rest_is_reported():
    wrong = '{"action": "zoom", "start": 9}'
    read = read_action(f'{{"cat": [1]}} {wrong} or rather {ZOOM_TEXT} {SKIP_TEXT} {{"action": ')
    assert read.action == ZOOM
    assert read.extra_objects == ('{"cat": [1]}', wrong, SKIP_TEXT)
    assert read.notes == (
        "Only the first valid action of a reply is taken: 3 other objects were ignored.",
    )
    assert "another JSON object was ignored" in read_action(ZOOM_TEXT + SKIP_TEXT).notes[0]


@pytest.mark.parametrize(
    ("opening", "closing"),
    [
        ("<think>", "</think>"), ("<THINK>", "</Think>"), ("<thinking>", "</thinking>"),
        ("< think >\n", "< / think >"), ("[THINK]", "[/THINK]"), ("◁think▷", "◁/think▷"),
        ("<reasoning>", "</reasoning>"), ("<think>", "</thinking>"),
    ],
)  # fmt: skip
def test_an_action_in_unfinished_thoughts_is_a_draft(opening, closing):
    read = read_action(f"{opening} perhaps {ZOOM_TEXT} or")
    assert isinstance(read.action, Invalid) and "inside its thoughts" in read.action.reason
    assert read.extra_objects == (ZOOM_TEXT,)
    assert isinstance(parse_action(f"{opening}a{closing} b {opening} {ZOOM_TEXT}"), Invalid)
    assert isinstance(parse_action(f'{opening} {ZOOM_TEXT} {{"thought": "{closing}"}}'), Invalid)
    assert parse_action(f"{opening} {SKIP_TEXT} {closing} {ZOOM_TEXT}") == ZOOM
    assert parse_action(f"{ZOOM_TEXT} {opening} {SKIP_TEXT}") == ZOOM
    assert parse_action(f'{{"thought": "{opening}", {ZOOM_TEXT[1:]}') == ZOOM


def test_a_reply_that_begins_in_thoughts_is_a_draft_until_they_end():
    assert isinstance(parse_action(f"so {ZOOM_TEXT}", thinking=True), Invalid)
    assert parse_action(f"so {SKIP_TEXT} </think> {ZOOM_TEXT}", thinking=True) == ZOOM
    assert parse_action(f"so {ZOOM_TEXT}") == ZOOM


def test_what_stands_before_the_end_of_thinking_is_no_reply():
    read = read_action(f"<think>{SKIP_TEXT}? {SKIP_TEXT} no </think> {ZOOM_TEXT}")
    assert (read.action, read.extra_objects) == (ZOOM, (SKIP_TEXT, SKIP_TEXT))
    assert read_action(f"{SKIP_TEXT}</think>{SKIP_TEXT}</think>{ZOOM_TEXT}").action == ZOOM
    read = read_action(f"I could {SKIP_TEXT} </think> I do not know.")
    assert read.action.reason.startswith("no JSON object was found after </think>: reply with one")
    assert read.extra_objects == (SKIP_TEXT,)
    assert "missing to" in parse_action(f'{SKIP_TEXT}</think>{{"action": "skip"}}').reason


def test_keys_that_the_action_does_not_know_are_reported():
    read = read_action('{"why": 1, "action": "skip", "to": 5, "speed": {"x": 2}}')
    assert (read.action, read.ignored_keys) == (Skip(5), ("why", "speed"))
    assert read.notes == ("skip takes to: 'why', 'speed' were ignored.",)
    text = '{"name": "skip", "arguments": {"to": 5, "start": 4}, "id": "call_1"}'
    assert read_action(text).ignored_keys == ("id", "start")
    many = skip('1, "a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "\\ud800": 1')
    assert read_action(many).notes == (
        "skip takes to: 'a', 'b', 'c', 'd' and 2 more were ignored.",
    )


def test_a_thought_that_is_no_text_is_reported():
    for thought in ('"\\ud800"', "5", '["a"]'):
        read = read_action(f'{{"thought": {thought}, "action": "skip", "to": 5}}')
        assert (read.action, read.thought, read.ignored_keys) == (Skip(5), None, ("thought",))
        assert read.notes == ("A thought must be a string of Unicode characters: it was ignored.",)
    assert read_action('{"thought": null, "action": "skip", "to": 5}').notes == ()


def test_a_function_call_is_of_an_action_or_else_of_a_tool():
    call = '{"name": "transcribe", "arguments": {"start": 1, "thought": "x"}}'
    tool = UseTool("transcribe", {"start": 1, "thought": "x"})
    assert read_action(call).action == tool
    assert read_action(call).thought is None
    assert parse_action(f'{{"name": "use_tool", "arguments": {call}}}') == tool
    assert parse_action('{"action": "use_tool", ' + call[1:]) == tool
    assert parse_action('{"action": "use_tool", "name": "zoom", "arguments": {}}') == UseTool(
        "zoom"
    )
    assert parse_action('{"name": "zoom", "arguments": {}, "action": "skip", "to": 1}') == Skip(1)


def test_the_thought_of_a_function_call_may_stand_in_either_place():
    inside = '{"name": "skip", "arguments": {"thought": "in", "to": 5}}'
    outside = '{"thought": "out", "name": "skip", "arguments": {"thought": "in", "to": 5}}'
    assert read_action(inside).thought == "in"
    assert read_action(outside).thought == "out"
    assert read_action(inside).notes == read_action(outside).notes == ()
    assert parse_thought('{"thought": "why", "action": "skip", "to": -5}') == "why"
    assert parse_thought("no object") is None


def test_null_leaves_out_what_may_be_left_out():
    assert parse_action('{"action": "answer", "text": "B", "evidence": null}') == Answer("B")
    assert parse_action('{"action": "use_tool", "name": "t", "arguments": null}') == UseTool("t")
    assert "must be a number, got None" in parse_action(skip("null")).reason


def test_strings_inside_lists_are_numbers_too():
    text = '{"action": "answer", "text": "B", "evidence": [["01:05", "70.5"], [80, 90]]}'
    assert parse_action(text) == Answer("B", ((65.0, 70.5), (80.0, 90.0)))
    assert parse_action(zoom('["0", ".25", 0.5, "1"]')) == Zoom(0, 1, 1, (0, 0.25, 0.5, 1))
    assert parse_action('{"action": "answer", "text": "two\nlines"}') == Answer("two\nlines")


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("312", 312.0),
        ("1e3", 1000.0),
        ("0", 0.0),
        ("-0.0", 0.0),
        ('"312.5"', 312.5),
        ('" 7 "', 7.0),
        ('"05:12"', 312.0),
        ('"90:00"', 5400.0),
        ('"01:02:03.25"', 3723.25),
        ('"0:00.5"', 0.5),
    ],
)
def test_times(written, seconds):
    assert parse_action(skip(written)) == Skip(seconds)


@pytest.mark.parametrize(
    "written",
    ['"1:75"', '"-0:05"', '"1e400"', '"١٢"', '"1:5"', '"1:75:00"', '"12 s"', '""', '"1:2:3:4"']
    + ['"inf"', '"nan"', '"-3"', '"+3"', '"0x10"', '"1_000"', '"' + "1" * 5000 + '"']
    + ["true", "[1]", '{"s": 1}', "null", "NaN", "Infinity", "-Infinity", "1e400", "-1e-9"]
    + ["9" * 5000],
)
def test_what_is_no_time_is_not_read_as_one(written):
    assert isinstance(parse_action(skip(written)), Invalid)


@pytest.mark.parametrize("written", ["8", "8.0", '"8"', '"8.0"', "80e-1", '" 8 "'])
def test_counts(written):
    action = parse_action(sample(written))
    assert action == Sample(0, 3, 8)
    assert type(action.num_frames) is int


@pytest.mark.parametrize(
    "written",
    ["8.5", '"8.5"', "true", "0", "-8", '"-8"', "1e7", "1e300", "1e400", '"٨"', '"8 frames"', "[8]"]
    + ["null", '"0:08"', '"' + "9" * 5000 + '"', "9" * 5000, "NaN"],
)
def test_what_is_no_count_is_not_read_as_one(written):
    assert isinstance(parse_action(sample(written)), Invalid)


@pytest.mark.parametrize(
    "box",
    ["[0, 0, 1]", "[0, 0, 1, 1, 1]", "[0, 0, 1, true]", '["0:00", 0, 1, 1]', "[0.5, 0, 0.5, 1]"]
    + [
        "[-0.1, 0, 1, 1]",
        "[0, 0, 1, 1.01]",
        "[0, 0, 1, NaN]",
        '"0 0 1 1"',
        "[[0, 0], [1, 1]]",
        "[]",
    ],
)
def test_what_is_no_box_is_not_read_as_one(box):
    assert isinstance(parse_action(zoom(box)), Invalid)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no JSON object was found: reply with one like {"),
        ("The answer is B.", "no JSON object was found"),
        ('{"action": "zoom"', "the text ends before its JSON object does"),
        ('{"thought": "I should', "the text ends before its JSON object does"),
        ('{"action": "zoom" "start": 1}', "cannot be read (Expecting ',' delimiter, line 1 column"),
        ("{'action': 'zoom'}", "enclosed in double quotes"),
        ('{"start": 3}', '"action" must be one of skip, sample, zoom, answer, use_tool: it is mis'),
        ('{"action": "look"}', "got 'look'"),
        ('{"action": "Zoom", "start": 0, "end": 1, "num_frames": 1}', "got 'Zoom'"),
        ('{"action": "zoom", "start": 3}', "needs start, end, num_frames: missing end, num_frames"),
        ('{"action": "skip", "time": 3}', "missing to (it has no 'time')"),
        ('{"action": "skip", "to": 1, "to": 2}', "key 'to' is written twice in one JSON object"),
        ('{"thought": {"a": [{"b": 1, "b": 1}]}, ' + SKIP_TEXT[1:], "the key 'b' is written twice"),
        ('{"name": "skip", "arguments": "{\\"to\\": 1, \\"to\\": 2}"}', "'to' is written twice"),
        ('{"name": "skip", "arguments": "5"}', "arguments must be an object or its text: no JSON"),
        ('{"name": "skip", "arguments": "{} {}"}', "more than one JSON object"),
        ('{"name": "skip", "arguments": [1]}', "arguments must be an object, got [1]"),
        ('{"name": "skip", "arguments": {}}', '"skip" needs to: missing to'),
        ('{"name": 5, "arguments": {}}', "name must be that of an action or a tool, got 5"),
        (skip("NaN"), "to must be finite, got nan"),
        (skip("1e999"), "to must be finite, got inf"),
        (skip("9" * 5000), "to must be finite, got inf"),
        (skip('"1:60"'), "to must be seconds, MM:SS or HH:MM:SS, all >= 0, got '1:60'"),
        (skip("true"), "to must be a number"),
        ('{"action": "sample", "start": 9, "end": 3, "num_frames": 1}', "start must be before end"),
        (sample("1.5"), "whole number, got 1.5"),
        (sample("-1"), "got -1"),
        ('{"action": "answer", "text": 4}', "text must be a string, got 4"),
        ('{"action": "answer", "text": "\\ud800"}', "lone surrogate"),
        ('{"action": "answer", "text": "\ud800"}', "lone surrogate"),
        ('{"action": "answer", "text": "' + "x" * 9000 + '"}', "at most 8192 characters, got 9000"),
        ('{"action": "answer", "text": "A", "evidence": 3}', "evidence must be a list"),
        ('{"action": "answer", "text": "A", "evidence": [["x", 1]]}', "times of evidence must be"),
        ('{"action": "use_tool", "name": "t", "arguments": {"a": 1e400}}', "JSON"),
        ('{"action":' * 5000, "nested too deeply"),
        ('{"a":' * 65 + "1" + "}" * 65, "nested too deeply, at most 64 levels are read"),
        ('{"name": "t", "arguments": {"a": ' + "[" * 63 + "]" * 63 + "}}", "nested too deeply"),
        (" " * MAX_CHARS + ZOOM_TEXT, "at most 65536 are read"),
    ],
)  # fmt: skip
def test_the_reason_says_what_to_change(text, words):
    action = parse_action(text)
    assert isinstance(action, Invalid)
    assert words in action.reason


def test_the_reason_is_about_the_object_that_is_meant():
    wrong = '{"action": "skip", "to": -1}'
    for text in (wrong + ' {"b": 1}', '{"b": 1} ' + wrong, "{'a': 1} " + wrong):
        assert "to must be seconds from the start" in parse_action(text).reason
    assert "cannot be read" in parse_action('{"b": 1} {"action": "skip" "to": 1}').reason
    assert "got 'a'" in parse_action('{"action": "a"} {"action": "b"}').reason


def test_reasons_are_short():
    assert len(parse_action('{"action": {"a": "' + "x" * 99 + '"}}').reason) <= MAX_REASON
    wide = json.dumps({"action": "answer", "text": [[["x" * 99] * 6] * 6] * 6})
    reason = parse_action(wide).reason
    assert (len(reason), reason[-1]) == (MAX_REASON, "…")


def test_nesting_is_read_to_its_limit():
    nested = []
    for _ in range(61):
        nested = [nested]
    action = UseTool("t", {"a": nested})  # with these two objects, 64 levels
    assert parse_action(format_action(action)) == action
    with pytest.raises(ValueError, match="nested at most 63 deep: flatten it"):
        UseTool("t", {"a": [nested]})


def test_what_cannot_be_written_is_refused():
    with pytest.raises(TypeError, match="takes an Action, got Invalid"):
        format_action(Invalid("x", "why"))
    with pytest.raises(ValueError, match="shorten the thought"):
        format_action(Skip(1), "x" * MAX_CHARS)
    with pytest.raises(ValueError, match="thought must be valid Unicode"):
        format_action(Skip(1), "\ud800")


def test_the_longest_actions_can_be_written():
    control = "\x00" * 8192  # six characters each in JSON
    spans = tuple((k + 1 / 3, k + 2 / 3) for k in range(64))
    assert parse_action(format_action(Answer(control, spans))) == Answer(control, spans)
    tool = UseTool(control, {"a": "x" * 8000})
    assert parse_action(format_action(tool)) == tool
