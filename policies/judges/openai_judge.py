"""A judge behind any server of chat completions: OpenAI's, vLLM, SGLang and others."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from policies.judges.grading_prompt import INSTRUCTIONS, REPLY_SCHEMA
from policies.judges.served_judge import JUDGE_RETRIES, ServedJudge
from policies.served.openai_compatible import OPENAI, chat_completions
from policies.served.retries import RetrySettings

_GRADE = {"name": "grade", "strict": True, "schema": REPLY_SCHEMA}


_PLAIN: Mapping[str, Any] = {
    "system": INSTRUCTIONS,
    "replies": "json",
    "tools": (),
    "max_frames": None,
    "token_ids": False,
    "processed_logprobs": False,
}
"""What a judge's request has beside its settings: no tools, no pictures, no tokens."""


def judge_by_openai(
    model: str,
    *,
    base_url: str | None = None,
    seed: int | None = 0,
    max_tokens: int | None = 2048,
    options: Mapping[str, Any] | None = None,
    retries: RetrySettings | None = None,
    requests_per_minute: float | None = None,
    cache: str | Path | bool | None = None,
    check: bool = True,
) -> ServedJudge:
    """Return a judge that asks a server of chat completions.

    The key is read from `OPENAI_API_KEY`; a server other than OpenAI's may need none. A field that
    the server refuses, such as the form of the reply, is left out from there on, with a warning.

    Args:
        model: its name, as the server knows it.
        base_url: of the server, e.g. `http://localhost:8000/v1`; `None` for `OPENAI_BASE_URL`, or
            OpenAI's own.
        seed: of the sampling; `None` for none. No temperature is sent unless `options` has one.
        max_tokens: of one reply, thinking included; `None` for the server's own limit.
        options: further fields of the request's body, over all others.
        retries: how long to wait for the server; by default at most 93 s for an answer.
        requests_per_minute: at most; `None` for no limit.
        cache: folder of the verdicts; `None` for `judges` in the cache folder, `False` for none.
        check: whether to ask at once if the server has the model.

    Raises:
        MissingKey: if OpenAI is to be asked, and no key is set.
        MissingExtra: if `openai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
    """
    retries = retries or JUDGE_RETRIES
    settings: dict[str, Any] = {
        "model": model,
        "base_url": base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI,
        "max_tokens": max_tokens,
        "options": dict(options or {}),
    }
    form = {"type": "json_schema", "json_schema": _GRADE}
    asked = {**settings, **_PLAIN, "options": {"response_format": form, **settings["options"]}}
    own = {"seed": seed, "retries": retries, "requests_per_minute": requests_per_minute}
    return ServedJudge(
        judge_by_openai,
        {**settings, **own, "cache": cache},
        chat_completions(asked, retries.timeout),
        lambda text: {"role": "user", "content": text},
        kind="openai",
        seed=seed,
        retries=retries,
        requests_per_minute=requests_per_minute,
        cache=cache,
        check=check,
    )
