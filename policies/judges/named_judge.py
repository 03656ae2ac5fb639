"""Served judges by name, with options: `openai:MODEL?base_url=http://localhost:8000/v1&seed=1`.

| after the `?` | sets |
|---|---|
| a parameter of `judge_by_openai` or `judge_by_gemini`, such as `seed` or `cache` | that |
| a field of `RetrySettings`, such as `timeout` or `attempts` | that field of `retries` |
| any other name, also as `body.NAME` | the request's field of that name |

Options are separated by `&`; a `%26` in a value is a `&`. Keys are no options: they are read from
the environment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import unquote

from policies.judges.gemini_judge import judge_by_gemini
from policies.judges.grading_prompt import PROMPT_HASH
from policies.judges.openai_judge import judge_by_openai
from policies.judges.served_judge import ServedJudge
from policies.served.named_options import answering_options, named_options, read_options

JUDGES: Mapping[str, Callable[..., ServedJudge]] = {
    "gemini": judge_by_gemini,
    "openai": judge_by_openai,
}
"""The judges that have a name, by the part before the colon."""


def named_judge(name: str) -> ServedJudge:
    """Return the judge of a name.

    Args:
        name: `gemini[:MODEL][?OPTIONS]` or `openai:MODEL[?OPTIONS]`.

    Raises:
        ValueError: if the name lacks its model, or an option cannot be used.
        MissingKey, MissingExtra, ServiceError: if the judge cannot be asked.
    """
    whole, written = _parts(name)
    kind, _, model = whole.partition(":")
    if kind not in JUDGES or (not model and kind == "openai"):
        raise ValueError(f"a judge is named gemini[:MODEL] or openai:MODEL, got {name!r}")
    make = JUDGES[kind]
    try:
        options = read_options(written)
        return make(*([model] if model else []), **named_options(make, options))
    except (ValueError, TypeError) as error:
        raise ValueError(f"the judge {whole!r} cannot be made: an option {error}") from None


def judge_settings(judge: object) -> Any:
    """Return what the verdicts of a judge depend on, for a run's settings.

    Of a served judge by name: name, prompt and options but for where the server is, the pace and
    the cache, so that a run goes on with another server of the same model. Others as they are.
    """
    if not isinstance(judge, str) or judge.partition(":")[0].partition("?")[0] not in JUDGES:
        return judge
    whole, written = _parts(judge)
    options = {k: v for k, v in answering_options(written).items() if k not in ("cache", "check")}
    return {"name": whole, "prompt": PROMPT_HASH, **options}


def judge_title(name: str) -> str:
    """Return a judge's name for tables: with the options that its verdicts depend on alone."""
    settings = judge_settings(name)
    if isinstance(settings, str):
        return settings
    told = "&".join(f"{k}={v}" for k, v in settings.items() if k not in ("name", "prompt"))
    return f"{settings['name']}?{told}" if told else str(settings["name"])


def _parts(name: str) -> tuple[str, list[str]]:
    """Return a judge's name without options, and the options as `NAME=VALUE`."""
    whole, _, written = name.partition("?")
    return whole, [unquote(one) for one in written.split("&") if one]
