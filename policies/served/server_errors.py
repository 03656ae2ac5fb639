"""Exceptions of HTTP clients, read: what each means for an episode, told without the key."""

from __future__ import annotations

import json

from policies.errors import ReplyUnusable, ServiceError, ServiceRefused
from policies.served.api_key import Key
from policies.served.retries import Failure

# Statuses of RFC 9110 section 15.5, of RFC 8470 (425) and RFC 6585 (429). Unauthorised, forbidden
# and not found stay so; a time-out, a conflict, "too early" and "too many requests" may pass.
_REFUSED = {401, 403, 404}
_AGAIN = {408, 409, 425, 429}
_LONGEST = 300  # characters of a server's words in a message


def failure_of(
    error: Exception,
    model: str,
    key: Key,
    *,
    status: int | None = None,
    said: str = "",
    wait: float | None = None,
    refused: bool = False,
) -> Failure | None:
    """Return what a failed request means; `None` for an exception that has nothing to do with it.

    Args:
        error: what the client raised.
        model: who was asked.
        key: what must not be told.
        status: of the HTTP response; `None` if none came.
        said: what the server said.
        wait: seconds that it asks to wait.
        refused: whether it says, beside the status, that it will never serve us.
    """
    if status is not None:
        told = short(key.hide(f"{model}: the server said {status} {said}"))
        if refused or status in _REFUSED:
            return Failure(
                ServiceRefused(f"{told}; check the key, the model's name and the address")
            )
        return Failure(ServiceError(told), again=status in _AGAIN or status >= 500, wait=wait)
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & {"TimeoutException", "APITimeoutError", "TimeoutError"}:
        return Failure(ServiceError(f"{model}: the server did not reply in time"), again=True)
    if kinds & {"RequestError", "APIConnectionError", "ConnectionError"}:
        cause = error.__cause__ or error
        told = short(key.hide(str(cause) or type(cause).__name__))
        return Failure(
            ServiceError(f"{model}: the server cannot be reached ({told}): is it up?"), again=True
        )
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return Failure(malformed(model, "something that is not JSON"), again=True)
    if kinds & {"ValidationError", "APIResponseValidationError", "UnknownApiResponseError"}:
        return Failure(malformed(model, "JSON of another form"), again=True)
    if isinstance(error, ReplyUnusable):
        return Failure(error, again=True)
    return None


def malformed(model: str, what: str) -> ReplyUnusable:
    """Return the error for a response that no such service should give."""
    return ReplyUnusable(
        f"{model}: the server sent {what}: is there such a service at the address?"
    )


def short(text: str) -> str:
    """Return the text in one line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"
