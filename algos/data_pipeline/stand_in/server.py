"""The stand-in: a server on this machine that speaks Gemini's Files API and `generateContent`.

It is found by its address alone: `GOOGLE_GEMINI_BASE_URL`, or a `base_url`. It takes any key.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from algos.data_pipeline.stand_in.batches import Batches
from algos.data_pipeline.stand_in.error_rates import ErrorRates
from algos.data_pipeline.stand_in.exchange import Exchange, refused
from algos.data_pipeline.stand_in.known_videos import KnownVideo
from algos.data_pipeline.stand_in.replying import Replying
from algos.data_pipeline.stand_in.stored_files import StoredFiles

_CHUNK = 1 << 16


class StandIn:
    """A running server; a context manager that starts and stops it.

    Args:
        videos: that it knows, by the SHA-256 of their files.
        rates: of its errors.
        private: folder of its own record: `planted.jsonl` and `requests.jsonl`.
        port: of 127.0.0.1; 0 for any that is free.

    Attributes:
        url: its address, for `base_url`.
        replying: what it says and has said.
        files: what was sent to it.
        batches: requests that wait.
    """

    def __init__(
        self,
        videos: Mapping[str, KnownVideo],
        rates: ErrorRates | None = None,
        *,
        private: Path,
        port: int = 0,
    ) -> None:
        """Take the port; nothing is answered yet."""
        self._over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.files = StoredFiles(self.url)
        self.replying = Replying(videos, rates or ErrorRates(), self.files, private)
        self.batches = Batches(self.replying)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> StandIn:
        """Start to answer."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop, also where requests are held."""
        self._over.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        self.replying.close()

    def serve(self) -> None:
        """Answer until the process is interrupted."""
        try:
            self._server.serve_forever(0.2)
        finally:
            self._server.server_close()
            self.replying.close()

    def wait(self, seconds: float) -> bool:
        """Hold a request; return whether the server stops meanwhile."""
        return self._over.wait(seconds)


def _handler(stand_in: StandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_DELETE(self) -> None:
            self._serve()

        def _serve(self) -> None:
            try:
                body = self.rfile.read(int(self.headers.get("content-length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                self._send(_answered(stand_in, self.command, self.path, headers, body))
            except ConnectionError:  # whoever asked has gone
                self.close_connection = True

        def _send(self, said: Exchange) -> None:
            if said.wait and stand_in.wait(said.wait):
                return
            data = json.dumps(said.body).encode()
            self.send_response(said.status)
            self.send_header("content-type", "application/json; charset=UTF-8")
            self.send_header("content-length", str(len(data)))
            for name, value in said.headers.items():
                self.send_header(name, value)
            self.end_headers()
            if said.cut:  # half of what was announced
                data = data[: len(data) // 2]
            for at in range(0, len(data), _CHUNK):
                self.wfile.write(data[at : at + _CHUNK])
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _answered(
    stand_in: StandIn, method: str, target: str, headers: Mapping[str, str], body: bytes
) -> Exchange:
    """Return what is said to a request, by its path; `/v1/` and `/v1beta/` are the same."""
    path, _, query = target.partition("?")
    if path.startswith("/upload/"):
        return stand_in.files.uploaded(path, query, headers, body)
    _, _, rest = path.lstrip("/").partition("/")
    if rest.partition("/")[0] == "files":
        return stand_in.files.asked(method, rest)
    if method == "GET" and rest.startswith("models/"):
        return Exchange({"name": rest, "supportedGenerationMethods": ["generateContent"]})
    model, _, verb = rest.rpartition("/")[2].partition(":")
    if method == "POST" and verb == "generateContent":
        return stand_in.replying.asked(model, headers, _json(body))
    if method == "POST" and verb == "batchGenerateContent":
        return stand_in.batches.begun(model, _json(body))
    if method == "GET" and rest.startswith("batches/"):
        return stand_in.batches.asked(rest)
    return refused(404, "NOT_FOUND", f"there is no {path} here")


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None
