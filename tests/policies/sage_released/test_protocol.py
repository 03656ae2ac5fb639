"""Laws of `policies.sage_released.protocol`, `tools` and `prompts`: read, mapped and written."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.sage_released.media import frame_name, frame_second, timestamp
from policies.sage_released.prompts import SYSTEM, context_turn, reasoner_turn, system_prompt
from policies.sage_released.protocol import STAGE_KEYS, Call, StageReply, read_reply
from policies.sage_released.tools import EXTRACT, RELEASED_TOOLS, Toolbox
from sage_env import Answer, Sample, Skip, UseTool, Zoom
from tests.helpers.released import RECORDED, Hear, LookAtFrames, Weather
from tests.helpers.released_writing import call_of, write_reply

SPAN = {"video_path": "v.mp4", "timestamp_start": "00:00:10", "timestamp_end": "00:01:30"}
LOOK = Call(EXTRACT, SPAN)


def context_reply(**changes):
    tools = {"needed": False, "why_no_tool": "seen", "tool_calls": []}
    said = {
        "video_context": "a lake",
        "query_intent": "a count",
        "final_answer": "two",
        "recommended_tools": tools,
    }
    return said | changes


def calls(name=EXTRACT, arguments=SPAN, **changes):
    call = {"rationale": "look", "name": name, "arguments": arguments}
    return {"needed": True, "why_no_tool": None, "tool_calls": [call]} | changes


def reason_reply(verdict=True, answer="two", tools=None):
    return {
        "answerable": {"verdict": verdict, "reasoning": "so"},
        "final_answer": answer,
        "recommended_tools": tools or {"needed": False, "why_no_tool": "", "tool_calls": []},
    }


# ------------------------------------------------------------------------------ reading replies


@pytest.mark.parametrize(
    "wrap",
    [
        "<json>\n{}\n</json>",
        "```json\n{}\n```",
        "{}",
        "I looked closely.\n<json>{}</json>\nDone.",
        'A draft {{"final_answer": 7}} first. <json>{}</json>',
        "<json>{}",
    ],
)
def test_a_reply_is_found_whatever_stands_around_it(wrap: str) -> None:
    text = wrap.replace("{{", "{").replace("}}", "}").replace("{}", json.dumps(context_reply()))
    assert read_reply(text, "context") == StageReply("two", None, "a lake")


def test_a_reply_in_unfinished_thoughts_is_a_draft() -> None:
    said = '{"answerable": {"verdict": true}, "final_answer": "red", "recommended_tools": {}}'
    other = said.replace("red", "blue")
    assert read_reply(said, "reasoner").answer == "red"
    for text in (f"<think>{said}", f"<json>{said}</json>"):
        assert "inside its thoughts" in read_reply(text, "reasoner", thinking=True).problem
    assert read_reply(f"<think><json>{said}</json>", "reasoner").answer is None
    for text in (f"<think>{other}</think>{said}", f"<json>{other}</json></think><json>{said}"):
        assert read_reply(text, "reasoner").answer == "red"


def test_the_context_stage_prefers_a_tool_and_the_reasoner_a_verdict() -> None:
    both = json.dumps(context_reply(recommended_tools=calls()))
    assert read_reply(both, "context").call == Call(EXTRACT, SPAN, "look")
    assert read_reply(both, "context").answer is None
    both = json.dumps(reason_reply(tools=calls()))
    assert read_reply(both, "reasoner") == StageReply("two")
    unsure = json.dumps(reason_reply(verdict=False, tools=calls()))
    assert read_reply(unsure, "reasoner").call == Call(EXTRACT, SPAN, "look")


@pytest.mark.parametrize(
    ("changes", "answer", "call"),
    [
        ({"final_answer": 7}, "7", False),
        ({"final_answer": 2.5}, "2.5", False),
        ({"recommended_tools": None}, "two", False),
        ({"recommended_tools": calls(needed="true")}, None, True),
        ({"recommended_tools": calls(needed="false")}, "two", False),
        ({"recommended_tools": calls(needed=None)}, None, True),
        ({"recommended_tools": calls(tool_calls=calls()["tool_calls"][0])}, None, True),
        ({"recommended_tools": calls(arguments=json.dumps(SPAN))}, None, True),
        ({"recommended_tools": calls(tool_calls=calls()["tool_calls"] * 3)}, None, True),
    ],
)
def test_harmless_slips_of_type_are_read(changes, answer, call) -> None:
    reply = read_reply(json.dumps(context_reply(**changes)), "context")
    assert reply.answer == answer and not reply.problem
    assert (reply.call == Call(EXTRACT, SPAN, "look")) == call


@pytest.mark.parametrize(
    ("stage", "said", "problem"),
    [
        ("context", "I do not know.", "no JSON object was found with the keys video_context"),
        ("context", '{"action": "answer", "text": "two"}', "with the keys"),
        ("context", "x" * 70_000, "at most 65536"),
        ("context", json.dumps(context_reply())[:-9], "ends before its JSON object"),
        ("context", '{"final_answer": "a", "final_answer": "b"}', "written twice"),
        ("context", context_reply(final_answer=None), "neither a final_answer nor a tool call"),
        ("context", context_reply(final_answer="  "), "neither a final_answer nor a tool call"),
        ("context", context_reply(final_answer=["a"]), "final_answer must be a string"),
        ("context", context_reply(final_answer=True), "final_answer must be a string"),
        ("context", context_reply(recommended_tools=[]), "recommended_tools must be an object"),
        ("context", context_reply(recommended_tools=calls(needed=1)), "needed must be true or"),
        ("context", context_reply(recommended_tools=calls(tool_calls="x")), "must be a list"),
        ("context", context_reply(recommended_tools=calls(tool_calls=["x"])), "a name and arg"),
        ("context", context_reply(recommended_tools=calls(name=3)), "a name and arguments"),
        ("context", context_reply(recommended_tools=calls(arguments=[1])), "must be an object"),
        ("context", context_reply(recommended_tools=calls(arguments="x")), "no JSON object"),
        ("reasoner", reason_reply(verdict="maybe"), "verdict must be true or false"),
        ("reasoner", reason_reply(answer=None), "verdict is true, but final_answer is empty"),
        ("reasoner", reason_reply(verdict="False"), "neither"),
        ("reasoner", {"answerable": True, "final_answer": "x"}, "answerable must be an object"),
    ],
)
def test_what_cannot_be_read_has_a_problem_and_nothing_is_guessed(stage, said, problem) -> None:
    reply = read_reply(said if isinstance(said, str) else json.dumps(said), stage)
    assert reply.answer is None and reply.call is None
    assert problem in reply.problem


@given(st.text(alphabet='{}[]":,<json>/ntrue01fa \n', max_size=200))
def test_no_text_makes_the_reader_raise(text: str) -> None:
    for stage in STAGE_KEYS:
        reply = read_reply(text, stage)
        assert reply.problem or reply.answer or reply.call


@pytest.mark.parametrize("stage", STAGE_KEYS)
@pytest.mark.parametrize(
    "odd",
    ['"\\ud800"', "9" * 5000, "-" + "9" * 5000, "NaN", "Infinity", "1e999",
     "[" * 30_000, "[" * 50 + "]" * 50, "[" * 200 + "]" * 200, '{"a": NaN}', '""', "null", "{}"],
)  # fmt: skip
def test_odd_values_anywhere_are_read_or_are_a_problem_and_can_be_shown(stage, odd) -> None:
    """What comes of a reply is text for the next prompt, or a valid action, or neither."""
    arguments = {**SPAN, "extract_type": "frames"}
    toolbox = Toolbox([Hear(), Weather()])
    for place in ("context", "answer", "needed", "calls", "name", "arguments", "start", "own"):
        call = {"name": EXTRACT, "arguments": arguments}
        if place == "own":
            call = {"name": "weather", "arguments": {"place": "ODD"}}
        call = call | ({place: "ODD"} if place in call else {})
        if place == "start":
            call["arguments"] = arguments | {"timestamp_start": "ODD"}
        said = {
            "video_context": "ODD" if place == "context" else "a lake",
            "query_intent": "x",
            "answerable": {"verdict": place == "answer"},
            "final_answer": "ODD" if place == "answer" else None,
            "recommended_tools": {
                "needed": "ODD" if place == "needed" else place != "answer",
                "tool_calls": "ODD" if place == "calls" else [call],
            },
        }
        reply = read_reply(json.dumps(said).replace('"ODD"', odd), stage)
        assert reply.answer or reply.call or reply.problem
        assert reply.answer not in ("nan", "inf", "-inf")
        reply.problem.encode("utf-8")
        action = Answer("x")
        try:
            if reply.answer is not None:
                action = Answer(reply.answer)
            elif reply.call is not None:
                action = toolbox.action(reply.call)
        except (ValueError, TypeError) as error:
            str(error).encode("utf-8")
        assert isinstance(action, Answer | Zoom | UseTool)
        observation = {"question": "q", "choices": "", "duration": np.float32(60)}
        shown = reply.call or Call("None")
        reasoner_turn(observation, reply.context, "k_#1", shown, []).encode("utf-8")


words = st.text(min_size=1, max_size=30).filter(str.strip)
whole = st.integers(0, 4 * 3600)


@given(answer=words, context=st.text(max_size=30), reasoning=words)
def test_a_written_answer_is_read_back(answer: str, context: str, reasoning: str) -> None:
    text = write_reply(StageReply(answer, None, context), "context", reasoning)
    assert read_reply(text, "context") == StageReply(answer, None, context)
    assert tuple(json.loads(text[6:-7])) == STAGE_KEYS["context"]
    text = write_reply(StageReply(answer), "reasoner", reasoning)
    assert read_reply(text, "reasoner") == StageReply(answer)
    assert tuple(json.loads(text[6:-7])) == STAGE_KEYS["reasoner"]


@given(start=whole, length=st.integers(1, 600))
def test_a_look_survives_the_way_there_and_back(start: int, length: int) -> None:
    look = Zoom(float(start), float(start + length), 10)
    for stage in STAGE_KEYS:
        text = write_reply(StageReply(call=call_of(look)), stage)
        call = read_reply(text, stage).call
        assert call is not None and Toolbox().action(call) == look


# ------------------------------------------------------------------------------- calls, results


@given(second=st.floats(0, 360_000))
def test_times_and_frame_names_can_be_read(second: float) -> None:
    from sage_env.timeline import parse_seconds

    assert abs((parse_seconds(timestamp(second)) or 0.0) - second) <= 0.5
    found = frame_second(frame_name(3, second))
    assert found is not None and abs(found - second) <= 0.051
    assert frame_second("v.mp4") is None


def test_their_names_are_exactly_those_of_the_release() -> None:
    names = {tool.name: (tuple(tool.properties), tool.optional) for tool in RELEASED_TOOLS}
    span = ("video_path", "timestamp_start", "timestamp_end")
    assert names == {
        "extract_parts_from_timestamp": ((*span, "extract_type"), ("extract_type",)),
        "verbal_transcript": (span, ()),
        "identify_timestamps_visually": (("video_path", "event", *span[1:]), ()),
        "unified_web_search": (
            ("query", "search_type", "num_results"),
            ("search_type", "num_results"),
        ),
        "parse_web_data": (("website_url", "max_content_length"), ("max_content_length",)),
        "perform_reasoning": (("query", "media_paths"), ()),
    }


@pytest.mark.parametrize(
    ("name", "arguments", "action"),
    [
        (EXTRACT, SPAN, Zoom(10.0, 90.0, 10)),
        ("extract-video-parts", SPAN | {"extract_type": "subclips"}, Zoom(10.0, 90.0, 10)),
        (EXTRACT, SPAN | {"timestamp_end": "00:12"}, Zoom(10.0, 12.0, 10)),
        (EXTRACT, SPAN | {"timestamp_end": 12.5, "other": 1}, Zoom(10.0, 12.5, 10)),
        ("verbal_transcript", SPAN, UseTool("transcribe", {"start": 10.0, "end": 90.0})),
        ("transcribe-speech", SPAN, UseTool("transcribe", {"start": 10.0, "end": 90.0})),
        (
            "perform_reasoning",
            {"query": "what?", "media_paths": [frame_name(0, 12.3), frame_name(1, 3700)]},
            UseTool("analyze", {"query": "what?", "seconds": [12.3, 3700.0]}),
        ),
        ("weather", {}, UseTool("weather", {})),
    ],
)
def test_calls_become_actions(name, arguments, action) -> None:
    box = Toolbox([Hear(), LookAtFrames(), Weather()])
    for prefix in ("", "functions.", "default_api.", "tools."):
        assert box.action(Call(prefix + name, arguments)) == action


@pytest.mark.parametrize(
    ("name", "arguments", "reason"),
    [
        ("tools.fly", {}, "no tool 'tools.fly': the tools are"),
        ("fly", {}, "no tool 'fly': the tools are extract_parts_from_timestamp, verbal_transcript"),
        ("unified_web_search", {"query": "x"}, "no tool for unified_web_search"),
        (EXTRACT, {"timestamp_start": "00:10"}, "lacks the arguments timestamp_end"),
        (EXTRACT, SPAN | {"timestamp_end": None}, "lacks the arguments timestamp_end"),
        (EXTRACT, SPAN | {"timestamp_end": "00:00:10"}, "timestamp_start must be before"),
        (EXTRACT, SPAN | {"timestamp_end": "later"}, "must be a time HH:MM:SS, got 'later'"),
        (EXTRACT, SPAN | {"timestamp_end": [1]}, "must be a time HH:MM:SS"),
        (EXTRACT, SPAN | {"timestamp_end": True}, "must be a time HH:MM:SS"),
        (EXTRACT, SPAN | {"extract_type": "sound"}, 'must be "frames" or "subclips"'),
        ("perform_reasoning", {"query": "x", "media_paths": ["v.mp4"]}, "must be paths that"),
    ],
)
def test_calls_that_cannot_be_served_say_why(name, arguments, reason) -> None:
    with pytest.raises(ValueError, match=reason):
        Toolbox([Hear(), LookAtFrames()]).action(Call(name, arguments))


def test_only_what_has_a_call_can_be_written() -> None:
    assert call_of(Sample(3.4, 8.2, 4)).arguments["timestamp_end"] == "00:00:09"
    assert call_of(UseTool("transcribe", {"start": 1})) == Call("verbal_transcript", {"start": 1})
    for action in (Skip(3.0), Zoom(1, 2, 3, (0, 0, 0.5, 0.5)), Answer("x")):
        with pytest.raises(ValueError, match="call"):
            call_of(action)


def shown(seconds=(), message="", text=""):
    return {
        "num_frames": len(seconds),
        "seconds": np.array([*seconds, -1], np.float32),
        "message": message,
        "text": text,
        "question": "how many?",
        "choices": "one\ntwo",
        "duration": np.float32(3725.9),
    }


def test_results_look_like_theirs() -> None:
    box = Toolbox([Hear(), LookAtFrames(), Weather()])
    paths = "{'media_paths': ['video_frame_0_00:00:12.3.jpg', 'video_frame_1_01:00:00.0.jpg']}"
    assert box.result(LOOK, shown((12.3, 3600))) == paths
    assert box.result(LOOK, shown((1,), "Cut.")).endswith("]} Cut.")
    assert box.result(LOOK, shown(message="Nothing is shown.")) == "Nothing is shown."
    assert box.result(Call("verbal_transcript"), shown(text="hi")) == "{'transcript': 'hi'}"
    assert box.result(Call("analyze"), shown(text='{"answer": 1}')) == "{'answer': 1}"
    assert (
        box.result(Call("functions.verbal_transcript"), shown(text="hi")) == "{'transcript': 'hi'}"
    )
    assert box.result(Call("weather"), shown(text="rain")) == "{'result': 'rain'}"
    assert box.result(Call("weather"), shown()) == "The tool said nothing."


def test_prompts_have_their_layout() -> None:
    system = system_prompt(SYSTEM["context"], Toolbox([Hear(), Weather()]).schemas())
    block = system.partition("<tools>\n")[2].partition("\n</tools>")[0]
    declared = [json.loads(line)["function"]["name"] for line in block.splitlines()]
    assert declared == [EXTRACT, "verbal_transcript", "weather"]
    for stage, keys in STAGE_KEYS.items():
        assert all(f'"{key}"' in SYSTEM[stage] for key in (*keys, "needed", "tool_calls"))
    turn = context_turn(shown(), [0.5, 1800.0], "no JSON")
    assert turn[:4] == ["<0.5 seconds>", 0, "<1800.0 seconds>", 1]
    assert "(A) one\n (B) two" in turn[4] and "of duration 01:02:05." in turn[4]
    assert "no JSON" in turn[4]
    text = reasoner_turn(shown(), "a lake", "x_#2", LOOK, [("x_#1", "a"), ("x_#2", "b")])
    assert f"x_#2 with arguments {SPAN}" in text and "Context of the video: a lake" in text
    assert text.index("x_#1 output: a") < text.index("x_#2 output: b")
    assert "Query: how many?" in text and "Video Path: video.mp4 of duration 01:02:05." in text


def test_the_recorded_replies_are_of_their_schema() -> None:
    for turn, text in enumerate(RECORDED):
        stage = "context" if turn == 0 else "reasoner"
        said = json.loads(text.partition("<json>")[2].partition("</json>")[0])
        assert tuple(said) == STAGE_KEYS[stage]
        assert not read_reply(text, stage).problem
