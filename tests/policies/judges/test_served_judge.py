"""Laws of `policies.judges.served_judge`, `openai_judge`, `gemini_judge`: asked until it grades."""

from __future__ import annotations

import json
import pickle
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import gymnasium as gym
import pytest

from policies.errors import MissingKey, ServiceRefused
from policies.judges.grading_prompt import INSTRUCTIONS, PROMPT_HASH, REPLY_SCHEMA
from policies.served import RetrySettings
from sage_env import Answer, QAItem
from sage_env.datasets.matching import decide_answer
from sage_env.errors import JudgeError
from sage_env.testing.memory_video import open_memory
from tests.helpers.foreign.judge_wires import GeminiWire, OpenAIWire, graded
from tests.helpers.loopback import KEY, Says

VIDEO = Path("60.memory")
ITEM = QAItem("q", VIDEO, "What does he hold?", answer="an umbrella", aliases=("a brolly",))


@pytest.mark.parametrize(
    ("grade", "verdict"), [("CORRECT", True), ("INCORRECT", False), ("NOT_ATTEMPTED", False)]
)
def test_a_grade_is_a_verdict_with_what_pins_it(serve, wire, grade, verdict) -> None:
    server, judge = serve(wire, wire.says(graded(grade, "one\nreason")))
    found = judge.judged(ITEM, "a parasol")
    assert found.verdict is verdict and found.words == "one reason"
    date = datetime.fromisoformat(found.record["date"])
    assert date.utcoffset().total_seconds() == 0
    assert {k: v for k, v in found.record.items() if k != "date"} == {
        "judge": f"{wire.name}:j-1",
        "model": wire.model,
        "grade": grade,
        "prompt": PROMPT_HASH,
        "seed": 0,
        "kept": False,
    }
    assert judge(ITEM, "a parasol") is verdict and len(server.asked) == 1
    assert (judge.usage.prompt_tokens, judge.usage.completion_tokens) == (100, 10)


def test_what_is_sent_is_the_task_and_one_object_and_nothing_of_the_video(serve, wire) -> None:
    server, judge = serve(wire, wire.says(graded("CORRECT")), seed=7)
    judge(ITEM, "a parasol")
    (body,) = server.bodies
    task, message = wire.parts(body)
    assert task == INSTRUCTIONS
    assert json.loads(message) == {
        "question": "What does he hold?",
        "gold": "an umbrella",
        "also_right": ["a brolly"],
        "answer": "a parasol",
    }
    text = json.dumps(body)
    assert "memory" not in text and '"q"' not in text and "temperature" not in text
    assert "tools" not in text and "functionDeclarations" not in text
    if wire is OpenAIWire:
        assert body["seed"] == 7
        form = body["response_format"]["json_schema"]
        assert form["schema"] == REPLY_SCHEMA and form["strict"] is True
    else:
        assert body["generationConfig"]["seed"] == 7
        assert body["generationConfig"]["responseJsonSchema"] == REPLY_SCHEMA


def test_what_fails_is_asked_again_and_then_not_judged_and_never_wrong(serve, wire) -> None:
    """Statuses, blocks and replies that are no grade: `None`, with the reason, and not kept."""
    odd = [
        Says({"error": {"message": "busy"}}, 429),
        Says({"error": {"message": "down"}}, 503),
        Says(b"<html>", 200),
        wire.says("CORRECT"),
        wire.says(graded("MAYBE")),
        wire.says(""),
    ]
    for says in odd:
        server, judge = serve(wire, says, says, says)
        found = judge.judged(ITEM, "a parasol")
        assert found.verdict is None and found.words, says
        assert len(server.asked) == 3 and "grade" not in found.record
        assert found.record["judge"] == judge.name
    server, judge = serve(wire, wire.blocked())
    assert judge(ITEM, "a parasol") is None and len(server.asked) == 1
    said, good = wire.says("I think it is CORRECT"), wire.says(graded("CORRECT"))
    server, judge = serve(wire, odd[0], said, good)
    assert judge(ITEM, "a parasol") is True and len(server.asked) == 3


def test_a_server_that_is_slow_or_dead_is_not_judged(serve, wire) -> None:
    slow = Says({}, wait=2)
    brief = RetrySettings(timeout=0.2, attempts=2, first_wait=0.01)
    server, judge = serve(wire, slow, slow, retries=brief)
    found = judge.judged(ITEM, "a parasol")
    assert found.verdict is None and "in time" in found.words
    dead = wire.make("j-1", base_url="http://127.0.0.1:9/v1", retries=brief, check=False)
    assert dead(ITEM, "a parasol") is None


def test_a_verdict_is_asked_for_once_and_an_outage_again(serve, wire, tmp_path) -> None:
    fail = Says({"error": {"message": "down"}}, 500)
    server, judge = serve(wire, *[fail] * 3, wire.says(graded("INCORRECT")))
    assert judge(ITEM, "a parasol") is None
    assert judge(ITEM, "a parasol") is False
    again, other = serve(wire)  # another process, another address
    found = other.judged(ITEM, "a parasol")
    assert found.verdict is False and found.record["kept"] is True and again.asked == []
    assert found.record["model"] == wire.model
    assert len(list((tmp_path / "cache" / "judges").rglob("*.json"))) == 1


def test_another_answer_question_seed_or_option_is_another_verdict(serve, wire) -> None:
    replies = [wire.says(graded("CORRECT")) for _ in range(9)]
    server, judge = serve(wire, *replies)
    judge(ITEM, "a parasol")
    judge(ITEM, "a  parasol")
    judge(replace(ITEM, question="What did he hold?"), "a parasol")
    judge(replace(ITEM, id="other", video=Path("9.memory")), "a parasol")
    assert len(server.asked) == 3  # the last one asks the same
    url = server.url + wire.path
    for more in ({"seed": 1}, {"options": {"x": 1}}, {"cache": False}):
        wire.make("j-1", base_url=url, check=False, **more)(ITEM, "a parasol")
    assert len(server.asked) == 6


def test_a_copy_in_another_process_asks_the_same_and_has_no_key(serve, wire) -> None:
    server, judge = serve(wire, wire.says(graded("CORRECT")))
    stored = pickle.dumps(judge)
    assert KEY.encode() not in stored
    assert pickle.loads(stored)(ITEM, "a parasol") is True and len(server.asked) == 1


def test_a_judge_without_key_or_model_is_refused_when_it_is_made(serve, wire, monkeypatch) -> None:
    server, _ = serve(wire)
    missing = Says({"error": {"message": "no such model"}}, 404)
    server.about = missing if wire is GeminiWire else Says({"data": [{"id": "x"}]})
    with pytest.raises(ServiceRefused):
        wire.make("j-1", base_url=server.url + wire.path)
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(MissingKey):
        wire.make("j-1")


def test_the_environment_asks_a_named_judge_what_rules_leave_and_pays_no_outage(serve) -> None:
    wire = OpenAIWire
    server, _ = serve(wire, wire.says(graded("CORRECT", "a parasol is one")), Says({}, 400))
    name = f"openai:j-1?base_url={server.url}/v1&attempts=1"
    env = gym.make("sage_env:SageVideoQA-v0", dataset=[ITEM], opener=open_memory, judge=name)
    env.reset(seed=0)
    *_, info = env.step(Answer("an umbrella"))
    assert info["rule"] == "text" and "judge" not in info and server.asked == []
    env.reset(seed=0)
    _, reward, *_, info = env.step(Answer("a parasol"))
    assert (reward, info["correct"], info["rule"]) == (1.0, True, "judge")
    assert info["judge_words"] == "a parasol is one" and info["judge"]["prompt"] == PROMPT_HASH
    env.reset(seed=0)
    with pytest.raises(JudgeError, match="openai:j-1 gave no verdict on item 'q'"):
        env.step(Answer("a stick"))
    assert env.unwrapped.history.verdict is None
    env.close()


def test_a_place_in_the_video_is_never_a_judges() -> None:
    where = QAItem("w", VIDEO, "When?", answer="0:10", kind="ground")
    found = decide_answer(where, "after the break", lambda item, text: True)
    assert found.verdict is False and found.rule == "undecided"
