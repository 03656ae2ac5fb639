"""A hub of datasets on this machine: what the Hugging Face client asks for, from a dictionary."""

from __future__ import annotations

import hashlib
import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest

from tests.helpers.loopback import PROXIES

COMMIT = "c0ffee" + "0" * 34


@dataclass
class Page:
    """A dataset's page: its files, and whether its terms have to be accepted first."""

    files: dict[str, bytes]
    gated: bool = False


@dataclass
class Hub:
    """Serves pages until the block ends, and remembers which files were fetched."""

    pages: dict[str, Page]
    fetched: list[str] = field(default_factory=list)

    def __enter__(self) -> Hub:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers and body of a request."""
        parts = path.partition("?")[0].strip("/").split("/")
        start = 2 if parts[:2] == ["api", "datasets"] else 1
        page = self.pages.get("/".join(parts[start : start + 2]))
        rest = parts[start + 2 :]
        if page is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        if rest[:1] == ["revision"] and rest[1] not in ("main", COMMIT):
            return 404, {"X-Error-Code": "RevisionNotFound"}, b""
        if start == 2 and rest[:1] == ["tree"]:
            return 200, {}, json.dumps([_listed(*item) for item in page.files.items()]).encode()
        if start == 2:
            return 200, {}, json.dumps(_about("/".join(parts[2:4]), page)).encode()
        if page.gated:
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        name = unquote("/".join(rest[2:]))
        if method == "GET":
            self.fetched.append(name)
        return (
            200,
            {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(page.files[name])}"'},
            page.files[name],
        )

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                status, headers, body = hub.answer(self.command, self.path)
                self.send_response(status)
                for name, value in (headers | {"content-length": str(len(body))}).items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def use_hub(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client ask this hub, as somebody who is not logged in."""
    for name in [*PROXIES, "HF_TOKEN"]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _oid(body: bytes) -> str:
    return hashlib.sha1(body).hexdigest()


def _listed(name: str, body: bytes) -> dict[str, Any]:
    return {"type": "file", "path": name, "size": len(body), "oid": _oid(body)}


def _about(name: str, page: Page) -> dict[str, Any]:
    siblings = [{"rfilename": file} for file in page.files]
    return {"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
