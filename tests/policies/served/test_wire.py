"""Laws of `policies.served.wire`: whatever a server does, it costs bounded time and bytes."""

from __future__ import annotations

import gzip
import socket
import threading
import time
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from policies.served import wire
from policies.served.wire import NoReply, Wire
from tests.helpers.loopback import Loopback, Says

pytest.importorskip("httpx2")
SECRET = {"authorization": "Bearer the-secret"}
OK = b"HTTP/1.1 200 OK\r\n"


@contextmanager
def raw_server(pieces, pause=0.0, patient=True):
    """Serve every connection the pieces, a pause after each; `patient` reads the request first."""
    over = threading.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    seen = []

    def serve():
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection:
                try:
                    if patient:
                        seen.append(connection.recv(65536))
                    for piece in pieces():
                        connection.sendall(piece)
                        if pause and over.wait(pause):
                            return
                except OSError:  # the client has gone
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", seen
    finally:
        over.set()
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join(10)


def ask(url, timeout=20.0, body=b"{}"):
    wired = Wire(url, timeout, user="x", extra="openai")
    to = f"{wired.base_url}/chat"
    return wired.heard(lambda: wired.client.post(to, headers=SECRET, content=body))


def fails(url, timeout=20.0, body=b"{}"):
    """Return the trouble of a request; what is raised holds no request, and so no key."""
    with pytest.raises(NoReply) as raised:
        ask(url, timeout, body)
    assert raised.value.__context__ is None and raised.value.__cause__ is None
    return raised.value


def endless(start, piece=b"x"):
    def pieces():
        yield start
        while True:
            yield piece

    return pieces


@pytest.mark.parametrize(
    "start",
    [
        OK + b"content-length: 999\r\n\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n",
        OK + b"x-header: ",
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"",
    ],
)
def test_a_server_that_drips_ends_at_the_deadline(start) -> None:
    piece = {b"HTTP/1.1 103": start, b"HTTP/1.1 200": b"x"}.get(start[:12], b"H")
    if b"chunked" in start:
        piece = b"1\r\nx\r\n"
    with raw_server(endless(start, piece), pause=0.02) as (url, _):
        begun = time.monotonic()
        trouble = fails(url, 0.4).trouble
        assert time.monotonic() - begun < 2
    assert trouble in ("late", "broken") and (trouble == "late" or not start)


def test_a_stalled_server_ends_at_the_deadline_also_one_that_does_not_read() -> None:
    with raw_server(endless(b"", b""), pause=0.05, patient=False) as (url, _):
        begun = time.monotonic()
        assert fails(url, 0.4, body=b" " * 20_000_000).trouble == "late"
        assert time.monotonic() - begun < 2


def test_a_body_without_end_is_not_kept(monkeypatch) -> None:
    """A body of 700 MB, announced or not, and one of 60 kB that unpacks into 60 MB."""
    monkeypatch.setattr(wire, "MAX_BODY", 2**20)
    megabyte = b" " * 2**20
    packed = gzip.compress(b" " * 60_000_000, 1, mtime=0)
    for head, pieces in (
        (b"content-length: 734003200\r\n\r\n", [megabyte] * 700),
        (b"connection: close\r\n\r\n", [megabyte] * 700),
        (b"content-encoding: gzip\r\nconnection: close\r\n\r\n", [packed]),
    ):
        with raw_server(lambda h=head, p=pieces: iter([OK + h, *p])) as (url, _):
            tracemalloc.start()
            assert fails(url).trouble == "too large"
            _, peak = tracemalloc.get_traced_memory()
            tracemalloc.stop()
        assert peak < 8 * 2**20


def test_a_body_that_just_fits_comes_whole_packed_or_not(monkeypatch) -> None:
    monkeypatch.setattr(wire, "MAX_BODY", 1000)
    for size in (0, 1, 999, 1000):
        data = bytes(k % 251 for k in range(size))
        packed = {"content-encoding": "gzip"}
        for says in (Says(data), Says(gzip.compress(data, mtime=0), headers=packed)):
            with Loopback([says], says) as server:
                assert ask(server.url).body == data
    with Loopback([Says(b" " * 1001)], Says("")) as server:
        assert fails(server.url).trouble == "too large"


@pytest.mark.parametrize(
    "response",
    [
        OK + b"content-length: 100\r\n\r\n{}",
        OK + b"transfer-encoding: chunked\r\n\r\nzz\r\nno\r\n",
        OK + b"transfer-encoding: chunked\r\n\r\n5\r\nab",
        OK + b"content-encoding: gzip\r\ncontent-length: 3\r\n\r\nabc",
        OK
        + b"content-encoding: gzip\r\nconnection: close\r\n\r\n"
        + gzip.compress(b"abc", mtime=0)[:-9],
        OK + b"content-encoding: br\r\ncontent-length: 3\r\n\r\nabc",
        OK + b"content-length: -5\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"\x00\x01\x02\r\n\r\n",
        b"",
        OK + b"x: " + b"y" * 2_000_000,
    ],
)
def test_what_is_no_whole_response_is_broken(response) -> None:
    with raw_server(lambda: iter([response])) as (url, _):
        assert fails(url, 5).trouble in ("broken", "unreachable")


def test_the_type_of_a_response_is_what_it_holds_and_not_what_it_says() -> None:
    with Loopback([Says(b'{"a": 1}', headers={"content-type": "text/html"})], Says("")) as server:
        assert ask(server.url).body == b'{"a": 1}'


def test_nobody_there_is_unreachable() -> None:
    with Loopback([], Says("")) as gone:
        pass
    assert fails(gone.url).trouble == "unreachable"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_another_origin_gets_neither_the_key_nor_the_body(status) -> None:
    with Loopback(lambda _: Says({"caught": True}), Says({"caught": True})) as other:
        for target in (f"{other.url}/chat", other.url.replace("http:", ""), "https://127.0.0.1/x"):
            moved = Says({}, status, {"location": target})
            with Loopback([moved], moved) as server:
                found = fails(server.url)
            assert found.trouble == "elsewhere" and "://127.0.0.1" in str(found)
        assert not other.asked and not other.looked_up


def test_a_redirect_within_the_server_is_followed_with_the_same_request() -> None:
    script = [Says({}, 308, {"location": "/there/"}), Says({"fine": 1})]
    with Loopback(script, Says("")) as server:
        assert ask(server.url + "/v1", body=b'{"q": 1}').status == 200
        assert [asked.path for asked in server.asked] == ["/v1/chat", "/there/"]
        assert server.bodies == [{"q": 1}, {"q": 1}]
        assert server.asked[1].headers["authorization"] == SECRET["authorization"]
    for status in (301, 302, 303):  # which would turn the request into another
        moved = Says({}, status, {"location": "/there"})
        with Loopback([moved, Says({})], Says("")) as server:
            assert fails(server.url).trouble == "broken" and len(server.asked) == 1
    for location in ("/chat", "", "http://[", "\x80"):
        loop = Says({}, 307, {"location": location})
        with Loopback(lambda _, says=loop: says, Says("")) as server:
            assert fails(server.url).trouble == "broken"
            assert len(server.asked) <= 4


def test_a_query_of_the_address_is_on_every_request() -> None:
    with Loopback([Says({})], Says("")) as server:
        ask(server.url + "/v1/?api-version=3")
        assert server.asked[0].path == "/v1/chat?api-version=3"


@pytest.mark.parametrize(
    "address",
    ["localhost:8000", "ftp://a/b", "http://", "http://a:99999", "http://ä.de", "http://a\nb", ""],
)
def test_an_address_that_is_none_is_refused(address) -> None:
    with pytest.raises(ValueError, match="base_url must be an address like"):
        Wire(address, 1, user="x", extra="openai")


def test_an_address_with_a_password_is_refused_without_showing_it() -> None:
    with pytest.raises(ValueError, match="no user name or password") as refused:
        Wire("http://me:hidden@a/v1", 1, user="x", extra="openai")
    assert "hidden" not in str(refused.value)


def test_the_proxy_of_the_environment_is_asked_unless_it_is_told_not_to(monkeypatch) -> None:
    with Loopback([Says({"by": "proxy"})], Says("")) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        assert ask("http://model.invalid/v1").body == b'{"by": "proxy"}'
        assert proxy.asked[0].path == "http://model.invalid:80/v1/chat"
        monkeypatch.setenv("no_proxy", "model.invalid")
        assert fails("http://model.invalid/v1", 5).trouble == "unreachable"
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    with pytest.raises(ValueError, match="only http and https"):
        Wire("http://a/v1", 1, user="x", extra="openai")


def test_what_a_client_makes_of_a_response_is_not_used() -> None:
    """Whatever it raises or wraps; what raises before anything was sent is raised."""
    with Loopback(lambda _: Says({"a": 1}, 418), Says("")) as server:
        wired = Wire(server.url, 20, user="x", extra="openai")

        def typo():
            raise TypeError("no such argument")

        with pytest.raises(TypeError):
            wired.heard(typo)

        def odd():
            wired.client.post(f"{server.url}/a", content=b"{}")
            raise RecursionError

        assert (wired.heard(odd).status, wired.heard(odd).body) == (418, b'{"a": 1}')
        with pytest.raises(TypeError):
            wired.heard(typo)
        with pytest.raises(RuntimeError, match="made no request"):
            wired.heard(lambda: None)
    wired = Wire(server.url, 5, user="x", extra="openai")

    def wraps():
        try:
            wired.client.post(f"{server.url}/a", content=b"{}")
        except NoReply as trouble:
            raise ValueError(SECRET) from trouble

    with pytest.raises(NoReply) as raised:
        wired.heard(wraps)
    assert raised.value.trouble == "unreachable"
    assert raised.value.__cause__ is None and raised.value.__context__ is None


def test_every_thread_hears_its_own_reply() -> None:
    together = threading.Barrier(4, timeout=20)
    with Loopback(Says, Says("")) as server:  # says what it is asked
        wired = Wire(server.url, 20, user="x", extra="openai")

        def echoed(number):
            def call():
                wired.client.post(server.url, content=str(number).encode())
                together.wait()  # passes when all four have their replies

            return int(wired.heard(call).body)

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(echoed, range(4))) == [0, 1, 2, 3]


def test_redirects_share_one_deadline() -> None:
    moved = Says({}, 307, {"location": "/there"}, wait=0.3)
    with Loopback(lambda _: moved, Says("")) as server:
        begun = time.monotonic()
        assert fails(server.url, 0.5).trouble == "late"
        assert time.monotonic() - begun < 0.9


def test_a_client_that_goes_elsewhere_of_itself_is_stopped() -> None:
    with Loopback(lambda _: Says({}), Says("")) as other, Loopback([], Says("")) as server:
        wired = Wire(server.url, 5, user="x", extra="openai")
        with pytest.raises(NoReply) as raised:
            wired.heard(lambda: wired.client.post(other.url, headers=SECRET, content=b"{}"))
        assert raised.value.trouble == "elsewhere" and not other.asked


def test_no_cookie_of_a_server_is_kept() -> None:
    with Loopback(
        lambda _: Says({}, headers={"set-cookie": "who=you; Path=/"}), Says("")
    ) as server:
        wired = Wire(server.url, 5, user="x", extra="openai")
        for _ in range(2):
            reply = wired.heard(lambda: wired.client.post(server.url, content=b"{}"))
            assert reply.headers["set-cookie"].startswith("who")
        assert "cookie" not in server.asked[1].headers
