"""A model behind an API as a policy: one chat per episode, which only ever grows."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, TypeVar

import numpy as np

from policies.base import Decision, EpisodeStates, Observation, require_distinct
from policies.errors import EpisodesFailed, ServiceRefused
from policies.prompt import told_to_answer
from policies.served.retries import Failure, RateLimit, RetrySettings, request_with_retries
from policies.served.usage import Prices, TurnMeter, Usage, UsageCounter, billed_as
from policies.turn_usage import TokenCounts
from sage_env.errors import SageEnvError

Message = Any
"""A message as the service's client takes it."""
T = TypeVar("T")


@dataclass(frozen=True)
class Reply:
    """One reply of a model.

    Attributes:
        message: the same as a message of the chat, as it came.
        decision: what it means.
        calls: name and id of the function calls in `message`, each of which wants a result; the
            decision is the first.
        ids: the token ids of the chat so far, this reply included; `None` where not known.
        turn: its number in the chat, from 0.
    """

    message: Message
    decision: Decision
    calls: tuple[tuple[str, str | None], ...] = ()
    ids: tuple[int, ...] | None = None
    turn: int = 0


@dataclass(eq=False)
class Chat:
    """One running episode: the messages so far, and the reply that the last of them is.

    `meter` holds what the turn that has no reply yet has taken by now.
    """

    seed: int | None
    messages: list[Message] = field(default_factory=list)
    reply: Reply | None = None
    meter: TurnMeter | None = None


class Service(Protocol):
    """One API: what `ServedPolicy` leaves to it.

    Attributes:
        answers_only: whether only the answer may be called, where replies are calls.
    """

    answers_only: bool

    def turn(self, observation: Observation, last: Reply | None) -> list[Message]:
        """Return the messages that show an observation; `last` is `None` on the first turn."""

    def check(self) -> None:
        """Ask whether the model can be had; raises what `failure` can read."""

    def request(
        self, messages: Sequence[Message], temperature: float | None, seed: int | None
    ) -> Any:
        """Send the whole chat, and return what came; raises what `failure` can read."""

    def failure(self, error: Exception, served: bool) -> Failure | None:
        """Return what an exception of `request`, `read` or `check` means; `None` for a bug.

        Args:
            error: the exception.
            served: whether the server has replied to us before.
        """

    def counts(self, response: Any) -> TokenCounts | None:
        """Return the tokens that a response says it took."""

    def read(
        self, response: Any, last: Reply | None, observation: Observation, temperature: float | None
    ) -> Reply:
        """Read a response.

        Args:
            response: what `request` returned.
            last: the reply before it; `None` on the first turn.
            observation: what the turn showed.
            temperature: that it was sampled at; `None` for the service's own.

        Raises:
            ReplyBlocked: if the provider withheld the prompt or the reply.
            ReplyUnusable: if it is empty, or in another form: it is asked for again.
        """


class ServedPolicy(EpisodeStates[Chat]):
    """Plays by asking a service. See `GeminiPolicy`, `GeminiVideoPolicy` and `OpenAIPolicy`.

    What a server does wrong costs the episode in which it does it, after as many attempts as
    `retries` allows: a `ServiceError` in `EpisodesFailed`. `ServiceRefused` alone ends the run. A
    403 or 404 is a refusal only until the first reply. After a failure a chat is as it was before
    the turn: the observation can be shown again.

    Args:
        service: what is asked.
        settings: what the subclass was made with; a pickle holds these, and no chat and no key.
        temperature: of sampling; `None` for the service's own.
        workers: how many episodes of a batch are asked for at the same time.
        requests_per_minute: at most, over all workers; `None` for no limit.
        retries: how long to wait for the server.
        prices: of the model; `None` if they are not known.
        check: whether to ask at once if the model can be had.

    Attributes:
        temperature: may be changed between turns.
    """

    def __init__(
        self,
        service: Service,
        settings: Mapping[str, Any],
        *,
        temperature: float | None,
        workers: int,
        requests_per_minute: float | None,
        retries: RetrySettings,
        prices: Prices | None,
        check: bool,
    ) -> None:
        """Start with no episode running."""
        if workers < 1 or (temperature is not None and temperature < 0):
            raise ValueError(
                f"expected workers >= 1 and temperature >= 0 or None, got {workers}, {temperature}"
            )
        self.temperature = temperature
        self._service, self._settings, self._workers = service, dict(settings), workers
        self._retries, self._limit = retries, RateLimit(requests_per_minute)
        self._counter = UsageCounter(prices)
        self._settings |= {
            "workers": workers,
            "requests_per_minute": requests_per_minute,
            "retries": retries,
            "prices": prices,
        }
        self._served = False  # set by any thread, never unset
        self.reset()
        if check:
            self._ask(service.check, replace(retries, attempts=min(2, retries.attempts)))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings: a copy has no episodes, and takes its key from its environment."""
        return _remade, (type(self), {**self._settings, "temperature": self.temperature})

    def __repr__(self) -> str:
        """Name the model."""
        return f"{type(self).__name__}({self._settings['model']!r})"

    @property
    def answers_only(self) -> bool:
        """Return whether the model is told to answer, and offered nothing else to call."""
        return self._service.answers_only

    @answers_only.setter
    def answers_only(self, value: bool) -> None:
        self._service.answers_only = value

    @property
    def usage(self) -> Usage:
        """Tokens and dollars since the policy was made; `reset` does not clear them."""
        return self._counter.usage

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes; `seed` is passed on to services that take one."""
        self._seed = seed
        self._episodes = {}

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation, asking for several at a time.

        Raises:
            ServiceRefused: if the server will not serve us at all.
            EpisodesFailed: if no usable reply came for some of the episodes.
        """
        require_distinct(observations, episodes)
        chats = [self._chat(name) for name in episodes]

        def decide(chat: Chat, observation: Observation) -> Decision | SageEnvError:
            try:
                return self._decide(chat, observation)
            except SageEnvError as error:
                return error

        begun = self._served
        if len(chats) == 1:  # in this thread, which an interrupt from the keyboard reaches
            replies = [decide(chats[0], observations[0])]
        else:
            with ThreadPoolExecutor(self._workers) as pool:
                replies = list(pool.map(decide, chats, observations))
        if self._served and not begun:  # refused beside others that were not: a passing fault
            replies = [
                decide(chat, shown) if isinstance(reply, ServiceRefused) else reply
                for chat, shown, reply in zip(chats, observations, replies, strict=True)
            ]
        found = dict(zip(episodes, replies, strict=True))
        errors = {name: x for name, x in found.items() if isinstance(x, SageEnvError)}
        for error in errors.values():
            if isinstance(error, ServiceRefused):
                raise error
        decisions = {name: x for name, x in found.items() if isinstance(x, Decision)}
        if errors:
            raise EpisodesFailed(errors, decisions)
        return [decisions[name] for name in episodes]

    def _chat(self, name: Hashable) -> Chat:
        if name not in self._episodes:
            seed = self._seed
            if seed is not None:  # 31 bits: what every service takes
                words = [seed, zlib.crc32(repr(name).encode())]
                seed = int(np.random.SeedSequence(words).generate_state(1)[0]) >> 1
            self._episodes[name] = self._new_chat(name, seed)
        return self._episodes[name]

    def _new_chat(self, name: Hashable, seed: int | None) -> Chat:
        """Return the chat of an episode that begins."""
        return Chat(seed)

    def _turn(self, chat: Chat, observation: Observation) -> list[Message]:
        """Return the messages that show an observation."""
        return self._service.turn(observation, chat.reply)

    def _decide(self, chat: Chat, observation: Observation) -> Decision:
        service, temperature = self._service, self.temperature
        if service.answers_only:
            observation = told_to_answer(observation)
        if chat.meter is None:
            chat.meter = TurnMeter(self._counter, self._billed_as)
        meter = chat.meter

        def answered() -> Reply:
            response = service.request(messages, temperature, chat.seed)
            meter.add(service.counts(response))  # what cannot be used is paid for too
            reply = service.read(response, chat.reply, observation, temperature)
            self._served = True
            return reply

        with meter.waiting():
            messages = [*chat.messages, *self._turn(chat, observation)]
            reply = self._ask(answered, self._retries, meter.failed)
        chat.messages, chat.reply = [*messages, reply.message], reply
        return replace(reply.decision, usage=meter.take())

    @property
    def _billed_as(self) -> str:
        return billed_as(self._settings["base_url"], self._settings["model"])

    def _ask(
        self,
        request: Callable[[], T],
        retries: RetrySettings,
        on_failure: Callable[[], None] | None = None,
    ) -> T:
        def failure(error: Exception) -> Failure | None:
            return self._service.failure(error, self._served)

        counted = on_failure or self._counter.failed
        return request_with_retries(request, failure, retries, self._limit, counted)


def _remade(kind: type[Any], settings: dict[str, Any]) -> Any:
    return kind(**settings, check=False)
