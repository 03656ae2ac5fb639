"""Web pages on this machine, byte for byte; and a tool that reads them, past the public web."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sage_env.tools.web.bounded_http import Deadline
from sage_env.tools.web.read_page import ReadPage
from sage_env.tools.web.web_address import WebAddress

PEM = Path(__file__).parent / "page_example.pem"
"""Key and certificate of `page.example`, signed by itself: for these tests and for nothing else."""
OK = b"HTTP/1.1 200 OK\r\n"


def page(body: bytes, content_type: str = "text/html; charset=utf-8", *headers: str) -> list[bytes]:
    """Return a whole reply."""
    lines = [f"content-type: {content_type}", f"content-length: {len(body)}", *headers]
    return [OK + "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body]


def status(code: int, *headers: str, body: bytes = b"") -> list[bytes]:
    """Return a reply of another status."""
    lines = [f"content-length: {len(body)}", *headers]
    return [f"HTTP/1.1 {code} x\r\n".encode() + "".join(f"{x}\r\n" for x in lines).encode()
            + b"\r\n" + body]  # fmt: skip


@dataclass
class WebServer:
    """A server of `pages`: pieces of a reply by path, or a function that makes them."""

    pages: dict[str, list[bytes] | Callable[[], Iterable[bytes]]]
    pause: float = 0.0
    port: int = 0
    requests: list[bytes] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def serve(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            if not (more := connection.recv(65536)):
                return
            request += more
        self.requests.append(request)
        found = self.pages.get(request.split()[1].decode(), status(404))
        for piece in found() if callable(found) else found:
            connection.sendall(piece)
            if self.pause and self.over.wait(self.pause):
                return

    def reads(self, **settings: object) -> ReadPage:
        """Return the tool, whose every connection comes here."""
        tool = ReadPage(**{"cache": False, **settings})

        def connect(address: WebAddress, deadline: Deadline) -> socket.socket:
            sock = socket.socket()  # looks up no name
            sock.settimeout(deadline.left())
            sock.connect(("127.0.0.1", self.port))
            return sock

        tool._connect = connect
        return tool


@contextmanager
def web_server(pages, pause: float = 0.0, tls: bool = False) -> Iterator[WebServer]:
    """Serve pages until the block ends."""
    server = WebServer(pages, pause)
    listening = socket.create_server(("127.0.0.1", 0))
    server.port = listening.getsockname()[1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                if tls:
                    connection = context.wrap_socket(connection, server_side=True)
                with connection:
                    server.serve(connection)
            except OSError:  # the client has gone
                connection.close()

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)
