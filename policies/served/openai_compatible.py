"""Chat completions through `openai`, from OpenAI itself, vLLM, SGLang and others."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from typing import Any

from policies.base import Observation, TurnTokens
from policies.errors import ReplyBlocked, ServiceError, ServiceRefused
from policies.served.api_key import OPENAI_KEYS, Key
from policies.served.openai_replies import counts_of, has_message, read_message
from policies.served.policy import Reply, ServedPolicy, Service
from policies.served.prompt import ONLY_THE_FIRST, Replies, call_result, system_prompt, user_parts
from policies.served.reply_json import Json, count_of, part_of
from policies.served.request_fields import Learned, RequestFields, flag_of
from policies.served.retries import Failure, RetrySettings, retry_after
from policies.served.server_errors import (
    HttpFailure,
    failure_of,
    failure_of_status,
    json_of,
    malformed,
    said_by,
    shown,
)
from policies.served.token_record import token_record
from policies.served.usage import Prices
from policies.served.wire import NoReply, Wire
from policies.turn_usage import TokenCounts
from sage_env.lazy_exports import needs_extra
from sage_env.tools.reply_schema import function_schemas
from sage_env.tools.tool import Tool
from sage_env.wrappers.chat_space import text_block, url_block

OPENAI = "https://api.openai.com/v1"
_KEEP_DISTRIBUTION = {"top_p": 1.0, "top_k": 0, "min_p": 0.0, "repetition_penalty": 1.0}
"""A server may fill these in from the checkpoint; then log-probs are not those of the sampling."""
_FILTERED = {"content_filter", "content_policy_violation", "ResponsibleAIPolicyViolation"}
"""Codes of errors that say that a filter, not the server, refused the prompt."""
_FOR_GOOD = {"insufficient_quota", "billing_hard_limit_reached", "invalid_api_key"}
"""Codes of errors that no later request will be without."""
_ACCOUNT = {"OPENAI_ORG_ID": "OpenAI-Organization", "OPENAI_PROJECT_ID": "OpenAI-Project"}
_USER, _EXTRA = "OpenAIPolicy", "openai"
_MOST_LESSONS = 12  # requests that one turn may spend on learning what a server takes


class OpenAIPolicy(ServedPolicy):
    """Plays with a model behind a chat-completions server: one chat per episode.

    The key is read from `OPENAI_API_KEY`; a server other than OpenAI's may need none. A field that
    the server refuses is left out from there on, with a warning; one that makes no function calls
    is asked for JSON text (see `policies.served.request_fields`). What a provider adds to its
    replies, such as signatures and reasoning, goes back with them.

    Args:
        model: its name, as the server knows it.
        base_url: of the server, e.g. `http://localhost:8000/v1`; `None` for `OPENAI_BASE_URL`, or
            OpenAI's own.
        replies: `"calls"` for function calls, `"json"` for an action's JSON as plain text, which
            every server can do, and which is fallen back to.
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
        options: further fields of the request's body, over all others, e.g.
            `{"reasoning_effort": "low"}`; `None` leaves a field out, e.g. `{"seed": None}`.
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


def chat_completions(settings: Mapping[str, Any], timeout: float) -> Service:
    """Return chat completions as a service; the setting `system` replaces the prompt of agents."""
    return _ChatCompletions(settings, timeout)


class _ChatCompletions:
    """Chat completions as a `Service`."""

    def __init__(self, settings: Mapping[str, Any], timeout: float) -> None:
        self._settings, self._model = settings, str(settings["model"])
        is_openai = settings["base_url"].startswith(OPENAI)
        self._key = Key(*OPENAI_KEYS, user=f"the model {self._model!r}" if is_openai else None)
        with needs_extra(_USER, _EXTRA):
            openai = import_module("openai")
        self._wire = Wire(settings["base_url"], timeout, user=_USER, extra=_EXTRA)
        key = self._key.reveal()
        client = openai.OpenAI(
            api_key=key or "none",  # it wants one; the header is left out
            admin_api_key="",
            base_url=self._wire.base_url,
            http_client=self._wire.client,
            timeout=timeout,
            max_retries=0,
        )
        # the client sends the account's names to any server: they are no other's business
        account = {
            header: found
            for name, header in _ACCOUNT.items()
            if is_openai and (found := os.environ.get(name, "").strip()) and found.isascii()
        }
        left_out = dict.fromkeys(_ACCOUNT.values(), openai.Omit())
        self._headers = left_out | account | ({} if key else {"Authorization": openai.Omit()})
        self._list = client.models.with_raw_response.list
        self._create = client.chat.completions.with_raw_response.create
        functions = function_schemas(settings["tools"], settings["max_frames"])
        self._known = frozenset(function["name"] for function in functions)
        fixed: dict[str, Any] = {
            "tools": [{"type": "function", "function": function} for function in functions],
            "parallel_tool_calls": False,
        }
        if settings["token_ids"]:
            fixed |= {"return_token_ids": True, "logprobs": True, **_KEEP_DISTRIBUTION}
        self._fields = RequestFields(
            fixed, settings["options"], settings["max_tokens"], settings["replies"]
        )
        self._context: int | None = None
        self.answers_only = False

    def turn(self, observation: Observation, last: Reply | None) -> list[dict[str, Any]]:
        """Return the results of the calls, which take text only, and then what is shown."""
        calls = () if last is None else last.calls
        results = [call_result(observation)] + [ONLY_THE_FIRST] * (len(calls) - 1)
        messages: list[dict[str, Any]] = [
            {"role": "tool", "tool_call_id": number, "content": result}
            for (_, number), result in zip(calls, results, strict=False)
        ]
        blocks = [
            text_block(part) if isinstance(part, str) else url_block(part, "jpeg")
            for part in user_parts(observation, first=last is None, with_notes=not calls)
        ]
        return [*messages, {"role": "user", "content": blocks}]

    def check(self) -> None:
        """Ask which models there are, where the server has such a list."""
        found = self._models()
        if found is None:
            return
        known = [str(part_of(model, "id")) for model in found]
        ends = f"/{self._model}"  # Google's list has "models/" before the names that it takes
        if known and not any(name == self._model or name.endswith(ends) for name in known):
            names = ", ".join(sorted(known)[:8]) + ", …" * (len(known) > 8)
            raise ServiceRefused(
                f"the server has no model {self._model!r}, it has {shown(names, self._key)}"
            )
        limit = self._settings["max_tokens"]
        if self._context is not None and limit is not None and self._context <= limit:
            self._fields.without_limit()

    def _models(self) -> list[Json] | None:
        """Return the server's list of models; `None` if it has none. Keeps our model's context."""
        try:
            listed = part_of(self._asked(self._list), "data")
        except HttpFailure as failed:
            if failed.reply.status in (403, 404, 405, 501):  # keys may be for replies alone
                return None
            raise
        if listed is None:
            listed = []
        if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
            raise malformed(self._model, "something else than a list of models")
        ours = [model for model in listed if model.get("id") == self._model]
        self._context = count_of(ours, 0, "max_model_len")
        return listed

    def _asked(self, call: Callable[..., Any], **arguments: Any) -> Json:
        reply = self._wire.heard(lambda: call(extra_headers=self._headers, **arguments))
        return json_of(reply, self._model, self._key)

    def _completed(self, sent: Mapping[str, Any]) -> Json:
        """Send the body of a request as it is.

        The fields go through `extra_body`, as the client's parameters are those of OpenAI's own
        API, and some, such as `stream` and `timeout`, would change what the client does.
        """
        fields = {name: x for name, x in sent.items() if name not in ("model", "messages")}
        return self._asked(
            self._create, model=sent["model"], messages=sent["messages"], extra_body=fields
        )

    def request(self, messages: Sequence[Any], temperature: float | None, seed: int | None) -> Any:
        """Send the chat, without what the server turns out to refuse."""
        for _ in range(_MOST_LESSONS):
            learned = self._fields.learned
            sent = self._request(learned, messages, temperature, seed)
            try:
                response = self._completed(sent)
            except HttpFailure as failed:
                if _code(failed) in _FILTERED or not self._learns(failed, learned, sent):
                    raise
                continue
            if not has_message(response):
                raise malformed(self._model, "something else than a chat completion")
            return {**response, "sent": {k: x for k, x in sent.items() if k != "messages"}}
        raise ServiceError(f"{self._model}: the server refuses one field after the other")

    def _request(
        self, learned: Learned, messages: Sequence[Any], temperature: float | None, seed: int | None
    ) -> dict[str, Any]:
        own, tools = self._settings.get("system"), self._settings["tools"]
        system = {"role": "system", "content": own or system_prompt(learned.replies, tools)}
        chat = self._fields.messages(learned, [system, *messages])
        sampling = {"temperature": temperature, "seed": seed}
        fields = self._fields.body(learned, sampling, answers_only=self.answers_only)
        return {"model": self._model, "messages": chat, **fields}

    def _learns(self, failed: HttpFailure, learned: Learned, sent: Mapping[str, Any]) -> bool:
        """Return whether another request may pass, and warn of what it will lack."""
        said = said_by(failed, self._key)
        if self._context is None and ("context" in said or "max_model_len" in said):
            try:
                self._models()
            except (HttpFailure, NoReply, ServiceError):
                pass  # the error is told without it
        told = self._fields.learn(learned, sent, failed.reply.status, failed.body, said)
        if told:
            warnings.warn(
                f"{self._model}: the server said {said!r}: {told}{flag_of(said)}", stacklevel=2
            )
        return told is not None

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception means."""
        if not isinstance(error, HttpFailure):
            return failure_of(error, self._model, self._key, served=served)
        code = _code(error)
        if code in _FILTERED:
            return Failure(ReplyBlocked(f"{self._model}: the prompt was blocked ({code})"))
        said = said_by(error, self._key)
        about_length = self._context is not None and "context length" in said
        context = f"; its context is {self._context} tokens" if about_length else ""
        return failure_of_status(
            error,
            self._model,
            self._key,
            served=served,
            said=said,
            wait=retry_after(error.reply.headers.get("retry-after")),
            refused=code in _FOR_GOOD or (code == "model_not_found" and not served),
            hint=context + flag_of(said),
        )

    def counts(self, response: Any) -> TokenCounts | None:
        """Return the tokens that a response says it took."""
        return counts_of(response)

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read the first call of a reply, or its text if it has none."""
        turn = 0 if last is None else last.turn + 1
        reply = read_message(response, self._model, self._known, turn)
        if reply.calls or not self._settings["token_ids"]:
            return reply
        tokens, ids = self._tokens(response, last, observation, temperature)
        return replace(reply, decision=replace(reply.decision, tokens=tokens), ids=ids)

    def _tokens(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> tuple[TurnTokens | None, tuple[int, ...] | None]:
        """Return the turn's token record and the episode's ids, or `None` where not complete."""
        sent = {**_KEEP_DISTRIBUTION, "temperature": temperature}
        exact = self._settings["processed_logprobs"] or temperature in (0.0, 1.0)
        exact = exact and all(response["sent"].get(name) == x for name, x in sent.items())
        if not exact or (before := () if last is None else last.ids) is None:
            return None, None
        content = part_of(response, "choices", 0, "logprobs", "content")
        record = token_record(
            part_of(response, "prompt_token_ids"),
            part_of(response, "choices", 0, "token_ids"),
            [part_of(token, "logprob") for token in content] if isinstance(content, list) else None,
            before,
            observation,
        )
        return (None, None) if record is None else record


def _code(failed: HttpFailure) -> str:
    """Return the code of an error, which says more than its status."""
    error = part_of(failed.body, "error")
    return str(part_of(error, "code") or part_of(error, "type") or part_of(failed.body, "code"))
