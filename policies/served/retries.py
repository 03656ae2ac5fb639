"""Asking a server until it answers: back-off with jitter, Retry-After, and a rate of our own."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TypeVar

from policies.errors import ServiceError, ServiceRefused

T = TypeVar("T")


@dataclass(frozen=True)
class RetrySettings:
    """Settings of retries: how often a request is sent, and how long a server is waited for.

    The defaults are choices: between six attempts lie at most 1 + 2 + 4 + 8 + 16 = 31 s.

    Attributes:
        timeout: seconds for one request, from the connection to the last byte of the reply.
        attempts: how often one request is sent at most.
        first_wait: seconds before the second attempt; it doubles with every further one, and up to
            half of it is taken off at random, so that many askers do not come back together.
        longest_wait: seconds; what no wait exceeds. A server that asks for more is given up.
    """

    timeout: float = 300.0
    attempts: int = 6
    first_wait: float = 1.0
    longest_wait: float = 60.0

    def __post_init__(self) -> None:
        """Refuse values that mean nothing."""
        if self.timeout <= 0 or self.attempts < 1 or min(self.first_wait, self.longest_wait) < 0:
            raise ValueError(f"expected a timeout > 0, attempts >= 1 and waits >= 0, got {self}")

    def wait(self, attempt: int) -> float:
        """Return how many seconds to wait after the attempt with that number, from 1."""
        longest = min(self.longest_wait, self.first_wait * 2.0 ** (attempt - 1))
        return longest * random.uniform(0.5, 1.0)


@dataclass(frozen=True)
class Failure:
    """The meaning of a failed request.

    Attributes:
        error: what to raise if it is not sent again.
        again: whether it may be sent again.
        wait: seconds that the server asks to wait; `None` if it does not say.
        busy: whether it takes nobody's requests until then, as when a quota is used up.
    """

    error: ServiceError
    again: bool = False
    wait: float | None = None
    busy: bool = False


class RateLimit:
    """Spaces requests evenly, over all threads.

    Args:
        per_minute: requests; `None` for no limit.
    """

    def __init__(self, per_minute: float | None) -> None:
        """Let the first request through at once."""
        if per_minute is not None and not per_minute > 0:
            raise ValueError(f"requests_per_minute must be above 0 or None, got {per_minute}")
        self._spacing = 0.0 if per_minute is None else 60.0 / per_minute
        self._lock, self._next = threading.Lock(), 0.0

    def wait(self) -> None:
        """Sleep until the next request may be sent."""
        if not self._spacing:
            return
        with self._lock:  # each caller takes a time of its own, and sleeps without the lock
            now = time.monotonic()
            mine = max(now, self._next)
            self._next = mine + self._spacing
        time.sleep(mine - now)


def request_with_retries(
    request: Callable[[], T],
    failure: Callable[[Exception], Failure | None],
    retries: RetrySettings,
    limit: RateLimit,
    on_failure: Callable[[], None],
) -> T:
    """Send a request until it is answered.

    Args:
        request: sends it once.
        failure: what an exception of `request` means; `None` if it is a bug, and propagates.
        retries: how often, and how long.
        limit: how many requests are sent in a minute.
        on_failure: called once per request that failed.

    Raises:
        ServiceError: when there is no hope, or no attempt is left. It has no context: the client's
            own exceptions carry the request, and with it the key.
    """
    for attempt in range(1, retries.attempts + 1):
        limit.wait()
        try:
            return request()
        except Exception as error:
            found = failure(error)
            if found is None:
                raise
            failed = found
        on_failure()
        if not failed.again:
            raise failed.error
        if failed.wait is not None and failed.wait > retries.longest_wait:
            kind = ServiceRefused if failed.busy else type(failed.error)
            raise kind(
                f"{failed.error}; it asks to wait {failed.wait:.0f} s, and longest_wait is "
                f"{retries.longest_wait:.0f} s"
            )
        if attempt < retries.attempts:
            time.sleep(max(failed.wait or 0.0, retries.wait(attempt)))
    raise type(failed.error)(f"{failed.error} (sent {retries.attempts} times)")


def retry_after(value: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks for, `None` without one or for nonsense.

    A number of seconds or an HTTP date (RFC 9110 section 10.2.3); a date in the past is 0.
    """
    if value is None:
        return None
    try:
        seconds = float(value)
        return max(0.0, seconds) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        date = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    date = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())
