"""A model behind an API that is shown text and frames and replies in text: no chat, no calls."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeVar

from policies.errors import ReplyBlocked, ReplyUnusable
from policies.served.gemini import GOOGLE, GeminiService
from policies.served.openai_compatible import OPENAI, chat_completions
from policies.served.policy import Message, Service
from policies.served.retries import Failure, RateLimit, RetrySettings, request_with_retries
from policies.served.usage import TurnMeter, UsageCounter, billed_as
from policies.turn_usage import TurnUsage
from sage_env.actions.thoughts import after_thoughts
from sage_env.tools.paid_text import PaidText
from sage_env.wrappers.chat_space import text_block, url_block

T = TypeVar("T")
Part = str | bytes
"""A piece of a request: text, or a frame as a JPEG file."""
TOOL_RETRIES = RetrySettings(timeout=45.0, attempts=3, longest_wait=10.0)
"""Of a model that a tool asks: at most 3 x 45 s, and two waits of at most 10 s. A choice."""
_PLAIN: Mapping[str, Any] = {
    "replies": "json",
    "tools": (),
    "max_frames": None,
    "token_ids": False,
    "processed_logprobs": False,
}
"""What such a request has beside its settings: no functions to call, no tokens."""


@dataclass(frozen=True)
class SeeingSettings:
    """Settings of a model that is shown frames.

    Attributes:
        model: `openai:NAME` for a server of chat completions, `gemini:NAME` for Gemini; a name
            without either is one of chat completions.
        base_url: of the server; `""` for `OPENAI_BASE_URL` or `GOOGLE_GEMINI_BASE_URL`, or the
            provider's own.
        system: what the model is told that it does.
        schema: JSON Schema of its replies; `None` for free text. A server of chat completions that
            takes none is asked without.
        max_tokens: of one reply, thinking included.
        seed: of the sampling. No temperature is sent: newer models refuse it.
        retries: how long to wait for the server.
    """

    model: str
    base_url: str
    system: str
    schema: Mapping[str, Any] | None = None
    max_tokens: int = 2048
    seed: int | None = 0
    retries: RetrySettings = TOOL_RETRIES


class SeenReply(NamedTuple):
    """What a model replied.

    Attributes:
        text: behind its thoughts; `""` where the provider withheld it.
        usage: what it took, failed requests included.
        withheld: why there is no text; `""` where there is one.
    """

    text: str
    usage: TurnUsage
    withheld: str = ""

    def as_reply(self, text: str | None = None) -> PaidText:
        """Return the text, or another one that was made of it, as a tool's reply."""
        return PaidText(self.text if text is None else text, usage_record([self.usage]))


class SeeingModel:
    """Shows frames to a model and returns what it writes; several threads may ask.

    The key is read from `OPENAI_API_KEY`, `GEMINI_API_KEY` or `GOOGLE_API_KEY`; a server of one's
    own may need none.

    Args:
        settings: which model, and how it is asked.
        check: whether to ask at once if the server has the model.

    Attributes:
        model: `SERVER/NAME`, as a price list has it.

    Raises:
        MissingKey: if the provider is to be asked, and no key is set.
        MissingExtra: if `openai` or `google-genai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
        ValueError: if no model is named.
    """

    def __init__(self, settings: SeeingSettings, *, check: bool = True) -> None:
        """Ask nothing, unless the model is to be checked."""
        self._settings = settings
        self._gemini, name, url = _place(settings.model, settings.base_url)
        self._service = _service(settings, self._gemini, name, url)
        self.model = billed_as(url, name)
        self._counter, self._served = UsageCounter(None), threading.Event()
        if check:
            retries = replace(settings.retries, attempts=min(2, settings.retries.attempts))
            self._ask(self._service.check, retries, self._counter.failed)

    @property
    def longest(self) -> float:
        """Return the seconds that one `reply` takes at most, waits included."""
        retries = self._settings.retries
        return retries.attempts * retries.timeout + (retries.attempts - 1) * retries.longest_wait

    def reply(self, parts: Sequence[Part]) -> SeenReply:
        """Ask as `ask` does, and return a reply that has a text.

        Raises:
            ReplyBlocked: if the provider withheld it.
            ServiceError: as `ask`.
        """
        reply = self.ask(parts)
        if reply.withheld:
            raise ReplyBlocked(reply.withheld)
        return reply

    def ask(self, parts: Sequence[Part]) -> SeenReply:
        """Ask once, again where the server fails as `retries` allows, and return the reply.

        Args:
            parts: of the request, in order.

        Raises:
            ServiceRefused: if the server will not serve us at all.
            ServiceError: if no usable reply came.
        """
        meter = TurnMeter(self._counter, self.model)
        messages = [self._message(parts)]

        def asked() -> str:
            response = self._service.request(messages, None, self._settings.seed)
            meter.add(self._service.counts(response))  # what cannot be used is paid for too
            text = self._service.read(response, None, {}, None).decision.text
            self._served.set()
            told = after_thoughts(text)
            if told is None or not told.strip():
                raise ReplyUnusable(f"{self.model} replied with thoughts alone", again=False)
            return told.strip()

        text = withheld = ""
        try:
            with meter.waiting():
                text = self._ask(asked, self._settings.retries, meter.failed)
        except ReplyBlocked as error:
            withheld = str(error)
        return SeenReply(text, meter.take(), withheld)

    def _message(self, parts: Sequence[Part]) -> Message:
        if self._gemini:
            shown = [{"text": x} if isinstance(x, str) else _inline(x) for x in parts]
            return {"role": "user", "parts": shown}
        blocks = [text_block(x) if isinstance(x, str) else url_block(x, "jpeg") for x in parts]
        return {"role": "user", "content": blocks}

    def _ask(
        self, request: Callable[[], T], retries: RetrySettings, on_failure: Callable[[], None]
    ) -> T:
        def failure(error: Exception) -> Failure | None:
            return self._service.failure(error, self._served.is_set())

        return request_with_retries(request, failure, retries, RateLimit(None), on_failure)


def usage_record(usages: Sequence[TurnUsage]) -> dict[str, Any] | None:
    """Return what several requests to one model took, as `PaidText` has it; `None` without any."""
    if not usages:
        return None
    counts = [one for usage in usages for one in usage.replies]
    replies = [None if one is None else asdict(one) for one in counts]
    failed = sum(usage.failed for usage in usages)
    return {"model": usages[0].model, "replies": replies, "failed": failed}


def _place(model: str, base_url: str) -> tuple[bool, str, str]:
    """Return whether a model is one of Gemini's, its name, and the address of its server."""
    kind, colon, name = model.partition(":")
    gemini = bool(colon) and kind == "gemini"
    if not (colon and kind in ("gemini", "openai")):  # a colon may be part of a name
        name = model
    if not name:
        raise ValueError(f"model must be openai:NAME or gemini:NAME, got {model!r}")
    variable, usual = ("GOOGLE_GEMINI_BASE_URL", GOOGLE) if gemini else ("OPENAI_BASE_URL", OPENAI)
    return gemini, name, base_url or os.environ.get(variable) or usual


def _service(settings: SeeingSettings, gemini: bool, name: str, url: str) -> Service:
    asked: dict[str, Any] = {
        "model": name,
        "base_url": url,
        "max_tokens": settings.max_tokens,
        "system": settings.system,
        "options": {},
    }
    if gemini:
        return _SeeingGemini({**asked, "schema": settings.schema}, settings.retries.timeout)
    if settings.schema is not None:
        form = {"name": "reply", "strict": True, "schema": dict(settings.schema)}
        asked["options"] = {"response_format": {"type": "json_schema", "json_schema": form}}
    return chat_completions({**asked, **_PLAIN}, settings.retries.timeout)


class _SeeingGemini(GeminiService):
    """Gemini as a `Service` that replies in text, and calls no functions."""

    def body(
        self, settings: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is the same in every request: the task, and the form of the reply."""
        generation: dict[str, Any] = {"maxOutputTokens": settings["max_tokens"]}
        if settings["schema"] is not None:
            generation["responseMimeType"] = "application/json"
            generation["responseJsonSchema"] = dict(settings["schema"])
        return {
            "systemInstruction": {"role": "user", "parts": [{"text": settings["system"]}]},
            "generationConfig": generation,
        }


def _inline(jpeg: bytes) -> dict[str, Any]:
    return {"inlineData": {"mimeType": "image/jpeg", "data": base64.b64encode(jpeg).decode()}}
