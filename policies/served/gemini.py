"""Gemini through `google-genai`: function calling, frames as JPEG parts after their times."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from policies.base import Decision, Observation
from policies.errors import ReplyBlocked, ReplyUnusable
from policies.served.api_key import Key
from policies.served.policy import Reply, ServedPolicy
from policies.served.prompt import ONLY_THE_FIRST, call_result, system_prompt, user_parts
from policies.served.retries import Failure, RetrySettings, retry_after
from policies.served.server_errors import failure_of, malformed, short
from policies.served.usage import Prices, TokenCounts
from sage_env.actions.action import Invalid
from sage_env.actions.action_text import parse_action
from sage_env.errors import MissingExtra
from sage_env.tools.reply_schema import function_schemas
from sage_env.tools.tool import Tool

DEFAULT_MODEL = "gemini-2.5-flash"
_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
_BLOCKED = {
    "SAFETY",
    "RECITATION",
    "LANGUAGE",
    "BLOCKLIST",
    "PROHIBITED_CONTENT",
    "SPII",
    "IMAGE_SAFETY",
    "IMAGE_PROHIBITED_CONTENT",
    "IMAGE_RECITATION",
    "ESCALATION",
    "MODEL_ARMOR",
    "PUP_LIMITED_DISABLED",
}
"""Reasons to stop that are the provider's decision."""
_BAD_CALL = {"MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS"}
"""Reasons to stop that are the model's own mistake: a turn that it has spent."""


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
            "base_url": base_url,
        }
        super().__init__(
            _Gemini(settings, retries.timeout),
            settings,
            temperature=temperature,
            workers=workers,
            requests_per_minute=requests_per_minute,
            retries=retries,
            prices=prices,
            check=check,
        )


class _Gemini:
    """Gemini as a `Service`."""

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        self._model: str = settings["model"]
        self._key = Key(*_KEYS, user=f"the model {self._model!r}")
        try:
            genai = import_module("google.genai")
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"GeminiPolicy needs the package {error.name!r}: "
                "pip install 'sage-video-qa[gemini]'"
            ) from error
        self._types, self._api_error = genai.types, genai.errors.APIError
        options = genai.types.HttpOptions(
            base_url=settings["base_url"], timeout=max(1, round(timeout * 1000))
        )
        self._client = genai.Client(
            api_key=self._key.reveal(), vertexai=False, http_options=options
        )
        self._config = _config(genai.types, settings)

    def turn(self, observation: Observation, last: Reply | None) -> list[Any]:
        """Return the results of the calls, and then what is shown: the API wants them apart."""
        types = self._types
        calls = () if last is None else last.calls
        contents = []
        if calls:
            results = [call_result(observation)] + [ONLY_THE_FIRST] * (len(calls) - 1)
            responses = [
                types.FunctionResponse(id=number, name=name, response={"output": result})
                for (name, number), result in zip(calls, results, strict=True)
            ]
            parts = [types.Part(function_response=response) for response in responses]
            contents.append(types.Content(role="user", parts=parts))
        shown = [
            types.Part(text=part)
            if isinstance(part, str)
            else types.Part.from_bytes(data=part, mime_type="image/jpeg")
            for part in user_parts(observation, first=last is None, with_notes=not calls)
        ]
        return [*contents, types.Content(role="user", parts=shown)]

    def check(self) -> None:
        """Ask what the model is."""
        self._client.models.get(model=self._model)

    def request(self, messages: Sequence[Any], temperature: float | None, seed: int | None) -> Any:
        """Send the chat once."""
        config = self._config.model_copy(update={"temperature": temperature, "seed": seed})
        return self._client.models.generate_content(
            model=self._model, contents=list(messages), config=config
        )

    def failure(self, error: Exception) -> Failure | None:
        """Return what an exception means."""
        if not isinstance(error, self._api_error):
            return failure_of(error, self._model, self._key)
        details: Any = error.details
        wait = retry_after(_header(error, "retry-after"))
        return failure_of(
            error,
            self._model,
            self._key,
            status=int(error.code or 0),
            said=f"{error.status}: {error.message}",
            wait=_retry_delay(details) if wait is None else wait,
            refused="API_KEY_INVALID" in json.dumps(details, default=str),
        )

    def counts(self, response: Any) -> TokenCounts | None:
        """Return the tokens that a response says it took; thoughts are billed as output."""
        usage = response.usage_metadata
        if usage is None or usage.prompt_token_count is None:
            return None
        thinking = usage.thoughts_token_count or 0
        return TokenCounts(
            usage.prompt_token_count + (usage.tool_use_prompt_token_count or 0),
            (usage.candidates_token_count or 0) + thinking,
            usage.cached_content_token_count or 0,
            thinking,
        )

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read the first call of a reply, or its text if it has none.

        The first row that fits a response says what it becomes:

        | response | becomes |
        |---|---|
        | the prompt was blocked | `ReplyBlocked` |
        | has no candidate | an error of the server, to be retried |
        | withheld (`_BLOCKED`) | `ReplyBlocked` |
        | holds calls | the action of the first; the others are answered, and not done |
        | a call that cannot be read (`_BAD_CALL`) | `Invalid`: a turn that the model has spent |
        | has no text | `ReplyUnusable` |
        | has text | the action that the text writes |
        """
        candidate = self._candidate(response)
        reason = _name(candidate.finish_reason)
        parts = (candidate.content and candidate.content.parts) or []
        calls = [part.function_call for part in parts if part.function_call is not None]
        if calls:
            return _first_call(candidate.content, calls)
        text = "".join(part.text for part in parts if part.text and not part.thought)
        if reason in _BAD_CALL:
            said = text or f"({reason})"
            why = "the function call could not be read: call one of the functions by its schema"
            message = candidate.content if parts else self._said(said)
            return Reply(message, Decision(Invalid(said, why), said))
        if not text.strip():
            hint = ": raise max_output_tokens or lower thinking_budget" * (reason == "MAX_TOKENS")
            raise ReplyUnusable(f"{self._model} sent an empty reply ({reason}){hint}")
        cut = reason == "MAX_TOKENS"  # perhaps in the middle of its thoughts
        return Reply(candidate.content, Decision(parse_action(text, thinking=cut), text))

    def _candidate(self, response: Any) -> Any:
        """Return the one reply of a response, unless the provider withholds it."""
        feedback = response.prompt_feedback
        if feedback is not None and feedback.block_reason is not None:
            why = _name(feedback.block_reason)
            raise ReplyBlocked(
                f"{self._model} was not shown the prompt: the provider blocked it ({why})"
            )
        if not response.candidates:
            raise malformed(self._model, "a response without a candidate")
        candidate = response.candidates[0]
        reason = _name(candidate.finish_reason)
        if reason in _BLOCKED:
            raise ReplyBlocked(f"a reply of {self._model} was withheld by the provider ({reason})")
        return candidate

    def _said(self, text: str) -> Any:
        return self._types.Content(role="model", parts=[self._types.Part(text=short(text))])


def _config(types: Any, settings: Mapping[str, Any]) -> Any:
    """Return what is the same in every request."""
    functions = [
        types.FunctionDeclaration(
            name=function["name"],
            description=function["description"],
            parameters_json_schema=function.get("parameters"),
        )
        for function in function_schemas(settings["tools"], settings["max_frames"])
    ]
    budget = settings["thinking_budget"]
    return types.GenerateContentConfig(
        system_instruction=system_prompt("calls"),
        tools=[types.Tool(function_declarations=functions)],
        tool_config=types.ToolConfig(
            function_calling_config=types.FunctionCallingConfig(mode="ANY")
        ),
        automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        thinking_config=None if budget is None else types.ThinkingConfig(thinking_budget=budget),
        max_output_tokens=settings["max_output_tokens"],
    )


def _first_call(content: Any, calls: Sequence[Any]) -> Reply:
    """Return a reply that does the first of some calls and names them all, in order."""
    first = {"name": calls[0].name, "arguments": calls[0].args or {}}
    text = json.dumps(first, ensure_ascii=False)
    made = tuple((call.name or "", call.id) for call in calls)
    return Reply(content, Decision(parse_action(text), text), made)


def _name(value: Any) -> str:
    """Return the name of an enumeration's value, also of one that the client does not know."""
    return str(getattr(value, "value", value))


def _header(error: Any, name: str) -> str | None:
    headers = getattr(error.response, "headers", None)
    return None if headers is None else headers.get(name)


def _retry_delay(details: Any) -> float | None:
    """Return the seconds of the `RetryInfo` in an error's body, written like "34.5s"."""
    body = details.get("error", details) if isinstance(details, dict) else {}
    infos = body.get("details") if isinstance(body, dict) else None
    for info in infos if isinstance(infos, list) else []:
        delay = info.get("retryDelay") if isinstance(info, dict) else None
        if isinstance(delay, str):
            return retry_after(delay.removesuffix("s"))
    return None
