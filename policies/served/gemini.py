"""Gemini through `google-genai`: function calling, frames as JPEG parts after their times."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import quote

from policies.base import Observation
from policies.served.api_key import GEMINI_KEYS, Key
from policies.served.gemini_replies import counts_of, read_candidate
from policies.served.policy import Reply, ServedPolicy
from policies.served.prompt import ONLY_THE_FIRST, call_result, system_prompt, user_parts
from policies.served.reply_json import Json, part_of
from policies.served.retries import Failure, RetrySettings, retry_after
from policies.served.server_errors import (
    HttpFailure,
    failure_of,
    failure_of_status,
    json_of,
    said_by,
)
from policies.served.usage import Prices
from policies.served.wire import Wire
from policies.turn_usage import TokenCounts
from sage_env.actions.action import ACTION_NAMES, Answer
from sage_env.lazy_exports import needs_extra
from sage_env.tools.reply_schema import function_schemas
from sage_env.tools.tool import Tool

GOOGLE = "https://generativelanguage.googleapis.com"
DEFAULT_MODEL = "gemini-2.5-flash"
_USER, _EXTRA = "GeminiPolicy", "gemini"
_NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Trusts nobody: for the client's asynchronous half, which is not used, and would read the system's
certificates twice (80 ms)."""


class GeminiPolicy(ServedPolicy):
    """Plays with a Gemini model: one chat per episode, one function call per turn.

    The key is read from `GEMINI_API_KEY` or `GOOGLE_API_KEY`.

    Args:
        model: its name.
        tools: the tools that the environment was made with.
        max_frames: most frames that one action may ask for, told to the model; `None` for no limit.
        temperature: of sampling; `None` for the model's own.
        thinking_budget: tokens for thinking: 0 for none, -1 for as many as the model likes; `None`
            for the model's default. What is allowed depends on the model.
        max_output_tokens: of one reply, thinking included.
        workers: how many episodes of a batch are asked for at the same time.
        requests_per_minute: at most, over all workers; `None` for no limit.
        retries: how long to wait for the server.
        prices: of the model, for `usage.cost`.
        base_url: of the server; `None` for Google's, or `GOOGLE_GEMINI_BASE_URL`.
        options: further fields of the request's body, objects inside it joined, over all others,
            e.g. `{"generationConfig": {"topP": 0.9}}`; `None` leaves a field out.
        check: whether to ask at once if there is such a model; this costs nothing.

    Raises:
        MissingKey: if no key is set.
        MissingExtra: if `google-genai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
    """

    def __init__(
        self,
        model: str = DEFAULT_MODEL,
        *,
        tools: Sequence[Tool] = (),
        max_frames: int | None = None,
        temperature: float | None = None,
        thinking_budget: int | None = None,
        max_output_tokens: int = 4096,
        workers: int = 4,
        requests_per_minute: float | None = None,
        retries: RetrySettings | None = None,
        prices: Prices | None = None,
        base_url: str | None = None,
        options: Mapping[str, Any] | None = None,
        check: bool = True,
    ) -> None:
        """Start with no episode running."""
        retries = retries or RetrySettings()
        settings = {
            "model": model,
            "tools": tuple(tools),
            "max_frames": max_frames,
            "thinking_budget": thinking_budget,
            "max_output_tokens": max_output_tokens,
            "base_url": base_url or os.environ.get("GOOGLE_GEMINI_BASE_URL") or GOOGLE,
            "options": dict(options or {}),
        }
        super().__init__(
            GeminiService(settings, retries.timeout),
            settings,
            temperature=temperature,
            workers=workers,
            requests_per_minute=requests_per_minute,
            retries=retries,
            prices=prices,
            check=check,
        )


class GeminiService:
    """Gemini as a `Service`.

    Args:
        settings: those of the policy.
        timeout: seconds for one request.

    Attributes:
        client: of `google-genai`; requests go through `asked`.
        types: its types.
        model: its name.
        settings: see above.
    """

    answers_only = False

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        """Make the client; nothing is sent."""
        self.settings = settings
        self.model: str = settings["model"]
        self._key = Key(*GEMINI_KEYS, user=f"the model {self.model!r}")
        with needs_extra(_USER, _EXTRA):
            genai = import_module("google.genai")
        self._wire = Wire(settings["base_url"], timeout, user=_USER, extra=_EXTRA)
        self.types = genai.types
        self.client = genai.Client(
            api_key=self._key.reveal(),
            vertexai=False,
            http_options=genai.types.HttpOptions(
                base_url=self._wire.base_url,
                timeout=max(1, round(timeout * 1000)),  # told to the server; `Wire` keeps it
                httpx_client=self._wire.client,
                async_client_args={"verify": _NOBODY, "ssl": _NOBODY},
            ),
        )
        self._name = quote(self.model)  # the client does not
        functions = function_schemas(settings.get("tools", ()), settings.get("max_frames"))
        self._known = frozenset(function["name"] for function in functions)
        self._body, self._options = self.body(settings, functions), settings["options"]

    def turn(self, observation: Observation, last: Reply | None) -> list[Any]:
        """Return the results of the calls, and then what is shown: the API wants them apart."""
        calls = () if last is None else last.calls
        contents = []
        if calls:
            results = [call_result(observation)] + [ONLY_THE_FIRST] * (len(calls) - 1)
            parts = [
                {
                    "functionResponse": ({} if number is None else {"id": number})
                    | {"name": name, "response": {"output": result}}
                }
                for (name, number), result in zip(calls, results, strict=True)
            ]
            contents.append({"role": "user", "parts": parts})
        shown = [
            {"text": part} if isinstance(part, str) else _picture(part)
            for part in user_parts(observation, first=last is None, with_notes=not calls)
        ]
        return [*contents, {"role": "user", "parts": shown}]

    def check(self) -> None:
        """Ask what the model is."""
        self.asked(lambda: self.client.models.get(model=self._name))

    def request(
        self,
        messages: Sequence[Any],
        temperature: float | None,
        seed: int | None,
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        """Send the chat once.

        Args:
            messages: the chat.
            temperature: of sampling; `None` for the service's own.
            seed: of sampling; `None` for none.
            headers: that go with the request, beside the client's own.

        The body is given as the API's own JSON, through the client's `extra_body`: its types refuse
        what they do not know, and a part of a model's reply with a field of tomorrow must go back
        as it came. `contents` of the call is only what the client asks for; the body's own replace
        it. The response is read likewise, as it came.
        """
        body = self.whole_body(messages, temperature, seed)
        types = self.types
        config = types.GenerateContentConfig(
            http_options=types.HttpOptions(extra_body=body, headers=dict(headers or {})),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
            should_return_http_response=True,
        )
        return self.asked(
            lambda: self.client.models.generate_content(
                model=self._name, contents="as in extra_body", config=config
            )
        )

    def whole_body(
        self, messages: Sequence[Any], temperature: float | None, seed: int | None
    ) -> dict[str, Any]:
        """Return the body of a request; see `request`."""
        sampling = {"generationConfig": {"temperature": temperature, "seed": seed}}
        body = _joined(self._body, sampling)
        if self.answers_only:
            named = {"allowedFunctionNames": [ACTION_NAMES[Answer]]}
            body = _joined(body, {"toolConfig": {"functionCallingConfig": named}})
        return {"contents": list(messages)} | _joined(body, self._options)

    def asked(self, call: Callable[[], Any]) -> Json:
        """Let the client make one request, and return the JSON that came; see `Wire.heard`."""
        return json_of(self._wire.heard(call), self.model, self._key)

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means."""
        if not isinstance(error, HttpFailure):
            return failure_of(error, self.model, self._key, served=served)
        details = error_details(error.body)
        reasons = [part_of(one, "reason") for one in details]
        wait = retry_after(error.reply.headers.get("retry-after"))
        status = part_of(error.body, "error", "status")
        return failure_of_status(
            error,
            self.model,
            self._key,
            served=served,
            said=f"{f'{status}: ' if status else ''}{said_by(error, self._key)}",
            wait=_retry_delay(details) if wait is None else wait,
            refused="API_KEY_INVALID" in reasons or spent_for_the_day(details),
        )

    def counts(self, response: Any) -> TokenCounts | None:
        """Return the tokens that a response says it took."""
        return counts_of(response)

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read the first call of a reply, or its text if it has none; see `read_candidate`.

        Args:
            response: what `request` returned.
            last: the reply before it; `None` on the first turn.
            observation: what the turn showed.
            temperature: that it was sampled at; `None` for the service's own.
        """
        return read_candidate(response, self.model, self._known)

    def body(
        self, settings: Mapping[str, Any], functions: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Return what is the same in every request."""
        declared = [
            {"name": function["name"], "description": function["description"]}
            | (
                {"parameters_json_schema": function["parameters"]}
                if "parameters" in function
                else {}
            )
            for function in functions
        ]
        generation: dict[str, Any] = {"maxOutputTokens": settings["max_output_tokens"]}
        if settings["thinking_budget"] is not None:
            generation["thinkingConfig"] = {"thinking_budget": settings["thinking_budget"]}
        return {
            "systemInstruction": {"role": "user", "parts": [{"text": system_prompt("calls")}]},
            "tools": [{"functionDeclarations": declared}],
            "toolConfig": {"functionCallingConfig": {"mode": "ANY"}},
            "generationConfig": generation,
        }


def _joined(body: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return a body with changes, objects inside it joined; `None` takes a field out."""
    joined = dict(body)
    for key, value in changes.items():
        old = joined.get(key)
        if value is None:
            joined.pop(key, None)
        elif isinstance(value, Mapping):
            joined[key] = _joined(old if isinstance(old, Mapping) else {}, value)
        else:
            joined[key] = value
    return joined


def _picture(jpeg: bytes) -> dict[str, Any]:
    data = base64.urlsafe_b64encode(jpeg).decode()
    return {"inlineData": {"mimeType": "image/jpeg", "data": data}}


def error_details(body: Json) -> list[Json]:
    """Return the details of an error, as `google.rpc.Status` has them."""
    found = part_of(body, "error", "details")
    if found is None:
        found = part_of(body, 0, "error", "details")
    return found if isinstance(found, list) else []


def _retry_delay(details: Sequence[Json]) -> float | None:
    """Return the seconds of the `RetryInfo` in an error's details, written like "34.5s"."""
    delays = (part_of(one, "retryDelay") for one in details)
    found = next((delay for delay in delays if isinstance(delay, str)), None)
    return None if found is None else retry_after(found.removesuffix("s"))


def spent_for_the_day(details: Sequence[Json]) -> bool:
    """Return whether a quota of a day is used up: `…PerDay…` in the id of a violation."""
    listed = [part_of(one, "violations") for one in details]
    violations = [v for violated in listed if isinstance(violated, list) for v in violated]
    return any("PerDay" in str(part_of(v, "quotaId")) for v in violations)
