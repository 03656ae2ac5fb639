"""How servers of judges say things: replies in the form of OpenAI's and of Gemini's API."""

from __future__ import annotations

import json
from typing import Any

from policies.judges import judge_by_gemini, judge_by_openai
from tests.helpers.loopback import Says


def graded(grade: str, reason: str = "so it is") -> str:
    return json.dumps({"reason": reason, "grade": grade})


class OpenAIWire:
    """How a chat-completions server says things, and how a judge asks it."""

    make = staticmethod(judge_by_openai)
    name, path, model = "openai", "/v1", "j-1-2026"
    about = Says({"data": [{"id": "j-1"}]})

    @staticmethod
    def says(text: str, reason: str = "stop", **more: Any) -> Says:
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        return Says({"model": "j-1-2026", "choices": [choice | more], "usage": usage})

    @staticmethod
    def blocked() -> Says:
        return OpenAIWire.says("", "content_filter")

    @staticmethod
    def parts(body: Any) -> tuple[str, str]:
        """Return the task and the message of a request."""
        system, user = body["messages"]
        return system["content"], user["content"]


class GeminiWire:
    """The same for Gemini."""

    make = staticmethod(judge_by_gemini)
    name, path, model = "gemini", "", "j-1-002"
    about = Says({"name": "models/j-1"})

    @staticmethod
    def says(text: str, reason: str = "STOP") -> Says:
        content = {"role": "model", "parts": [{"text": text}]}
        usage = {"promptTokenCount": 100, "candidatesTokenCount": 10}
        found = {"content": content, "finishReason": reason}
        return Says({"candidates": [found], "usageMetadata": usage, "modelVersion": "j-1-002"})

    @staticmethod
    def blocked() -> Says:
        return Says({"promptFeedback": {"blockReason": "SAFETY"}})

    @staticmethod
    def parts(body: Any) -> tuple[str, str]:
        (user,) = body["contents"]
        return body["systemInstruction"]["parts"][0]["text"], user["parts"][0]["text"]
