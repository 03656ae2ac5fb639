"""What the providers' clients send through: bounded in time and in size, and to one origin alone.

The packages `openai` and `google-genai` make the requests; each is given a client of `httpx2` whose
transport is ours. What is odd about a response (a stalled or dripping server, a body without end, a
compressed one that is small only on the wire, a redirect to somewhere else) ends in `NoReply`, not
in a hang, not in memory, and not with the key at another address. Every request has a connection of
its own: nothing goes stale, and nothing is shared over a fork.
"""

from __future__ import annotations

import threading
import time
import urllib.request
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal
from urllib.parse import SplitResult, unquote, urljoin, urlsplit

from sage_env.lazy_exports import needs_extra

MAX_BODY = 32 * 2**20
"""Most bytes of a response, decoded. A choice: a turn with the ids and log-probs of 100,000 tokens
takes about 10 MB."""
_MAX_HOPS = 3  # redirects that are followed within the server
_PIECE = 16_384  # bytes that are written at a time: one TLS record
_SAME_REQUEST = {307, 308}  # RFC 9110 section 15.4: the method and the body stay
_REDIRECTS = {301, 302, 303, *_SAME_REQUEST}
_OURS = {b"accept-encoding": b"identity", b"connection": b"close"}
"""Headers of every request, over the client's."""
_UPLOADS = ("x-goog-upload-url", "x-goog-upload-status")
"""Headers of a response that `google-genai` needs to send a file in pieces."""
Trouble = Literal["late", "unreachable", "broken", "too large", "elsewhere"]


class NoReply(Exception):
    """A request brought no response: `trouble` says of which kind, the message the rest.

    `sent` is false where the server cannot have read it: there was no connection.
    """

    def __init__(self, trouble: Trouble, told: str = "", *, sent: bool = True) -> None:
        """Take the kind and what is known of it."""
        super().__init__(told)
        self.trouble, self.sent = trouble, sent


@dataclass(frozen=True)
class HttpReply:
    """A whole response: its status, its headers by lower-case name, its decoded body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Wire:
    """The way to one origin; several threads may use it.

    Args:
        base_url: of the server; a query in it is put on every request.
        timeout: seconds for one request, from looking for a connection to the last byte. Only the
            look-up of the server's name is the system's own.
        user: who needs the packages, for the message.
        extra: that brings them.

    Attributes:
        client: the `httpx2.Client` to give to a provider's client.
        base_url: to give to it beside: the address without query and without slash at its end.

    Raises:
        ValueError: if the address cannot be used.
        MissingExtra: if a package is not installed.
    """

    def __init__(self, base_url: str, timeout: float, *, user: str, extra: str) -> None:
        """Read the address and the proxies of the environment."""
        self._base, self._timeout = _checked(base_url), timeout
        with needs_extra(user, extra):
            self._http: Any = import_module("httpcore2")
            self._httpx: Any = import_module("httpx2")
        self._proxy = _proxy_of(self._base)
        # loading the system's certificates takes longer than a short deadline
        self._ssl = self._http.default_ssl_context() if self._base.scheme == "https" else None
        self._here = threading.local()
        self.base_url = f"{_origin(self._base)}{self._base.path.rstrip('/')}"
        # a client with a transport leaves the environment's proxies to it: see `_proxy_of`
        self.client: Any = self._httpx.Client(
            transport=self, follow_redirects=False, trust_env=False
        )

    def heard(self, call: Callable[[], object]) -> HttpReply:
        """Let a provider's client make a request, and return what came for it, as it came.

        What the client makes of a response is not used: it raises for a status, in a form of its
        own for each provider, and may raise anything for a body that is odd.

        Args:
            call: makes one request with `client`, in this thread.

        Raises:
            NoReply: if no whole response came. It has neither cause nor context: what the client
                raised holds the request and the key.
        """
        self._here.heard = None
        try:
            call()
        except Exception:
            if self._here.heard is None:  # nothing was sent, so it is not about the server
                raise
        heard, self._here.heard = self._here.heard, None
        if isinstance(heard, HttpReply):
            return heard
        if isinstance(heard, NoReply):
            raise NoReply(heard.trouble, str(heard), sent=heard.sent)
        raise RuntimeError("the provider's client made no request")

    def handle_request(self, request: Any) -> Any:
        """Send a request of `client`, as a transport of `httpx2`.

        A redirect is followed within the origin, with the same method and body; where it leads
        elsewhere, nothing is sent.

        Args:
            request: an `httpx2.Request`.

        Returns:
            An `httpx2.Response` that is always JSON by its headers, and sets no cookies; of other
            headers it has those of uploads alone. The rest of what came is what `heard` returns.

        Raises:
            NoReply: if no whole response came.
        """
        self._here.heard = None
        try:
            reply = self._exchange(request)
        except NoReply as trouble:
            self._here.heard = trouble
            raise
        self._here.heard = reply
        headers = {"content-type": "application/json"}
        headers |= {name: reply.headers[name] for name in _UPLOADS if name in reply.headers}
        if not 200 <= reply.status < 300:  # else the client sends a piece again by itself
            headers |= {"x-goog-upload-status": "cancelled"}
        return self._httpx.Response(reply.status, headers=headers, content=reply.body)

    def close(self) -> None:
        """Do nothing: there is no connection between requests."""

    def _exchange(self, request: Any) -> HttpReply:
        deadline = time.monotonic() + self._timeout
        parts = urlsplit(str(request.url))
        if _origin(parts) != _origin(self._base):  # a setting of the client's own, e.g. for mTLS
            raise NoReply("elsewhere", _origin(parts), sent=False)
        query = "&".join(filter(None, [parts.query, self._base.query]))
        url = f"{_origin(parts)}{parts.path}{f'?{query}' if query else ''}"
        sent = [(name, value) for name, value in request.headers.raw if name.lower() not in _OURS]
        headers, body = [*sent, *_OURS.items()], request.read() or None
        for _ in range(_MAX_HOPS + 1):
            reply = self._once(request.method, url, headers, body, deadline)
            if reply.status not in _REDIRECTS:
                return reply
            url = self._followed(request.method, url, reply)
        raise NoReply("broken", f"more than {_MAX_HOPS} redirects")

    def _followed(self, method: str, url: str, reply: HttpReply) -> str:
        """Return where a redirect leads, if the request may go there."""
        location = reply.headers.get("location", "")
        try:
            there = urlsplit(urljoin(url, location))
        except ValueError:
            location = ""
        if not (location and location.isascii() and location.isprintable()):
            raise NoReply("broken", f"status {reply.status}, which leads nowhere")
        if _origin(there) != _origin(self._base):
            raise NoReply("elsewhere", f"{_origin(there)}{there.path}")
        if method != "GET" and reply.status not in _SAME_REQUEST:
            raise NoReply("broken", f"status {reply.status}, which asks for another request")
        return there.geturl()

    def _once(
        self,
        method: str,
        url: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes | None,
        deadline: float,
    ) -> HttpReply:
        """Send one request and read its response whole."""
        http = self._http
        try:
            with (
                self._pool(_DeadlineNetwork(http, deadline)) as pool,
                pool.stream(method, url, headers=headers, content=body) as response,
            ):
                found = {
                    name.decode("latin-1").lower(): value.decode("latin-1")
                    for name, value in response.headers
                }
                data = _bounded(response.iter_stream(), found.get("content-encoding", ""))
                return HttpReply(int(response.status), found, data)
        except NoReply as trouble:
            failed = trouble
        except http.TimeoutException:
            failed = NoReply("late")
        except http.ConnectError as error:
            failed = NoReply("unreachable", str(error) or type(error).__name__, sent=False)
        except (http.RemoteProtocolError, http.LocalProtocolError, zlib.error) as error:
            failed = NoReply("broken", str(error))
        except (http.NetworkError, http.ProxyError, OSError, UnicodeError) as error:
            failed = NoReply("unreachable", str(error) or type(error).__name__)
        raise failed  # out of the handlers: what was raised holds the request and the key

    def _pool(self, network: _DeadlineNetwork) -> Any:
        settings = {"ssl_context": self._ssl, "network_backend": network, "http2": False}
        if self._proxy is None:
            return self._http.ConnectionPool(**settings)
        proxy = self._proxy
        auth = None
        if proxy.username is not None:
            auth = (unquote(proxy.username).encode(), unquote(proxy.password or "").encode())
        return self._http.HTTPProxy(proxy_url=_origin(proxy), proxy_auth=auth, **settings)


class _DeadlineNetwork:
    """The client's network, in which every wait ends at one deadline."""

    def __init__(self, http: Any, deadline: float) -> None:
        self._http, self._deadline = http, deadline
        self._network: Any = http.SyncBackend()

    def left(self) -> float:
        """Return the seconds that are left; none left is the client's own time-out."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._http.ReadTimeout("the deadline of the request has passed")
        return left

    def connect_tcp(self, host: str, port: int, **settings: Any) -> _DeadlineStream:
        """Connect, in what time is left."""
        settings["timeout"] = self.left()
        return _DeadlineStream(self._network.connect_tcp(host, port, **settings), self)

    def sleep(self, seconds: float) -> None:
        """Sleep, as the client does between attempts."""
        self._network.sleep(min(seconds, self.left()))


class _DeadlineStream:
    """A connection of `_DeadlineNetwork`."""

    def __init__(self, stream: Any, network: _DeadlineNetwork) -> None:
        self._stream, self._network = stream, network

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:
        """Read what comes next."""
        return self._stream.read(max_bytes, self._network.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write in pieces, as the client waits for each send anew."""
        for at in range(0, len(buffer), _PIECE):
            self._stream.write(buffer[at : at + _PIECE], self._network.left())

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> _DeadlineStream:
        """Go on over TLS."""
        stream = self._stream.start_tls(ssl_context, server_hostname, self._network.left())
        return _DeadlineStream(stream, self._network)

    def get_extra_info(self, info: str) -> Any:
        """Tell the client what it asks of the connection."""
        return self._stream.get_extra_info(info)


def _bounded(pieces: Iterable[bytes], encoding: str) -> bytes:
    """Return a body, decoded, and no more of it in memory than `MAX_BODY`."""
    name = encoding.strip().lower()
    if name not in ("", "identity", "gzip", "x-gzip", "deflate"):
        raise NoReply("broken", f"the encoding {encoding[:40]!r}, which was not asked for")
    unpack = None if name in ("", "identity") else zlib.decompressobj(zlib.MAX_WBITS | 32)
    data = bytearray()
    for piece in pieces:
        # one byte more than is allowed tells a body that is too large from one that just fits
        room = MAX_BODY + 1 - len(data)
        data += piece[:room] if unpack is None else unpack.decompress(piece, room)
        if len(data) > MAX_BODY:
            raise NoReply("too large", f"more than {MAX_BODY // 2**20} MiB")
    if unpack is not None and data and not unpack.eof:
        raise NoReply("broken", "a compressed body without its end")
    return bytes(data)


def _checked(base_url: str) -> SplitResult:
    """Return the parts of an address; what is wrong with it is told without the address."""
    try:
        parts = urlsplit(base_url.strip())
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not base_url.isascii() or not base_url.strip().isprintable():
        raise ValueError("base_url must be an address like http://localhost:8000/v1")
    if parts.username is not None or parts.password is not None:
        raise ValueError("base_url must hold no user name or password: set the key's variable")
    return parts


def _origin(parts: SplitResult) -> str:
    """Return scheme, host and port, the last also where it is the scheme's own."""
    try:
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
    except ValueError:
        port = 0
    host = parts.hostname or ""
    return f"{parts.scheme}://{f'[{host}]' if ':' in host else host}:{port}"


def _proxy_of(base: SplitResult) -> SplitResult | None:
    """Return the proxy that the environment names for an address; `None` for none."""
    proxies = urllib.request.getproxies()
    found = proxies.get(base.scheme) or proxies.get("all")
    if not found or urllib.request.proxy_bypass(base.hostname or ""):
        return None
    proxy = urlsplit(found if "://" in found else f"http://{found}")
    if proxy.scheme not in ("http", "https") or not proxy.hostname:
        raise ValueError(
            f"the environment names a proxy of the kind {proxy.scheme!r}: only http and https are "
            "supported"
        )
    return proxy
