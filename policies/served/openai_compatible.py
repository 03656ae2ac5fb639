"""Servers that speak OpenAI's chat completions: OpenAI itself, vLLM, SGLang and others."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

from policies.base import Decision, Observation, TurnTokens
from policies.errors import ReplyBlocked, ReplyUnusable, ServiceRefused
from policies.served.api_key import Key
from policies.served.policy import Reply, ServedPolicy
from policies.served.prompt import ONLY_THE_FIRST, Replies, call_result, system_prompt, user_parts
from policies.served.retries import Failure, RetrySettings, retry_after
from policies.served.server_errors import failure_of, malformed
from policies.served.token_record import token_record
from policies.served.usage import Prices, TokenCounts
from sage_env.actions.action_text import parse_action
from sage_env.actions.json_objects import read_object
from sage_env.errors import MissingExtra
from sage_env.tools.reply_schema import function_schemas
from sage_env.tools.tool import Tool
from sage_env.wrappers.chat_space import text_block, url_block

OPENAI = "https://api.openai.com/v1"
_KEEP_DISTRIBUTION = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""A server may fill these in from the checkpoint; then log-probs are not those of the sampling."""
_FILTERED = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
"""Codes of errors that say that a filter, not the server, refused the prompt."""


class OpenAIPolicy(ServedPolicy):
    """Plays with a model behind a chat-completions server: one chat per episode.

    The key is read from `OPENAI_API_KEY`; a server other than OpenAI's may need none.

    Args:
        model: its name, as the server knows it.
        base_url: of the server, e.g. `http://localhost:8000/v1`; `None` for `OPENAI_BASE_URL`, or
            OpenAI's own.
        replies: `"calls"` for function calls, `"json"` for an action's JSON as plain text, which
            every server can do.
        tools: the tools that the environment was made with.
        max_frames: most frames that one action may ask for, told to the model; `None` for no limit.
        temperature: of sampling; `None` for the server's own.
        max_tokens: of one reply, thinking included; `None` for the server's own limit.
        token_ids: fill `Decision.tokens`, from a server that knows vLLM's `return_token_ids`. It
            needs `replies="json"` (a constrained reply is sampled from another distribution) and a
            temperature. A turn is recorded only if it is complete, see `token_record`; log-probs
            are taken at temperature 1 and for greedy decoding, at others only with the next option.
        processed_logprobs: the server's log-probs are those at the sampling temperature (vLLM's
            `--logprobs-mode processed_logprobs`).
        options: further fields of the request's body, e.g. `{"reasoning_effort": "low"}`.
        workers: how many episodes of a batch are asked for at the same time.
        requests_per_minute: at most, over all workers; `None` for no limit.
        retries: how long to wait for the server.
        prices: of the model, for `usage.cost`.
        check: whether to ask at once if the server has the model.

    Raises:
        MissingKey: if OpenAI is to be asked, and no key is set.
        MissingExtra: if `openai` is not installed.
        ServiceRefused: if the key or the model's name is not accepted.
        ServiceError: if the server is dead.
        ValueError: if the options do not go together.
    """

    def __init__(
        self,
        model: str,
        *,
        base_url: str | None = None,
        replies: Replies = "calls",
        tools: Sequence[Tool] = (),
        max_frames: int | None = None,
        temperature: float | None = None,
        max_tokens: int | None = 4096,
        token_ids: bool = False,
        processed_logprobs: bool = False,
        options: Mapping[str, Any] | None = None,
        workers: int = 4,
        requests_per_minute: float | None = None,
        retries: RetrySettings | None = None,
        prices: Prices | None = None,
        check: bool = True,
    ) -> None:
        """Start with no episode running."""
        if replies not in ("calls", "json"):
            raise ValueError(f"replies must be 'calls' or 'json', got {replies!r}")
        if token_ids and (replies != "json" or temperature is None):
            raise ValueError("token_ids needs replies='json' and a temperature")
        retries = retries or RetrySettings()
        settings = {
            "model": model,
            "base_url": base_url or os.environ.get("OPENAI_BASE_URL") or OPENAI,
            "replies": replies,
            "tools": tuple(tools),
            "max_frames": max_frames,
            "max_tokens": max_tokens,
            "token_ids": token_ids,
            "processed_logprobs": processed_logprobs,
            "options": dict(options or {}),
        }
        super().__init__(
            _ChatCompletions(settings, retries.timeout),
            settings,
            temperature=temperature,
            workers=workers,
            requests_per_minute=requests_per_minute,
            retries=retries,
            prices=prices,
            check=check,
        )


class _ChatCompletions:
    """Chat completions as a `Service`."""

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        self._settings, self._model = settings, str(settings["model"])
        is_openai = settings["base_url"].startswith(OPENAI)
        self._key = Key("OPENAI_API_KEY", user=f"the model {self._model!r}" if is_openai else None)
        try:
            self._openai = import_module("openai")
        except ModuleNotFoundError as error:
            raise MissingExtra(
                f"OpenAIPolicy needs the package {error.name!r}: "
                "pip install 'sage-video-qa[openai]'"
            ) from error
        self._client = self._openai.OpenAI(
            api_key=self._key.reveal() or "none",  # the client refuses an empty one
            base_url=settings["base_url"],
            timeout=timeout,
            max_retries=0,
        )
        self._body = _body(settings)

    def turn(self, observation: Observation, last: Reply | None) -> list[dict[str, Any]]:
        """Return the results of the calls, which take text only, and then what is shown."""
        calls = () if last is None else last.calls
        results = [call_result(observation)] + [ONLY_THE_FIRST] * (len(calls) - 1)
        messages: list[dict[str, Any]] = [
            {"role": "tool", "tool_call_id": number, "content": result}
            for (_, number), result in zip(calls, results, strict=False)
        ]
        if last is None:
            prompt = system_prompt(self._settings["replies"], self._settings["tools"])
            messages.append({"role": "system", "content": prompt})
        blocks = [
            text_block(part) if isinstance(part, str) else url_block(part, "jpeg")
            for part in user_parts(observation, first=last is None, with_notes=not calls)
        ]
        return [*messages, {"role": "user", "content": blocks}]

    def check(self) -> None:
        """Ask which models there are, where the server has such a list."""
        try:
            known = [model.id for model in self._client.models.list().data or []]
        except self._openai.NotFoundError:
            return
        except (AttributeError, TypeError):
            raise malformed(self._model, "something else than a list of models") from None
        if known and self._model not in known:
            names = ", ".join(sorted(known)[:8]) + ", …" * (len(known) > 8)
            raise ServiceRefused(f"the server has no model {self._model!r}, it has {names}")

    def request(self, messages: Sequence[Any], temperature: float | None, seed: int | None) -> Any:
        """Send the chat once."""
        body = dict(self._body)
        body |= {} if temperature is None else {"temperature": temperature}
        body |= {} if seed is None else {"seed": seed}
        response = self._client.chat.completions.create(
            model=self._model, messages=list(messages), extra_body=body
        )
        if not _is_completion(response):
            raise malformed(self._model, "something else than a chat completion")
        return response

    def failure(self, error: Exception) -> Failure | None:
        """Return what an exception means."""
        if isinstance(error, ServiceRefused):
            return Failure(error)
        if not isinstance(error, self._openai.APIStatusError):
            return failure_of(error, self._model, self._key)
        code, headers = str(error.code), error.response.headers
        if code in _FILTERED:
            return Failure(ReplyBlocked(f"{self._model}: the prompt was blocked ({code})"))
        return failure_of(
            error,
            self._model,
            self._key,
            status=error.status_code,
            said=error.message,
            wait=retry_after(headers.get("retry-after")),
            refused=code in ("insufficient_quota", "invalid_api_key", "model_not_found"),
        )

    def counts(self, response: Any) -> TokenCounts | None:
        """Return the tokens that a response says it took; thinking is in the completion."""
        usage = response.usage
        if usage is None or usage.prompt_tokens is None or usage.completion_tokens is None:
            return None
        prompt, completion = usage.prompt_tokens_details, usage.completion_tokens_details
        return TokenCounts(
            usage.prompt_tokens,
            usage.completion_tokens,
            (prompt and prompt.cached_tokens) or 0,
            (completion and completion.reasoning_tokens) or 0,
        )

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read the first call of a reply, or its text if it has none."""
        choice = response.choices[0]
        message, reason, text = choice.message, choice.finish_reason, choice.message.content or ""
        if message.refusal:
            raise ReplyBlocked(f"{self._model} refused to reply: {self._key.hide(message.refusal)}")
        if reason == "content_filter":
            raise ReplyBlocked(f"a reply of {self._model} was withheld by the provider ({reason})")
        calls = [call for call in message.tool_calls or [] if getattr(call, "function", None)]
        if calls:
            return _called(message, calls)
        if not text.strip():
            hint = ": raise max_tokens" * (reason == "length")
            raise ReplyUnusable(f"{self._model} sent an empty reply ({reason}){hint}")
        tokens, ids = self._tokens(response, last, observation, temperature)
        said = {"role": "assistant", "content": text}
        action = parse_action(text, thinking=reason == "length")  # cut, perhaps inside thoughts
        return Reply(said, Decision(action, text, tokens), ids=ids)

    def _tokens(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> tuple[TurnTokens | None, tuple[int, ...] | None]:
        """Return the turn's token record and the episode's ids, or `None` where not complete."""
        exact = self._settings["processed_logprobs"] or temperature in (0.0, 1.0)
        before = () if last is None else last.ids
        if not self._settings["token_ids"] or not exact or before is None:
            return None, None
        choice = response.choices[0]
        content = getattr(choice.logprobs, "content", None)
        record = token_record(
            getattr(response, "prompt_token_ids", None),
            getattr(choice, "token_ids", None),
            None if content is None else [token.logprob for token in content],
            before,
            observation,
        )
        return (None, None) if record is None else record


def _body(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is the same in every request."""
    body: dict[str, Any] = {}
    if settings["max_tokens"] is not None:
        body["max_completion_tokens"] = settings["max_tokens"]
    if settings["replies"] == "calls":
        functions = function_schemas(settings["tools"], settings["max_frames"])
        body["tools"] = [{"type": "function", "function": function} for function in functions]
        body |= {"tool_choice": "required", "parallel_tool_calls": False}
    if settings["token_ids"]:
        body |= {"return_token_ids": True, "logprobs": True, **_KEEP_DISTRIBUTION}
    return body | dict(settings["options"])


def _is_completion(response: Any) -> bool:
    """Return whether a response has a message of text or calls: the client does not look."""
    choices = getattr(response, "choices", None)
    if not isinstance(choices, list) or not choices:
        return False
    message = getattr(choices[0], "message", None)
    calls = getattr(message, "tool_calls", None)
    is_text = isinstance(getattr(message, "content", None), str | None)
    return message is not None and is_text and isinstance(calls, list | None)


def _called(message: Any, calls: Sequence[Any]) -> Reply:
    """Read the function calls of a message."""
    texts = [
        json.dumps({"name": call.function.name, "arguments": call.function.arguments})
        for call in calls
    ]
    decision = Decision(parse_action(texts[0]), texts[0])
    if not all(_is_object(call.function.arguments) for call in calls):
        # servers refuse a chat with a call that cannot be read: it goes back as what it is, text
        return Reply({"role": "assistant", "content": "\n".join(texts)}, decision)
    said = {
        "role": "assistant",
        "content": message.content,
        "tool_calls": [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.function.name, "arguments": call.function.arguments},
            }
            for call in calls
        ],
    }
    return Reply(said, decision, tuple((call.function.name, call.id) for call in calls))


def _is_object(text: str | None) -> bool:
    try:
        read_object(text or "")
    except ValueError:
        return False
    return True
