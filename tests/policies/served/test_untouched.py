"""Laws of `policies.served.gemini`, `openai_compatible`: messages pass the packages untouched."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.loopback import Loopback
from tests.policies.served.test_served import Gemini, OpenAI

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(-1e9, 1e9) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
KINDS = st.sampled_from(["assistant", "user", "tool", "system", "text", "image_url", "function"])
PARTS = st.lists(
    st.dictionaries(
        st.sampled_from(["type", "text", "image_url", "id", "function", "functionCall", "thought"]),
        KINDS | JSON,
        max_size=4,
    ),
    max_size=3,
)
KEYS = ["role", "content", "tool_calls", "function_call", "audio", "refusal", "parts", "Parts"]
KEYS += ["tool_call_id", "reasoning_content", "extra_content", "thought_signature"]
MESSAGES = st.lists(
    st.dictionaries(st.sampled_from(KEYS), KINDS | JSON | PARTS, max_size=5), min_size=1, max_size=3
)


@pytest.mark.parametrize("api", [Gemini, OpenAI])
def test_any_messages_are_sent_letter_for_letter(api) -> None:
    pytest.importorskip("google.genai" if api is Gemini else "openai")
    with Loopback(lambda _: api.answer, api.about) as server:
        service = api.make("m", base_url=server.url + api.path, check=False)._service

        @settings(max_examples=60, deadline=None, derandomize=True, database=None)
        @given(MESSAGES)
        def check(messages):
            service.request(messages, 0.5, 3)
            body = server.bodies[-1]
            sent = body["contents"] if api is Gemini else body["messages"][1:]
            assert sent == messages and repr(sent) == repr(messages)

        check()
        deep = 1
        for _ in range(98):  # the deepest that a reply may be is 100
            deep = [deep]
        parts = [{"type": "text", "text": "a", "x": deep, "functionCall": {"args": deep}}]
        messages = [{"role": "model", "content": parts, "parts": parts, "x": deep}]
        service.request(messages, None, None)
        sent = server.bodies[-1]
        assert messages[0] in (sent["contents"] if api is Gemini else sent["messages"])
