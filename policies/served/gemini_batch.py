"""Gemini's batches: a request that may wait for a day, for half the price.

Each batch holds one request, so that a reply is there as soon as its own batch is done, and a
process that ends in between finds it again by the batch's name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from policies.errors import ServiceError
from policies.served.gemini import GeminiService
from policies.served.reply_json import Json, part_of
from policies.served.server_errors import HttpFailure, malformed, one_line
from policies.served.wire import HttpReply

_WAITING = ("PENDING", "RUNNING", "UNSPECIFIED")
_DONE = "SUCCEEDED"
_NOT_FOUND = 404


def start_batch(service: GeminiService, messages: Sequence[Any], key: str) -> str:
    """Send one request as a batch, and return the batch's name.

    Args:
        service: to send to.
        messages: of the request.
        key: id of the request, which comes back with the reply.

    Raises:
        HttpFailure, NoReply, ServiceError: as `GeminiService.failure` reads them.
    """
    types, model = service.types, service.model
    request = {"request": service.whole_body(messages, None, None), "metadata": {"key": key}}
    batch = {"displayName": key, "inputConfig": {"requests": {"requests": [request]}}}
    options = types.HttpOptions(extra_body={"batch": batch}, headers={"x-request-id": key})
    found = service.asked(
        lambda: service.client.batches.create(
            model=model, src=[{"contents": "as in extra_body"}], config={"http_options": options}
        )
    )
    name = part_of(found, "name")
    if not isinstance(name, str) or not name.startswith("batches/"):
        raise malformed(model, "no name for a batch")
    return name


class BatchWaits(ServiceError):
    """A batch that cannot be asked about now: it may well be done, and billed, so it is kept."""


def ended_batch(service: GeminiService, name: str) -> Json:
    """Return what the service says of a batch that has ended; `None` while it has not.

    One that the service does not know, or no longer, has ended.

    Raises:
        HttpFailure, NoReply, ServiceError: as `GeminiService.failure` reads them; none of them says
            anything of the batch.
    """
    try:
        found = service.asked(lambda: service.client.batches.get(name=name))
    except HttpFailure as error:
        if error.reply.status != _NOT_FOUND:
            raise
        return {"metadata": {"state": "BATCH_STATE_NOT_FOUND"}}
    state = str(part_of(found, "metadata", "state"))
    return None if state.endswith(_WAITING) else found


def reply_of_batch(service: GeminiService, found: Json) -> Json:
    """Return the reply of a batch of one request.

    Args:
        service: that it was sent to.
        found: that `ended_batch` returned.

    Raises:
        HttpFailure: if the request failed, as if it had been sent alone.
        ServiceError: if the batch has ended without a reply.
    """
    state = str(part_of(found, "metadata", "state"))
    if not state.endswith(_DONE):
        raise ServiceError(f"{service.model}: a batch ended as {one_line(state)[:60]}")
    output = part_of(found, "metadata", "output") or part_of(found, "response")
    only = part_of(output, "inlinedResponses", "inlinedResponses", 0)
    error, reply = part_of(only, "error"), part_of(only, "response")
    if error is not None:
        code = part_of(error, "code")
        status = code if type(code) is int and 400 <= code < 600 else 500
        raise HttpFailure(HttpReply(status, {}, b""), {"error": error})
    if not isinstance(reply, dict):
        raise malformed(service.model, "a batch without its reply")
    return reply
