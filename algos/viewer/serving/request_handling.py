"""One request of the browser: who may ask, for what, and with which headers it is answered."""

from __future__ import annotations

import hmac
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Protocol, cast
from urllib.parse import unquote

from algos.viewer.serving.byte_ranges import NoSuchRangeError, wanted_range
from algos.viewer.serving.replies import Find, Reply, open_plain

_PIECE = 1 << 16
_METHODS = ("GET", "HEAD")
_HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Connection": "close",
}
_OF_THE_PAGE = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Policy of the page, beside the one that it brings along: it stands in no frame of another."""
_OF_THE_REST = "default-src 'none'; frame-ancestors 'none'; sandbox"


class Asked(Protocol):
    """What a request knows of its server."""

    find: Find
    secret: str
    server_port: int


class PageRequest(BaseHTTPRequestHandler):
    """Answers GET and HEAD for what the server's `find` returns."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "sage-vqa", ""
    timeout = 15.0
    """Seconds without a byte after which a connection is closed; a player that reads on asks for
    the rest of its file again."""

    def __getattr__(self, name: str) -> Any:
        """Return the one way of answering, for every method: it refuses those that may not be."""
        if name.startswith("do_"):
            return self._answer
        raise AttributeError(name)

    def _answer(self) -> None:
        asked = cast("Asked", self.server)
        if self.command not in _METHODS:
            self._refuse(405, "only GET and HEAD are answered")
        elif not self._from_here(asked.server_port):
            self._refuse(403, "this server answers 127.0.0.1 and localhost alone")
        elif (name := self._name(asked.secret)) is None or (reply := asked.find(name)) is None:
            self._refuse(404, "there is no such page; see the address that sage-vqa printed")
        elif isinstance(reply.body, Path):
            self._send_file(reply.kind, reply.body)
        else:
            self._send_bytes(reply, reply.body)

    def _from_here(self, port: int) -> bool:
        """Return whether the request names this machine as its host, and no page of another asks.

        A web page may have a name that its owner points to 127.0.0.1 (DNS rebinding): the browser
        then sends that name.
        """
        hosts = {f"{host}:{port}" for host in ("127.0.0.1", "localhost")}
        told = self.headers.get_all("Host") or []
        origin = self.headers.get("Origin")
        site = self.headers.get("Sec-Fetch-Site", "none")
        clicked = self.headers.get("Sec-Fetch-Mode") == "navigate"  # a link, say in a web terminal
        return (
            len(told) == 1
            and told[0].lower() in hosts
            and (origin is None or origin.removeprefix("http://") in hosts)
            and (clicked or site in ("none", "same-origin"))
        )

    def _name(self, secret: str) -> str | None:
        """Return what is asked for, below the secret path; `None` where that is not named."""
        path = unquote(self.path.partition("?")[0], errors="replace")
        _, first, *rest = path.split("/", 2) if path.startswith("/") else ("", "")
        same = hmac.compare_digest(first.encode(), secret.encode())
        return rest[0] if same and rest else None

    def _send_bytes(self, reply: Reply, body: bytes) -> None:
        self._begin(200, reply.kind, len(body))
        if self.command == "GET":
            self.wfile.write(body)

    def _send_file(self, kind: str, path: Path) -> None:
        found = open_plain(path)
        if found is None:
            self._refuse(404, "the file of this video is not there any more")
            return
        file, size = found
        with file:
            ranged = None if self.headers.get("If-Range") else self.headers.get("Range")
            try:
                part = wanted_range(ranged, size)
            except NoSuchRangeError as error:
                self._refuse(416, f"there is no such part: {error}", f"bytes */{size}")
                return
            start, end = part or (0, size)
            told = None if part is None else f"bytes {start}-{end - 1}/{size}"
            self._begin(200 if part is None else 206, kind, end - start, told)
            file.seek(start)
            left = end - start
            while self.command == "GET" and left and (piece := file.read(min(_PIECE, left))):
                self.wfile.write(piece)
                left -= len(piece)

    def _begin(self, status: int, kind: str, length: int, told_range: str | None = None) -> None:
        """Send the status and all headers.

        Args:
            status: of HTTP.
            kind: media type.
            length: bytes of the body.
            told_range: which part of the file it is.
        """
        self.close_connection = True
        self.send_response(status)
        page = kind.startswith("text/html")
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Security-Policy", _OF_THE_PAGE if page else _OF_THE_REST)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(length))
        self.send_header("Accept-Ranges", "bytes")
        if told_range is not None:
            self.send_header("Content-Range", told_range)
        if status == 405:
            self.send_header("Allow", ", ".join(_METHODS))
        self.end_headers()

    def _refuse(self, status: int, words: str, told_range: str | None = None) -> None:
        """Send why nothing is sent: words of ours, and none of the request's.

        Args:
            status: of HTTP.
            words: one sentence.
            told_range: how large the file is, where a part of it was asked for.
        """
        body = f"{words}\n".encode()
        self._begin(status, "text/plain; charset=utf-8", len(body), told_range)
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse what is not even HTTP, in our words."""
        self.command = self.command or ""
        self._refuse(code, "this is no request that a browser would send")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: what is asked for is the user's own business."""
