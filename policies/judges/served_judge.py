"""A model behind an API as a judge: asked until there is a verdict, or it is *not judged*."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from policies.errors import ServiceError
from policies.judges.grades import Grade, read_grade
from policies.judges.grading_prompt import GRADES, PROMPT_HASH, shown_to_judge
from policies.judges.verdict_cache import VerdictCache, verdict_key
from policies.served.policy import Message, Service
from policies.served.reply_json import part_of
from policies.served.retries import Failure, RateLimit, RetrySettings, request_with_retries
from policies.served.usage import Usage, UsageCounter
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import Judged

T = TypeVar("T")
JUDGE_RETRIES = RetrySettings(timeout=30.0, attempts=3)
"""At most 3 x 30 s and 1 + 2 s between them: within the 120 s that an environment gives a call."""


class ServedJudge:
    """Says whether an answer means the gold one, by asking a service; several threads may ask.

    Made by `judge_by_openai` and `judge_by_gemini`. What goes wrong at the server (no reply, a
    status, a block, a reply that is no grade) is asked for again as `retries` allows, and is `None`
    in the end: not judged, never wrong. Verdicts are kept, see `VerdictCache`.

    Args:
        remake: the function that made it, for copies in other processes.
        settings: its arguments.
        service: what is asked.
        message: makes a message of the service from a text.
        kind: of the service, the first part of the judge's name.
        seed: of the sampling, for services that take one; `None` for none.
        retries: how long to wait for the server.
        requests_per_minute: at most, over all threads; `None` for no limit.
        cache: folder of the verdicts; `None` for the usual one, `False` to keep none.
        check: whether to ask at once if the model can be had.

    Attributes:
        name: as in `"openai:MODEL"`.

    Raises:
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
    """

    def __init__(
        self,
        remake: Callable[..., ServedJudge],
        settings: Mapping[str, Any],
        service: Service,
        message: Callable[[str], Message],
        *,
        kind: str,
        seed: int | None,
        retries: RetrySettings,
        requests_per_minute: float | None,
        cache: str | Path | bool | None,
        check: bool,
    ) -> None:
        """Ask nothing, unless the model is to be checked."""
        if isinstance(cache, str):
            cache = Path(cache)
        elif cache is True:
            cache = None
        self.name = f"{kind}:{settings['model']}"
        self._remake, self._settings = remake, dict(settings)
        self._service, self._message, self._seed = service, message, seed
        self._retries, self._limit = retries, RateLimit(requests_per_minute)
        self._cache = None if cache is False else VerdictCache(cache)
        self._counter = UsageCounter(None)
        self._served = threading.Event()
        if check:
            attempts = replace(retries, attempts=min(2, retries.attempts))
            self._ask(service.check, attempts)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings: a copy takes its key from its environment."""
        return _remade, (self._remake, self._settings)

    def __repr__(self) -> str:
        """Name the judge."""
        return f"ServedJudge({self.name!r})"

    @property
    def usage(self) -> Usage:
        """Return the tokens that were used; verdicts that were kept cost none."""
        return self._counter.usage

    def __call__(self, item: QAItem, text: str) -> bool | None:
        """Return whether `text` answers `item`; `None`: not judged."""
        return self.judged(item, text).verdict

    def judged(self, item: QAItem, text: str) -> Judged:
        """Return the verdict on an answer, the judge's reason, and what pins them.

        The record has `judge`, `model` (the version that the server says answered), `grade`,
        `prompt` (its hash), `seed`, `date` (of the reply, UTC) and `kept`: whether the verdict was
        kept from an earlier call.
        """
        message = shown_to_judge(item, text)
        pinned = {"judge": self.name, "prompt": PROMPT_HASH, "seed": self._seed}
        depends = {"seed": self._seed, "options": self._settings.get("options")}
        key = verdict_key(self.name, PROMPT_HASH, depends, message)
        kept = None if self._cache is None else self._cache.find(key)
        if kept is None:
            try:
                grade, model = self._graded(message)
            except ServiceError as error:
                return Judged(None, str(error), {**pinned, "date": _now()})
            kept = {**grade._asdict(), "model": model, "date": _now(), **pinned}
            if self._cache is not None:
                self._cache.keep(key, kept)
            kept = {**kept, "kept": False}
        record = {name: kept.get(name) for name in ("model", "grade", "date")}
        record |= {**pinned, "kept": kept.get("kept", True)}
        return Judged(GRADES[kept["grade"]], kept["reason"], record)

    def _graded(self, message: str) -> tuple[Grade, str]:
        """Return a grade, and which model says that it gave it."""

        def asked() -> tuple[Grade, str]:
            response = self._service.request([self._message(message)], None, self._seed)
            self._counter.add(self._service.counts(response))
            reply = self._service.read(response, None, {}, None)
            self._served.set()
            grade = read_grade(reply.decision.text, self.name)
            said = part_of(response, "modelVersion") or part_of(response, "model")
            return grade, said if isinstance(said, str) else str(self._settings["model"])

        return self._ask(asked, self._retries)

    def _ask(self, request: Callable[[], T], retries: RetrySettings) -> T:
        def failure(error: Exception) -> Failure | None:
            return self._service.failure(error, self._served.is_set())

        return request_with_retries(request, failure, retries, self._limit, self._counter.failed)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _remade(remake: Callable[..., ServedJudge], settings: dict[str, Any]) -> ServedJudge:
    return remake(**settings, check=False)
