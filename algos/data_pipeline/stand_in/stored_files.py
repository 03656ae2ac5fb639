"""Files that were sent to the stand-in: their digests alone, by resumable upload."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from algos.data_pipeline.stand_in.exchange import Exchange, refused

LOOKS = 1
"""How often a new file is said to be in processing."""


@dataclass(eq=False)
class _File:
    name: str
    mime: str
    hashed: Any = field(default_factory=hashlib.sha256)
    size: int = 0
    looks: int = LOOKS


class StoredFiles:
    """The files by name; several threads may ask.

    Args:
        url: of the server.

    Attributes:
        sent: how many files came whole.
        deleted: names, in order.
    """

    def __init__(self, url: str) -> None:
        """Start with none."""
        self._url, self._lock = url, threading.Lock()
        self._coming: dict[str, _File] = {}
        self._files: dict[str, _File] = {}
        self._begun = 0
        self.sent = 0
        self.deleted: list[str] = []

    def digest_of(self, uri: str) -> str | None:
        """Return the SHA-256 of the file at an address; `None` if there is none."""
        with self._lock:
            found = self._files.get(f"files/{uri.rpartition('/files/')[2]}")
            return None if found is None else str(found.hashed.hexdigest())

    def uploaded(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        """Begin an upload, or take a piece of one.

        Args:
            path: of the request.
            query: of its address; it has an `upload_id` for a piece.
            headers: by lower-case name.
            body: JSON of the file, or bytes of it.
        """
        number = (parse_qs(query).get("upload_id") or [""])[0]
        with self._lock:
            if number:
                return self._piece(number, headers, body)
            return self._begin(path, headers, body)

    def asked(self, method: str, name: str) -> Exchange:
        """Tell of a file, of all, or delete one."""
        with self._lock:
            if name == "files":
                return Exchange({"files": [self._about(file) for file in self._files.values()]})
            found = self._files.get(name)
            if found is None:  # Google's service does not tell a missing file from another's
                why = f"You do not have permission to access the File {name} or it may not exist."
                return refused(403, "PERMISSION_DENIED", why)
            if method == "DELETE":
                del self._files[name]
                self.deleted.append(name)
                return Exchange({})
            about = self._about(found)
            found.looks = max(0, found.looks - 1)
            return Exchange(about)

    def _begin(self, path: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        try:
            wanted = json.loads(body or b"{}").get("file", {}).get("name")
        except (ValueError, AttributeError):
            return refused(400, "INVALID_ARGUMENT", "the body of an upload's start is no file")
        self._begun += 1
        name = wanted or f"files/{self._begun}"
        if name in self._files:
            return refused(409, "ALREADY_EXISTS", f"there is a file {name}")
        mime = headers.get("x-goog-upload-header-content-type", "")
        self._coming[str(self._begun)] = _File(name, mime)
        where = f"{self._url}{path}?upload_id={self._begun}&upload_protocol=resumable"
        return Exchange({}, headers={"x-goog-upload-url": where, "x-goog-upload-status": "active"})

    def _piece(self, number: str, headers: Mapping[str, str], body: bytes) -> Exchange:
        file = self._coming.get(number)
        if file is None or int(headers.get("x-goog-upload-offset", "0")) != file.size:
            return refused(400, "INVALID_ARGUMENT", "no such upload, or another place in it")
        file.hashed.update(body)
        file.size += len(body)
        if "finalize" not in headers.get("x-goog-upload-command", ""):
            return Exchange({}, headers={"x-goog-upload-status": "active"})
        del self._coming[number]
        self._files[file.name] = file
        self.sent += 1
        return Exchange({"file": self._about(file)}, headers={"x-goog-upload-status": "final"})

    def _about(self, file: _File) -> dict[str, Any]:
        return {
            "name": file.name,
            "mimeType": file.mime,
            "sizeBytes": str(file.size),
            "uri": f"{self._url}/v1/{file.name}",
            "state": "PROCESSING" if file.looks else "ACTIVE",
        }
