"""A server on this machine that speaks what it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np

from policies.served import RetrySettings
from policies.served.policy import ServedPolicy

KEY = "sk-do-not-tell-0123456789"
PROXIES = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"]


@dataclass(frozen=True)
class Says:
    """One response; `body` is sent as JSON unless it is bytes, after `wait` seconds."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: float = 0.0


@dataclass(frozen=True)
class Provider:
    """How tests make the policies of one provider.

    Attributes:
        make: the class of the policy.
        model: its first argument.
        about: what the server says to GET requests.
        path: of `base_url` on the server.
        retries: unless a test gives others.
    """

    make: Callable[..., ServedPolicy]
    model: str
    about: Says
    path: str = ""
    retries: RetrySettings = RetrySettings(timeout=5, attempts=1)


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    headers: dict[str, str]
    body: Any
    method: str = "POST"


class Loopback:
    """Serves POST requests from `script`, in order, or by calling it; GET requests get `about`."""

    def __init__(self, script: list[Says] | Callable[[Any], Says], about: Says) -> None:
        self.script, self.about = script, about
        self.asked: list[Asked] = []
        self.looked_up: list[Asked] = []
        self._lock, self._over = threading.Lock(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Loopback:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def bodies(self) -> list[Any]:
        return [asked.body for asked in self.asked]

    def _answer(self, asked: Asked, posted: bool) -> Says:
        with self._lock:
            if not posted:
                self.looked_up.append(asked)
                return self.about
            self.asked.append(asked)
            if callable(self.script):
                return self.script(asked.body)
            return self.script.pop(0) if self.script else Says({"error": "the script is over"}, 418)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        loopback = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                self.serve(posted=True)

            def do_GET(self) -> None:
                self.serve(posted=False)

            def do_DELETE(self) -> None:
                self.serve(posted=False)

            def serve(self, posted: bool) -> None:
                sent = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                piece = headers.get("x-goog-upload-command", "start") != "start"  # of a file
                body = sent if piece or not sent else json.loads(sent)
                asked = Asked(self.path, headers, body, self.command)
                says = loopback._answer(asked, posted)
                if says.wait and loopback._over.wait(says.wait):
                    return
                raw = isinstance(says.body, bytes)
                data = says.body if raw else json.dumps(says.body).encode()
                try:
                    self.send_response(says.status)
                    self.send_header("content-type", "application/json")
                    self.send_header("content-length", str(len(data)))
                    for name, value in says.headers.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(data)
                except ConnectionError:  # the client did not wait
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def shown(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return an observation of two frames at irregular times."""
    random = np.random.default_rng(number)
    return {
        "frames": random.integers(0, 256, (3, 48, 64, 3)).astype(np.uint8),
        "seconds": np.array([0.25 + number, 7.96 + number, -1], np.float32),
        "num_frames": 2,
        "cursor": np.float32(8.2),
        "duration": np.float32(95.5),
        "turns_left": 4,
        "frames_left": 30,
        "question": f"what is it, {number}?",
        "choices": "red\ngreen",
        "message": "",
        "text": "",
    } | changes
