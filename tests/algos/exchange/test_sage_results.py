"""Laws of `algos.exchange.sage_results`, `sage_calls`: their records say what they say, no more.

The records are of ours, in the shapes of the released files: the older ones of `results/`, and what
the evaluator of today writes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from algos.exchange.foreign_rows import ForeignQuestion
from algos.exchange.played_entry import ExchangeError
from algos.exchange.sage_calls import action_of_call
from algos.exchange.sage_results import read_sage_results
from sage_env import Answer, Invalid, UseTool, Zoom

QUESTION = "Which animal runs?\n Answer the question based on the following options: \n (A) cat"
PATH = "data/0601/abc/abc.mp4"
ID = hashlib.md5(f"{QUESTION}|{PATH}".encode()).hexdigest()


def reply(answer: str | None, tool: str | None = None, **arguments: Any) -> dict[str, Any]:
    calls = [{"rationale": "r", "name": tool, "arguments": arguments}] if tool else []
    tools = {"needed": bool(tool), "why_no_tool": None, "tool_calls": calls}
    return {"final_answer": answer, "recommended_tools": tools}


def called(name: str, result: Any, **arguments: Any) -> dict[str, Any]:
    return {name: {"result": result, "arguments": arguments, "args_validity": True}}


TIMES = {"video_path": PATH, "timestamp_start": "00:45", "timestamp_end": "01:05"}
FRAMES = [
    f"{PATH[:-4]}_frames/abc_frame_1348_00:44.jpg",
    f"{PATH[:-4]}_frames/abc_frame_9_01:04.jpg",
]
STAGES = [
    {
        "tool_calls": called("extract_parts_from_timestamp_#1", {"media_paths": FRAMES}, **TIMES),
        "search_results": reply(None, "perform_reasoning", query="animal?", media_paths=FRAMES),
    },
    {
        "tool_calls": called(
            "perform_reasoning_#1", {"answer": "a dog"}, query="animal?", media_paths=FRAMES
        ),
        "search_results": reply("A dog runs."),
    },
]


def traced(stage: str = "search_llm", **values: Any) -> dict[str, Any]:
    first = {"vlm_response": reply(None, "extract_parts_from_timestamp", **TIMES), "prompt_ids": []}
    return {
        "path": PATH,
        "question": QUESTION,
        "answer": "A dog runs.",
        "correct_answer": None,
        "id": ID,
        "full_answer": "dog",
        "ques_type": "open-ended",
        "difficulty": "very hard",
        "modality": "both",
        "reasoning_steps": ["a reference with", "three steps", "of another model"],
        "complete_results": {"context_vlm": [first], stage: STAGES, "num_search_calls": 2},
    } | values


def judged(**values: Any) -> dict[str, Any]:
    return {
        "index": 0,
        "question": QUESTION,
        "answer": "A dog runs.",
        "correct_answer": None,
        "full_answer": "dog",
        "is_correct": True,
        "evaluation_reasoning": "both say dog",
        "used_tool_calls": True,
        "tool_call_types": {"extract_parts_from_timestamp": 1, "perform_reasoning": 1},
        "ques_type": "open_ended",
        "difficulty": "very hard",
        "modality": "both",
        "duration": 296,
        "video_path": PATH,
    } | values


def read(folder: Path, *files: list[dict[str, Any]], names: str = "jsonl json") -> list[Any]:
    paths = []
    for suffix, records in zip(names.split(), files, strict=False):
        paths.append(folder / f"results.{suffix}")
        lines = "".join(json.dumps(record) + "\n" for record in records)
        paths[-1].write_text(lines if suffix == "jsonl" else json.dumps(records))
    return read_sage_results(paths)


def one(folder: Path, *files: list[dict[str, Any]], names: str = "jsonl json") -> ForeignQuestion:
    (question,) = read(folder, *files, names=names)
    return question


@pytest.mark.parametrize("stage", ["search_llm", "iterative_reasoner"])
def test_a_trace_is_an_episode_under_either_name(tmp_path: Path, stage: str) -> None:
    question = one(tmp_path, [traced(stage)])
    row, played = question.row(), question.trajectory()
    assert row["tool_calls"] == {"extract_parts_from_timestamp": 1, "perform_reasoning": 1}
    assert row["turns"] == 3 and row["prediction"] == "A dog runs." and row["gold"] == "dog"
    assert row["group"]["ques_type"] == "open_ended"
    actions = [turn.decision.action for turn in played.turns]
    looked = UseTool("analyze", {"query": "animal?", "seconds": [44.0, 64.0]})
    assert actions == [Zoom(45.0, 65.0, 10), looked, Answer("A dog runs.")]
    texts = [json.loads(turn.decision.text) for turn in played.turns]
    assert texts[0]["recommended_tools"]["tool_calls"][0]["name"] == "extract_parts_from_timestamp"
    assert texts[1]["recommended_tools"]["tool_calls"][0]["name"] == "perform_reasoning"
    assert texts[2]["final_answer"] == "A dog runs."
    assert json.loads(played.turns[1].info["reply"]) == {"answer": "a dog"}
    assert "another model" not in json.dumps(played.to_json())


def test_choices_are_taken_out_of_a_question_that_has_them(tmp_path: Path) -> None:
    asked = "Which animal runs?\n Answer the question based on the following options: \n (A) A cat"
    asked += "\n (B) A dog"
    values = {"question": asked, "ques_type": "mcq", "id": None}
    item = one(tmp_path, [traced(**values, full_answer="A dog")]).item
    assert (item.question, item.choices) == ("Which animal runs?", ("A cat", "A dog"))
    assert (item.answer, item.kind) == ("A dog", "mcq")
    item = one(tmp_path, [traced(**values, full_answer="A horse")]).item
    assert (item.question, item.choices, item.answer) == (asked, (), "A horse")
    assert one(tmp_path, [traced(question=asked)]).item.choices == ()  # open-ended


def test_calls_are_counted_in_every_shape(tmp_path: Path) -> None:
    stages = [{"tool_calls": [{"name": "verbal_transcript_#1", "arguments": {}}]},
              {"tool_calls": ["verbal_transcript_#2"]}]  # fmt: skip
    results = {"context_vlm": [], "iterative_reasoner": stages}
    for complete in (results, [{"context_vlm": []}, results]):
        row = one(tmp_path, [traced(complete_results=complete)]).row()
        assert row["tool_calls"] == {"verbal_transcript": 2} and row["turns"] == 3


def test_what_no_file_says_is_unknown(tmp_path: Path) -> None:
    row = one(tmp_path, [traced()]).row()
    for key in ("verdict", "frames", "tokens", "cost", "seconds", "attempts", "duration", "rule"):
        assert row.get(key) is None, key
    row = one(tmp_path, [judged()], names="json").row()
    assert row["tool_calls"] and row["attempts"] is None and row["turns"] == 3
    untold = judged(tool_call_types=None)
    assert one(tmp_path, [untold], names="json").row()["tool_calls"] is None


def test_traces_and_verdicts_of_one_question_meet_by_its_id(tmp_path: Path) -> None:
    question = one(tmp_path, [traced(num_attempts=2, time_taken=9.5, duration=None)], [judged()])
    row = question.row()
    assert row["id"] == ID and row["verdict"] is True and row["rule"] == "imported"
    assert (row["attempts"], row["seconds"], question.item.duration) == (2, 9.5, 296.0)
    assert row["judge_words"] == "both say dog"
    assert row["group"] == {
        "ques_type": "open_ended", "difficulty": "very hard", "modality": "both"
    }  # fmt: skip
    assert one(tmp_path, [judged()], [traced()], names="json jsonl").row()["verdict"] is True


def test_files_of_two_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="record 1 answers 'A cat'.*of one evaluation"):
        read(tmp_path, [traced()], [judged(answer="A cat")])


@pytest.mark.parametrize(
    ("values", "verdict", "error", "prediction"),
    [
        ({"is_correct": False}, False, None, "A dog runs."),
        ({"is_correct": False, "evaluation_reasoning": None}, None, None, "A dog runs."),
        ({"is_correct": True, "evaluation_reasoning": None}, True, None, "A dog runs."),
        ({"is_correct": None, "evaluation_reasoning": None}, None, None, "A dog runs."),
        ({"answer": None, "is_correct": False, "evaluation_reasoning": None}, False, None, None),
        ({"answer": ["dog", "cat"], "is_correct": False}, False, None, "['dog', 'cat']"),
        (
            {"answer": "Could not produce an answer after 5 attempts due to timeout",
             "is_correct": False},
            None, "Could not produce an answer after 5 attempts due to timeout", None,
        ),
    ],
)  # fmt: skip
def test_verdicts_outages_and_failures_stay_apart(
    tmp_path: Path, values: dict[str, Any], verdict: Any, error: Any, prediction: Any
) -> None:
    question = one(tmp_path, [judged(**values)], names="json")
    row = question.row()
    assert (row["verdict"], row["error"], row["prediction"]) == (verdict, error, prediction)
    played = question.trajectory()
    assert played.error == error and played.terminated is (error is None)


@pytest.mark.parametrize(
    ("name", "arguments", "action"),
    [
        ("extract_parts_from_timestamp", {"timestamp_start": "01:00:05", "timestamp_end": "60:09"},
         Zoom(3605.0, 3609.0, 10)),
        ("verbal_transcript_#3", TIMES, UseTool("transcribe", {"start": 45.0, "end": 65.0})),
        ("identify_timestamps_visually", {**TIMES, "event": "a dog"},
         UseTool("ground", {"start": 45.0, "end": 65.0, "event": "a dog"})),
        ("unified_web_search", {"query": "x"}, UseTool("search", {"query": "x"})),
        ("parse_web_data", {"website_url": "u"}, UseTool("read_page", {"website_url": "u"})),
        ("perform_reasoning", {"query": "q", "media_paths": ["clip.mp4"]},
         UseTool("analyze", {"query": "q", "media_paths": ["clip.mp4"]})),
        ("new_tool", {"a": 1}, UseTool("new_tool", {"a": 1})),
    ],
)  # fmt: skip
def test_calls_become_actions(name: str, arguments: dict[str, Any], action: Any) -> None:
    assert action_of_call(name, arguments) == action


@pytest.mark.parametrize(
    "arguments",
    [
        {"timestamp_start": "0.0:54.0", "timestamp_end": "0.0:54.0"},
        {"timestamp_start": "01:05", "timestamp_end": "00:45"},
        {},
        "00:45-01:05",
    ],
)
def test_a_call_that_no_action_says_is_kept_as_what_it_was(arguments: Any) -> None:
    action = action_of_call("extract_parts_from_timestamp_#1", arguments)
    assert isinstance(action, Invalid) and str(arguments) in action.text and action.reason


def test_what_is_no_file_of_theirs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ExchangeError, match="record 2 is no result of SAGE: expected question"):
        read(tmp_path, [traced(), {"question": "x"}])
    path = tmp_path / "x.json"
    path.write_text("{}")
    with pytest.raises(ExchangeError, match="is no list of results"):
        read_sage_results([path])
