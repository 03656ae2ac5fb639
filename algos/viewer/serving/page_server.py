"""A small server on this machine alone: it hands out what one function finds, and nothing else.

It listens on 127.0.0.1, answers GET and HEAD, and only under a path that nobody else knows. A
request must name this machine as its host: a web page whose name was made to point here is refused.
"""

from __future__ import annotations

import secrets
import sys
import threading
from http.server import ThreadingHTTPServer
from types import TracebackType
from typing import Any

from algos.viewer.serving.replies import Find
from algos.viewer.serving.request_handling import PageRequest

MOST_AT_ONCE = 16
"""Requests that are answered side by side; more wait in line. A browser opens six a page."""
_WAIT = 5.0
"""Seconds for which one waits for its turn before it is closed; the page asks again."""


class PageServer:
    """Serves while it is entered, in threads of its own.

    Attributes:
        url: of the page.
    """

    def __init__(self, find: Find, port: int = 0) -> None:
        """Take a port.

        Args:
            find: what lies under a name; called from several threads at once.
            port: to listen on; 0 for one that is free.

        Raises:
            OSError: if the port is taken.
        """
        self._server = _Server(find, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self.url = f"http://127.0.0.1:{self._server.server_port}/{self._server.secret}/"

    def __enter__(self) -> PageServer:
        """Begin to answer."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop: no request is taken any more, and the port is free."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a paused player may hold a connection: the process can end anyway
    request_queue_size = 64

    def __init__(self, find: Find, port: int) -> None:
        super().__init__(("127.0.0.1", port), PageRequest)
        self.find = find
        self.secret = secrets.token_urlsafe(12)
        self._slots = threading.BoundedSemaphore(MOST_AT_ONCE)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._slots.acquire(timeout=_WAIT):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            self._slots.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        # The browser went away, or did not read on: nobody is to be told. A bug of ours is.
        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError):
            super().handle_error(request, client_address)
