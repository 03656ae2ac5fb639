"""One HTTP request: bounded in time and in bytes, over a connection that somebody else opens.

No proxy of the environment is used, no cookie kept, no redirect followed: a redirect is a reply
like any other, and whoever asked decides. Every wait ends at one deadline, also where a server
sends a byte at a time.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from sage_env.errors import ToolTimeout
from sage_env.release import __version__
from sage_env.tools.web.web_address import WebAddress

Connect = Callable[[WebAddress, "Deadline"], socket.socket]
"""Opens a connection for an address, before TLS."""
USER_AGENT = f"sage-video-qa/{__version__}"
_PIECE = 65_536


class NoReply(Exception):
    """A server gave no whole reply; the message says what came instead."""


class Deadline:
    """A moment at which everything ends.

    Args:
        seconds: from now.
        what: is done until then, for the message.
    """

    def __init__(self, seconds: float, what: str) -> None:
        """Start the clock."""
        self._until, self._seconds, self._what = time.monotonic() + seconds, seconds, what

    @property
    def passed(self) -> ToolTimeout:
        """Return the error of a deadline that has passed."""
        return ToolTimeout(f"{self._what} took longer than {self._seconds:g} s")

    def left(self) -> float:
        """Return the seconds that are left.

        Raises:
            ToolTimeout: if there are none.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise self.passed
        return left


@dataclass(frozen=True)
class Request:
    """What is sent beside the address. Headers may hold a key: they are not shown."""

    method: str = "GET"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: bytes | None = None


@dataclass(frozen=True)
class HttpReply:
    """A reply.

    Attributes:
        status: number.
        headers: by lower-case name; the last one of a name.
        body: decoded.
        cut: whether the body goes on beyond what was read.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    cut: bool

    @property
    def seconds_to_wait(self) -> int | None:
        """Return what its `Retry-After` asks for (RFC 9110 section 10.2.3); dates are not read."""
        asked = self.headers.get("retry-after", "").strip()
        return int(asked) if asked.isascii() and asked.isdecimal() and len(asked) < 9 else None


def exchange(
    address: WebAddress,
    request: Request,
    deadline: Deadline,
    connect: Connect,
    *,
    max_bytes: int,
    wants: Callable[[int, Mapping[str, str]], bool] = lambda status, headers: True,
) -> HttpReply:
    """Send a request and read its reply.

    Args:
        address: where to.
        request: what is sent.
        deadline: of the whole.
        connect: opens the connection.
        max_bytes: of the body, decoded; what follows is left unread.
        wants: whether a body is read, by the reply's status and headers.

    Raises:
        ToolTimeout: if the deadline passes.
        NoReply: if no whole reply came.
    """
    try:
        with connect(address, deadline) as plain, _secured(plain, address, deadline) as sock:
            response = _asked(_TimedSocket(sock, deadline), address, request)
            headers = {name.lower(): value for name, value in response.getheaders()}
            body, cut = b"", False
            if wants(response.status, headers):
                pieces = _decoded(_pieces(response), headers.get("content-encoding", ""), max_bytes)
                body, cut = _joined(pieces, max_bytes)
            return HttpReply(response.status, headers, body, cut)
    except TimeoutError:
        raise deadline.passed from None
    except ssl.SSLError as error:
        raise NoReply(f"no secure connection ({error.reason or error})") from None
    except (http.client.HTTPException, zlib.error) as error:
        raise NoReply(f"no reply that can be read ({type(error).__name__})") from None
    except OSError as error:
        raise NoReply(f"no connection ({error.strerror or type(error).__name__})") from None


def _secured(plain: socket.socket, address: WebAddress, deadline: Deadline) -> socket.socket:
    """Return the connection, over TLS where the address asks for it; its host is verified."""
    if address.scheme == "http":
        return plain
    plain.settimeout(deadline.left())
    return tls_context().wrap_socket(plain, server_hostname=address.host)


@cache
def tls_context() -> ssl.SSLContext:
    """Return what certificates are verified by: those that the system trusts."""
    return ssl.create_default_context()


def _asked(sock: _TimedSocket, address: WebAddress, request: Request) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection(address.host, address.port)
    connection.sock = sock  # has what is used of a socket
    own = {"Host": address.authority, "User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    own |= {"Connection": "close"}
    if request.body is not None:
        own["Content-Length"] = str(len(request.body))
    connection.putrequest(request.method, address.target, skip_host=True, skip_accept_encoding=True)
    for name, value in {**request.headers, **own}.items():
        connection.putheader(name, value)
    connection.endheaders(request.body)
    return connection.getresponse()


def _pieces(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Yield the body as it comes.

    Raises:
        NoReply: if it ends before its length.
    """
    while piece := response.read(_PIECE):
        yield piece
    if response.length:
        raise NoReply("a reply that was cut off")


def _decoded(pieces: Iterator[bytes], encoding: str, most: int) -> Iterator[bytes]:
    """Yield a body unpacked, never much more of it at a time than `most`."""
    name = encoding.strip().lower()
    if name in ("", "identity"):
        yield from pieces
        return
    if name not in ("gzip", "x-gzip", "deflate"):
        raise NoReply(f"a reply in the encoding {name[:40]!a}, which was not asked for")
    unpack, begun = zlib.decompressobj(zlib.MAX_WBITS | 32), False
    for piece in pieces:
        begun = True
        yield unpack.decompress(piece, most + 1)
    if begun and not unpack.eof:
        raise NoReply("a packed reply that was cut off")


def _joined(pieces: Iterator[bytes], most: int) -> tuple[bytes, bool]:
    """Return the first `most` bytes, and whether there are more."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > most:
            return bytes(body[:most]), True
    return bytes(body), False


class _TimedSocket:
    """What `http.client` uses of a socket; every wait ends at the deadline."""

    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def sendall(self, data: bytes) -> None:
        self._sock.settimeout(self._deadline.left())
        self._sock.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._sock, self._deadline))

    def close(self) -> None:
        """Leave it open: who opened it closes it."""


class _TimedReader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline) -> None:
        self._sock, self._deadline = sock, deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._sock.settimeout(self._deadline.left())
        return self._sock.recv_into(buffer)
