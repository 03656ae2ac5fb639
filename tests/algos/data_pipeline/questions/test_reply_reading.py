"""Laws of `algos.data_pipeline.questions.reply_reading`: strict JSON, and what a cut leaves."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.questions.reply_form import REPLY_SCHEMA, form_hash
from algos.data_pipeline.questions.reply_reading import counts_of_reply, read_reply

QUESTIONS = [
    {"question": 'He says \\"questions\\": [1, 2] {', "options": ["]", "}"]},
    {"question": "猫は何色?", "evidence": [{"start": "0", "end": "1"}]},
    {"question": "third"},
]
FACTS = ['the sign says "questions": [ and more']
TEXT = json.dumps({"facts": FACTS, "questions": QUESTIONS}, ensure_ascii=False)


def gemini(text: str, ended: str = "STOP") -> dict[str, Any]:
    parts = [{"text": "let me think", "thought": True}, {"text": text}]
    return {"candidates": [{"content": {"parts": parts}, "finishReason": ended}]}


def chat(text: Any, ended: str = "stop", **message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"content": text, **message}, "finish_reason": ended}]}


@pytest.mark.parametrize(
    "body", [gemini(TEXT), chat(TEXT), chat([{"type": "text", "text": TEXT}])], ids=str
)
def test_a_whole_reply_has_all_questions(body: dict[str, Any]) -> None:
    found = read_reply(body)
    assert list(found.questions) == QUESTIONS and not found.check


@pytest.mark.parametrize(
    ("body", "check", "again"),
    [
        ({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}}, "blocked", False),
        (gemini("", "SAFETY"), "withheld", False),
        (gemini(TEXT, "PROHIBITED_CONTENT"), "withheld", False),
        (chat(None, "content_filter"), "withheld", False),
        (chat(None, refusal="I cannot"), "withheld", False),
        (gemini("  "), "empty", True),
        (gemini("", "MAX_TOKENS"), "empty", False),  # all of it went into thinking
        ({}, "empty", True),
        (gemini("I am sorry, but I cannot."), "refusal", True),
        (gemini(TEXT.replace('"', "'")), "malformed", True),
        (gemini(TEXT + "}"), "malformed", True),
        (gemini(f"```json\n{TEXT}\n```"), "malformed", True),
        (gemini("[" * 100_000 + "{"), "malformed", True),
        (gemini('{"facts": []}'), "malformed", True),
        (gemini('{"facts": [], "questions": {}}'), "malformed", True),
        (gemini('{"facts": [], "questions": []}'), "no_questions", True),
        (gemini('{"facts": ["a", ', "MAX_TOKENS"), "truncated", True),
    ],
    ids=str,
)
def test_anything_else_says_why(body: dict[str, Any], check: str, again: bool) -> None:
    found = read_reply(body)
    assert (found.check, found.again) == (check, again) and found.reason
    assert not found.questions and len(found.reason) < 700


@given(st.integers(0, len(TEXT)))
def test_of_a_cut_reply_the_questions_before_the_cut_are_kept_as_they_are(cut: int) -> None:
    found = read_reply(gemini(TEXT[:cut], "MAX_TOKENS"))
    assert list(found.questions) == QUESTIONS[: len(found.questions)]
    ends = [TEXT.index(json.dumps(q, ensure_ascii=False)) for q in QUESTIONS]
    ends = [
        end + len(json.dumps(q, ensure_ascii=False)) for end, q in zip(ends, QUESTIONS, strict=True)
    ]
    assert len(found.questions) == sum(end <= cut for end in ends)


def test_tokens_are_those_of_either_protocol_and_unknown_where_none_are_told() -> None:
    usage = {"promptTokenCount": 10, "candidatesTokenCount": 3, "thoughtsTokenCount": 2}
    told = counts_of_reply({"candidates": [], "usageMetadata": usage})
    assert told is not None and (told.prompt, told.completion) == (10, 5)
    told = counts_of_reply({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 1}})
    assert told is not None and (told.prompt, told.completion) == (7, 1)
    assert counts_of_reply({"candidates": []}) is None and counts_of_reply({"choices": []}) is None


def test_the_form_has_a_hash_of_its_own_and_of_the_prompt() -> None:
    assert form_hash("a") == form_hash("a") != form_hash("b")
    needed = REPLY_SCHEMA["properties"]["questions"]["items"]["required"]
    assert "evidence" in needed and "answer_tolerance" not in needed
