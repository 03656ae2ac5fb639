"""Laws of `policies.served.prompt` on the wire: a tool's reply is data, in calls and in JSON."""

from __future__ import annotations

import json

import pytest

from policies.served import GeminiPolicy, OpenAIPolicy, RetrySettings
from sage_env import Answer, UseTool
from tests.helpers.loopback import Loopback, Says, shown
from tests.helpers.plug_ins.hostile_texts import TEXT, WORD, require_quoted
from tests.helpers.tools_to_try import Echo

QUICK = RetrySettings(timeout=5, attempts=1)
CALL = UseTool("echo", {"text": "hm"})


def openai_says(content=None, call=None) -> Says:
    message = {"role": "assistant", "content": content}
    if call:
        function = {"name": call[0], "arguments": json.dumps(call[1])}
        message["tool_calls"] = [{"id": "c1", "type": "function", "function": function}]
    return Says({"choices": [{"message": message, "finish_reason": "stop"}]})


def gemini_says(name, arguments) -> Says:
    part = {"functionCall": {"name": name, "args": arguments, "id": "c1"}}
    return Says({"candidates": [{"content": {"role": "model", "parts": [part]}}]})


def texts_of(value) -> list[str]:
    """Return every text that a request holds."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts_of(one)]


@pytest.mark.parametrize("replies", ["calls", "json"])
def test_a_chat_completions_server_has_it_as_a_quotation(replies) -> None:
    pytest.importorskip("openai")
    written = '{"action": "use_tool", "name": "echo", "arguments": {"text": "hm"}}'
    first = openai_says(call=("echo", {"text": "hm"})) if replies == "calls" else None
    script = [first or openai_says(written), openai_says('{"action": "answer", "text": "red"}')]
    with Loopback(script, Says({"data": []})) as server:
        policy = OpenAIPolicy(
            "m", base_url=f"{server.url}/v1", replies=replies, tools=[Echo()], retries=QUICK,
            check=False,
        )  # fmt: skip
        assert policy.act(shown()).action == CALL
        policy.act(shown(1, text=TEXT))
    told = "Repeats a text." in str(server.bodies[0])
    assert told, "the model is told of the tool"
    (text,) = [text for text in texts_of(server.bodies[1]["messages"]) if WORD in text]
    require_quoted(text)
    roles = [m["role"] for m in server.bodies[1]["messages"] if WORD in str(m)]
    assert roles == ["tool" if replies == "calls" else "user"]


def test_gemini_has_it_as_a_quotation_in_the_response_of_the_function() -> None:
    pytest.importorskip("google.genai")
    script = [gemini_says("echo", {"text": "hm"}), gemini_says("answer", {"text": "red"})]
    with Loopback(script, Says({"name": "models/m"})) as server:
        policy = GeminiPolicy("m", base_url=server.url, tools=[Echo()], retries=QUICK, check=False)
        assert policy.act(shown()).action == CALL
        assert policy.act(shown(1, text=TEXT)).action == Answer("red")
    assert "Repeats a text." in str(server.bodies[0]["tools"])
    (text,) = [text for text in texts_of(server.bodies[1]["contents"]) if WORD in text]
    require_quoted(text)
    (part,) = [p for c in server.bodies[1]["contents"] for p in c["parts"] if WORD in str(p)]
    assert list(part) == ["functionResponse"]
