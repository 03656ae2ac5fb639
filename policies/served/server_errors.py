"""Failed requests, read: what each means for an episode and for the run, told without the key."""

from __future__ import annotations

import re

from policies.errors import ReplyUnusable, ServiceError, ServiceRefused
from policies.served.api_key import Key
from policies.served.reply_json import Json, part_of, read_json
from policies.served.retries import Failure
from policies.served.wire import HttpReply, NoReply

# Statuses of RFC 9110 section 15.5, of RFC 8470 (425) and RFC 6585 (429). Unauthorised, forbidden
# and not found stay so for a server that has never served us; a time-out, a conflict, "too early"
# and "too many requests" may pass. 402 is what providers say when the account is empty.
_REFUSED = {401, 403, 404}
_EMPTY_ACCOUNT = 402
_AGAIN = {408, 409, 425, 429}
_LONGEST = 300  # characters of a server's words in a message
# Escape sequences of a terminal (ECMA-48): CSI and OSC whole, then every control character left.
_ESCAPES = re.compile(r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]|(?:\x1b\]|\x9d).*?(?:\x07|\x1b\\|\x9c|$)")


class HttpFailure(Exception):
    """A response that is no reply of a model: its status says so, or it holds an error."""

    def __init__(self, reply: HttpReply, body: Json) -> None:
        """Take the response, and its body as JSON (`None` if it is none)."""
        super().__init__(f"status {reply.status}")
        self.reply, self.body = reply, body


def json_of(reply: HttpReply, model: str, key: Key) -> Json:
    """Return the JSON of a response that is no failure.

    Raises:
        HttpFailure: if its status is not 2xx, or it is an error under a status that denies it.
        ReplyUnusable: if it is no JSON object.
    """
    try:
        body = read_json(reply.body, key)
    except ValueError:
        body = None
    if not 200 <= reply.status < 300:
        raise HttpFailure(reply, body)
    if part_of(body, "error") and not part_of(body, "choices") and not part_of(body, "candidates"):
        code = part_of(body, "error", "code")
        status = code if type(code) is int and 400 <= code < 600 else 500
        raise HttpFailure(HttpReply(status, reply.headers, reply.body), body)
    if body is None:
        raise malformed(model, "something that is not JSON")
    if not isinstance(body, dict):
        raise malformed(model, "JSON of another form")
    return body


def said_by(failed: HttpFailure, key: Key) -> str:
    """Return the words of a failed request's server, whatever form they have."""
    body = failed.body
    found = part_of(body, "error", "message") or part_of(body, "message") or part_of(body, "detail")
    found = found or part_of(body, "error") or part_of(body, 0, "error", "message")
    if found is None:
        found = failed.reply.body[:4096].decode("utf-8", "replace") if body is None else body
    return shown(str(found), key)


def failure_of_status(
    failed: HttpFailure,
    model: str,
    key: Key,
    *,
    served: bool,
    said: str,
    wait: float | None = None,
    refused: bool = False,
    hint: str = "",
) -> Failure:
    """Return what a status means.

    Args:
        failed: the response.
        model: who was asked.
        key: what must not be told.
        served: whether the server has replied to us before: then a 403 or a 404 is a fault of the
            moment, and only a 401 that stays is a matter of the key.
        said: what the server said.
        wait: seconds that it asks to wait.
        refused: whether it says, beside the status, that it will never serve us.
        hint: what to do about it, as the end of a sentence.
    """
    status = failed.reply.status
    told = shown(f"{model}: the server said {status} {said}", key) + hint
    if refused or status == _EMPTY_ACCOUNT or (status in _REFUSED and not served):
        return Failure(
            ServiceRefused(
                f"{told}; check the key and its account, the model's name and the address"
            )
        )
    if status in _REFUSED:
        kind = ServiceRefused if status == 401 else ServiceError
        return Failure(kind(told), again=True, wait=wait)
    return Failure(
        ServiceError(told), again=status in _AGAIN or status >= 500, wait=wait, busy=status == 429
    )


def failure_of(error: Exception, model: str, key: Key, *, served: bool) -> Failure | None:
    """Return what a request without a response, or without a usable one, means.

    Args:
        error: what was raised.
        model: who was asked.
        key: what must not be told.
        served: whether the server has replied to us before.

    Returns:
        `None` for an exception that has nothing to do with the server.
    """
    if isinstance(error, ReplyUnusable):
        return Failure(error, again=error.again)
    if isinstance(error, ServiceError):
        return Failure(error)
    if not isinstance(error, NoReply):
        return None
    told = shown(str(error), key)
    match error.trouble:
        case "late":
            return Failure(ServiceError(f"{model}: the server did not reply in time"), again=True)
        case "unreachable":
            return Failure(
                ServiceError(f"{model}: the server cannot be reached ({told}): is it up?"),
                again=True,
            )
        case "elsewhere":
            kind = ServiceError if served else ServiceRefused
            return Failure(
                kind(
                    f"{model}: the server redirects to {told}, and the key goes nowhere but to the "
                    "address given: if the new one is right, give it as the base_url"
                )
            )
        case "too large":
            return Failure(malformed(model, f"a response of {told}"))
        case _:
            return Failure(malformed(model, f"no whole response ({told})"), again=True)


def malformed(model: str, what: str) -> ReplyUnusable:
    """Return the error for a response that no such service should give."""
    return ReplyUnusable(
        f"{model}: the server sent {what}: is there such a service at the address?"
    )


def shown(text: str, key: Key) -> str:
    """Return the text in one line, cut where it is long, without the key and without escape codes.

    Nothing is left that moves a terminal's cursor or cannot be written as UTF-8.
    """
    return one_line(key.hide(_plain_line(key.hide(text[: 100 * _LONGEST]))))


def one_line(text: str) -> str:
    """Return a text that holds no key likewise."""
    line = _plain_line(text[: 100 * _LONGEST])
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…"


def _plain_line(text: str) -> str:
    line = " ".join(_ESCAPES.sub("", text).split())
    return "".join(c if c.isprintable() else "\ufffd" for c in line)
