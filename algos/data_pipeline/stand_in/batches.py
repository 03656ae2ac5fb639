"""Batches of the stand-in: each is answered when it is begun, and told at the second look."""

from __future__ import annotations

import threading
from typing import Any

from algos.data_pipeline.stand_in.exchange import Exchange, refused
from algos.data_pipeline.stand_in.replying import REQUEST_ID, Replying


class Batches:
    """The batches by name; several threads may ask.

    Args:
        replying: answers the requests in them.
    """

    def __init__(self, replying: Replying) -> None:
        """Start with none."""
        self._replying, self._lock = replying, threading.Lock()
        self._done: dict[str, list[Any]] = {}
        self._looks: dict[str, int] = {}

    def begun(self, model: str, body: Any) -> Exchange:
        """Take a batch of requests in the body itself."""
        try:
            requests = body["batch"]["inputConfig"]["requests"]["requests"]
            found = [
                self._replying.asked(model, {REQUEST_ID: one["metadata"]["key"]}, one["request"])
                for one in requests
            ]
        except (KeyError, TypeError):
            return refused(400, "INVALID_ARGUMENT", "the body is no batch with its requests")
        told = [
            {"response": said.body} if said.status == 200 else {"error": said.body["error"]}
            for said in found
        ]
        with self._lock:
            name = f"batches/{len(self._done)}"
            self._done[name] = [
                {**one, "metadata": request["metadata"]}
                for one, request in zip(told, requests, strict=True)
            ]
        return Exchange({"name": name, "metadata": {"state": "BATCH_STATE_PENDING"}})

    def asked(self, name: str) -> Exchange:
        """Tell of a batch."""
        with self._lock:
            if name not in self._done:
                return refused(404, "NOT_FOUND", f"there is no {name}")
            self._looks[name] = self._looks.get(name, 0) + 1
            if self._looks[name] == 1:
                return Exchange({"name": name, "metadata": {"state": "BATCH_STATE_RUNNING"}})
            output = {"inlinedResponses": {"inlinedResponses": self._done[name]}}
            state = {"state": "BATCH_STATE_SUCCEEDED", "output": output}
            return Exchange({"name": name, "done": True, "metadata": state})
