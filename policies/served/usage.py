"""The usage of a served model: tokens as the server counts them, and what they cost."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from policies.served.reply_json import Json, count_of
from policies.turn_usage import TokenCounts, TurnUsage

_BILLS = {"generativelanguage.googleapis.com": "google", "api.openai.com": "openai"}
"""Who bills for a server."""


def billed_as(base_url: str, model: str) -> str:
    """Return `SERVER/NAME`, as a price list has it: a name alone may be anybody's."""
    host = urlsplit(base_url).hostname or ""
    return f"{_BILLS.get(host, host)}/{model}"


@dataclass(frozen=True)
class Prices:
    """Dollars per million tokens, from the provider's price list on the day of the run.

    Attributes:
        prompt: of what is sent.
        completion: of what is generated, thinking included.
        cached: of what is sent and was in the provider's cache; `None` if it costs as `prompt`.
    """

    prompt: float
    completion: float
    cached: float | None = None

    def __post_init__(self) -> None:
        """Refuse prices below 0."""
        if min(self.prompt, self.completion, self.cached or 0.0) < 0:
            raise ValueError(f"prices must be dollars >= 0 per million tokens, got {self}")

    def of(self, prompt: int, cached: int, completion: int) -> float:
        """Return the dollars of so many tokens; `cached` are those of `prompt`."""
        price = self.prompt if self.cached is None else self.cached
        micro = (prompt - cached) * self.prompt + cached * price + completion * self.completion
        return micro / 1e6


def counts_or_none(
    usage: Json,
    prompt: tuple[str, ...],
    completion: tuple[str, ...],
    cached: tuple[str, ...],
    thinking: tuple[str, ...],
) -> TokenCounts | None:
    """Return the counts of a response; `None` if it does not say them as whole numbers >= 0.

    Args:
        usage: what the response says of its tokens.
        prompt: path of the tokens sent.
        completion: of those generated.
        cached: of those sent that were in a cache; none said is 0.
        thinking: of those generated that are not shown; none said is 0.
    """
    sent, made = count_of(usage, *prompt), count_of(usage, *completion)
    if sent is None or made is None:
        return None
    return TokenCounts(
        sent, made, min(count_of(usage, *cached) or 0, sent), count_of(usage, *thinking) or 0
    )


@dataclass(frozen=True)
class Usage:
    """Replies, tokens and dollars since the policy was made; blocked replies are in it.

    Attributes:
        replies: how many came.
        failed_attempts: requests that failed, those that were sent again included.
        prompt_tokens: sent, over all replies that said so.
        cached_tokens: those of them that the server had in its cache.
        completion_tokens: generated, thinking included.
        thinking_tokens: those of them that are not shown.
        uncounted_replies: replies that came without token counts.
        cost: in dollars; `None` if the prices are not known, or a reply was not counted.
    """

    replies: int = 0
    failed_attempts: int = 0
    prompt_tokens: int = 0
    cached_tokens: int = 0
    completion_tokens: int = 0
    thinking_tokens: int = 0
    uncounted_replies: int = 0
    cost: float | None = None


class UsageCounter:
    """Adds up what many threads use.

    Args:
        prices: of the model; `None` if they are not known.
    """

    def __init__(self, prices: Prices | None) -> None:
        """Start at zero."""
        self._prices, self._lock, self._usage = prices, threading.Lock(), Usage()

    def failed(self) -> None:
        """Count a request that failed."""
        with self._lock:
            usage = self._usage
            self._usage = replace(usage, failed_attempts=usage.failed_attempts + 1)

    def add(self, counts: TokenCounts | None) -> None:
        """Count a reply; `None` if it came without counts."""
        with self._lock:
            usage = replace(self._usage, replies=self._usage.replies + 1)
            if counts is None:
                usage = replace(usage, uncounted_replies=usage.uncounted_replies + 1)
            else:
                usage = replace(
                    usage,
                    prompt_tokens=usage.prompt_tokens + counts.prompt,
                    cached_tokens=usage.cached_tokens + counts.cached,
                    completion_tokens=usage.completion_tokens + counts.completion,
                    thinking_tokens=usage.thinking_tokens + counts.thinking,
                )
            self._usage = usage

    def dollars(self, usage: TurnUsage) -> float | None:
        """Return what a turn cost; `None` without prices, or where a reply was not counted."""
        counted = usage.counted
        if self._prices is None or counted is None:
            return None
        return sum(self._prices.of(one.prompt, one.cached, one.completion) for one in counted)

    @property
    def usage(self) -> Usage:
        """Return what was used so far."""
        with self._lock:
            usage, prices = self._usage, self._prices
        if prices is None or usage.uncounted_replies:
            return usage
        used = usage.prompt_tokens, usage.cached_tokens, usage.completion_tokens
        return replace(usage, cost=prices.of(*used))


class TurnMeter:
    """Adds up what one turn of one chat takes, until it has a reply that can be used.

    Args:
        counter: of the policy, which is told as well.
        model: `SERVER/NAME`, as a price list has it.
    """

    def __init__(self, counter: UsageCounter, model: str) -> None:
        """Start at zero."""
        self._counter, self._model = counter, model
        self._replies: list[TokenCounts | None] = []
        self._failed, self._seconds = 0, 0.0

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Time the block."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self._seconds += time.perf_counter() - began

    def failed(self) -> None:
        """Count a request that failed."""
        self._counter.failed()
        self._failed += 1

    def add(self, counts: TokenCounts | None) -> None:
        """Count a reply; `None` if it came without counts."""
        self._counter.add(counts)
        self._replies.append(counts)

    def take(self) -> TurnUsage:
        """Return what the turn took, and start again at zero."""
        replies, failed, seconds = tuple(self._replies), self._failed, self._seconds
        self._replies, self._failed, self._seconds = [], 0, 0.0
        usage = TurnUsage(replies, True, failed, self._model, seconds=seconds)
        return replace(usage, dollars=self._counter.dollars(usage))
