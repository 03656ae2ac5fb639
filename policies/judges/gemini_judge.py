"""A Gemini model as a judge."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from policies.judges.grading_prompt import INSTRUCTIONS, REPLY_SCHEMA
from policies.judges.served_judge import JUDGE_RETRIES, ServedJudge
from policies.served.gemini import GOOGLE, GeminiService
from policies.served.retries import RetrySettings

DEFAULT_JUDGE = "gemini-3.6-flash"
"""A choice: of the models of July 2026, one that costs little and keeps to a form."""


def judge_by_gemini(
    model: str = DEFAULT_JUDGE,
    *,
    base_url: str | None = None,
    seed: int | None = 0,
    max_tokens: int = 2048,
    options: Mapping[str, Any] | None = None,
    retries: RetrySettings | None = None,
    requests_per_minute: float | None = None,
    cache: str | Path | bool | None = None,
    check: bool = True,
) -> ServedJudge:
    """Return a judge that asks a Gemini model.

    The key is read from `GEMINI_API_KEY` or `GOOGLE_API_KEY`.

    Args:
        model: its name.
        base_url: of the server; `None` for Google's, or `GOOGLE_GEMINI_BASE_URL`.
        seed: of the sampling; `None` for none. No temperature is sent: newer models deprecate it.
        max_tokens: of one reply, thinking included.
        options: further fields of the request's body, objects inside it joined, e.g.
            `{"generationConfig": {"thinkingConfig": {"thinkingLevel": "low"}}}`.
        retries: how long to wait for the server; by default at most 93 s for an answer.
        requests_per_minute: at most; `None` for no limit.
        cache: folder of the verdicts; `None` for `judges` in the cache folder, `False` for none.
        check: whether to ask at once if there is such a model.

    Raises:
        MissingKey: if no key is set.
        MissingExtra: if `google-genai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
    """
    retries = retries or JUDGE_RETRIES
    settings = {
        "model": model,
        "base_url": base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or GOOGLE,
        "max_tokens": max_tokens,
        "options": dict(options or {}),
    }
    own = {"seed": seed, "retries": retries, "requests_per_minute": requests_per_minute}
    return ServedJudge(
        judge_by_gemini,
        {**settings, **own, "cache": cache},
        _GradingService(settings, retries.timeout),
        lambda text: {"role": "user", "parts": [{"text": text}]},
        kind="gemini",
        seed=seed,
        retries=retries,
        requests_per_minute=requests_per_minute,
        cache=cache,
        check=check,
    )


class _GradingService(GeminiService):
    """Gemini as a `Service` that grades, and calls no functions."""

    def body(
        self, settings: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is the same in every request: the task, and the form of the reply."""
        return {
            "systemInstruction": {"role": "user", "parts": [{"text": INSTRUCTIONS}]},
            "generationConfig": {
                "maxOutputTokens": settings["max_tokens"],
                "responseMimeType": "application/json",
                "responseJsonSchema": dict(REPLY_SCHEMA),
            },
        }
