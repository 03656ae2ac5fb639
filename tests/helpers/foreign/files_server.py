"""A server on this machine that speaks Gemini's Files API beside its `generateContent`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.helpers.loopback import Asked, Loopback, Says


class FilesServer(Loopback):
    """Takes videos by resumable upload, and says of each what `states` says, one word a look.

    Attributes:
        files: the bytes of every video that was sent, by its name.
        deleted: names, in order.
        starts: the requests that began an upload.
        refusals: what the next pieces of videos are answered with instead of being taken.
    """

    def __init__(self, script: Any, *, states: Sequence[str] = ("ACTIVE",)) -> None:
        super().__init__(script, Says({"name": "models/gemini-x"}))
        self.files: dict[str, bytes] = {}
        self.deleted: list[str] = []
        self.starts: list[Asked] = []
        self.refusals: list[Says] = []
        self._states = list(states)
        self._waiting: dict[str, list[str]] = {}

    def _answer(self, asked: Asked, posted: bool) -> Says:
        path, _, query = asked.path.partition("?")
        if path.startswith("/upload/") and "upload_id=" not in query:
            with self._lock:
                self.starts.append(asked)
                name = f"files/{len(self.starts)}"
                self.files[name], self._waiting[name] = b"", list(self._states)
            where = f"{self.url}{path}?upload_id={name}&upload_protocol=resumable"
            return Says({}, headers={"x-goog-upload-url": where, "x-goog-upload-status": "active"})
        if path.startswith("/upload/"):
            return self._piece(asked, query.partition("=")[2].partition("&")[0])
        name = path.partition("/files/")[2]
        if not name:
            return super()._answer(asked, posted)
        name = f"files/{name}"
        with self._lock:
            self.looked_up.append(asked)
            if asked.method == "DELETE":
                self.deleted.append(name)
                return Says({})
            return Says(self._about(name))

    def _piece(self, asked: Asked, name: str) -> Says:
        """Take a piece of a video, at the place that it says."""
        with self._lock:
            if self.refusals:
                return self.refusals.pop(0)
            assert int(asked.headers["x-goog-upload-offset"]) == len(self.files[name])
            self.files[name] += asked.body or b""
            final = "finalize" in asked.headers["x-goog-upload-command"]
            status = {"x-goog-upload-status": "final" if final else "active"}
            return Says({"file": self._about(name)} if final else {}, headers=status)

    def _about(self, name: str) -> dict[str, Any]:
        states = self._waiting[name]
        state = states.pop(0) if len(states) > 1 else states[0]
        failed = {"error": {"message": "no video in it"}} if state == "FAILED" else {}
        return {"name": name, "uri": f"{self.url}/v1/{name}", "state": state} | failed
