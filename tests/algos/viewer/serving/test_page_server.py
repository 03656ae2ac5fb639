"""Laws of `algos.viewer.serving`: `page_server`, `request_handling`, `replies`, `byte_ranges`."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.viewer.serving import page_server
from algos.viewer.serving.byte_ranges import NoSuchRangeError, wanted_range
from algos.viewer.serving.page_server import PageServer
from algos.viewer.serving.replies import Reply

VIDEO = bytes(range(256)) * 1000
SECRET_FILE = b"not of this run"


@pytest.fixture
def served(tmp_path: Path) -> Iterator[PageServer]:
    video = tmp_path / "videos" / "a b.mp4"
    video.parent.mkdir()
    video.write_bytes(VIDEO)
    (tmp_path / "secret.txt").write_bytes(SECRET_FILE)
    os.mkfifo(tmp_path / "pipe")
    replies = {
        "": Reply("text/html; charset=utf-8", b"<p>page</p>"),
        "rows.json": Reply("application/json", b"{}"),
        "video/0": Reply("video/mp4", video),
        "video/gone": Reply("video/mp4", tmp_path / "gone.mp4"),
        "video/folder": Reply("video/mp4", tmp_path),
        "video/pipe": Reply("video/mp4", tmp_path / "pipe"),
    }
    with PageServer(replies.get) as server:
        yield server


def ask(
    server: PageServer,
    name: str = "",
    method: str = "GET",
    raw: str | None = None,
    **headers: str,
) -> tuple[HTTPResponse, bytes]:
    """Return a response and its body; `raw` is the path instead of a name below the page."""
    where = urlsplit(server.url)
    connection = HTTPConnection(where.hostname or "", where.port, timeout=10)
    host = headers.pop("Host", where.netloc)
    try:
        connection.putrequest(method, raw if raw is not None else where.path + name, skip_host=True)
        for key, value in {"Host": host, **headers}.items():
            connection.putheader(key.replace("_", "-"), value)
        connection.endheaders()
        response = connection.getresponse()
        return response, response.read()
    finally:
        connection.close()


def test_only_this_machine_is_listened_to_and_a_free_port_is_taken(served: PageServer) -> None:
    where = urlsplit(served.url)
    assert where.hostname == "127.0.0.1" and where.port
    assert len(where.path) > 12
    with pytest.raises(OSError):  # it would answer where all addresses are listened to
        socket.create_connection(("127.0.0.2", where.port), timeout=1).close()


def test_what_is_there_is_handed_out_with_headers_that_keep_it_here(served: PageServer) -> None:
    page, body = ask(served)
    rows, data = ask(served, "rows.json")
    assert (page.status, body, rows.status, data) == (200, b"<p>page</p>", 200, b"{}")
    for found in (page, rows, ask(served, "nothing")[0]):
        assert found.headers["Cache-Control"] == "no-store"
        assert found.headers["X-Content-Type-Options"] == "nosniff"
        assert found.headers["Referrer-Policy"] == "no-referrer"
        assert found.headers["Cross-Origin-Resource-Policy"] == "same-origin"
        assert "frame-ancestors 'none'" in found.headers["Content-Security-Policy"]
        assert found.headers["Access-Control-Allow-Origin"] is None
    assert "default-src 'none'" in rows.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "127.0.0.1",
        "127.0.0.1:1",
        "localhost.evil:{port}",
        "",
    ],
)
def test_a_name_that_was_made_to_point_here_is_refused(served: PageServer, host: str) -> None:
    port = urlsplit(served.url).port
    found, body = ask(served, Host=host.format(port=port))
    assert found.status == 403 and b"page" not in body


def test_two_hosts_or_none_are_refused(served: PageServer) -> None:
    where = urlsplit(served.url)
    for lines in ("", f"Host: {where.netloc}\r\nHost: evil.example\r\n"):
        with socket.create_connection((where.hostname, where.port), timeout=5) as wire:
            wire.sendall(f"GET {where.path} HTTP/1.1\r\n{lines}\r\n".encode())
            assert wire.makefile("rb").readline().split()[1] == b"403"


def test_localhost_is_a_name_of_this_machine(served: PageServer) -> None:
    assert ask(served, Host=f"LocalHost:{urlsplit(served.url).port}")[0].status == 200


def test_a_page_of_another_may_not_ask(served: PageServer) -> None:
    assert ask(served, "rows.json", Origin="http://evil.example")[0].status == 403
    assert ask(served, "rows.json", Origin="null")[0].status == 403
    for site in ("cross-site", "same-site"):  # the latter: another port of this machine
        assert ask(served, "rows.json", Sec_Fetch_Site=site)[0].status == 403
    own = served.url.rstrip("/").rsplit("/", 1)[0]
    assert ask(served, "rows.json", Origin=own, Sec_Fetch_Site="same-origin")[0].status == 200
    clicked = {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"}
    assert ask(served, **clicked)[0].status == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_only_get_and_head_are_answered(served: PageServer, method: str) -> None:
    found, body = ask(served, method=method)
    assert found.status == 405 and found.headers["Allow"] == "GET, HEAD"
    assert b"<p>" not in body


def test_head_is_get_without_the_body(served: PageServer) -> None:
    for name in ("", "video/0", "nothing"):
        got, body = ask(served, name)
        head, nothing = ask(served, name, method="HEAD")
        assert head.status == got.status and nothing == b""
        assert head.headers["Content-Length"] == str(len(body))
        assert head.headers["Content-Type"] == got.headers["Content-Type"]


def test_nothing_follows_the_headers_of_an_answer_to_head(served: PageServer) -> None:
    where = urlsplit(served.url)
    for name in ("", "video/0", "nothing"):
        with socket.create_connection((where.hostname, where.port), timeout=5) as wire:
            path = f"{where.path}{name}"
            wire.sendall(f"HEAD {path} HTTP/1.1\r\nHost: {where.netloc}\r\n\r\n".encode())
            assert wire.makefile("rb").read().endswith(b"\r\n\r\n")


def test_no_path_leaves_what_is_named(served: PageServer) -> None:
    secret = urlsplit(served.url).path.strip("/")
    names = [
        "../secret.txt",
        "..%2fsecret.txt",
        "%2e%2e/secret.txt",
        "video/../../secret.txt",
        "video/..%5c..%5csecret.txt",
        "video/0/../secret.txt",
        "video/",
        "video",
        "/etc/passwd",
        "rows.json/",
        "rows.json%00",
        "./rows.json",
        "video/gone",
        "video/folder",
        "video/pipe",
    ]
    raws = ["/", "", "//", f"/{secret}", f"/{secret[:-1]}/", "/rows.json", "/etc/passwd", "*"]
    raws += [f"/%2f{secret}/", "http://evil.example/", f"{secret}/"]
    for name in names:
        found, body = ask(served, name)
        assert (found.status, SECRET_FILE in body) == (404, False), name
    for raw in raws:
        assert ask(served, raw=raw)[0].status in (400, 404), raw


def test_a_part_of_a_video_is_sent(served: PageServer) -> None:
    found, body = ask(served, "video/0", Range="bytes=1000-1999")
    assert found.status == 206 and body == VIDEO[1000:2000]
    assert found.headers["Content-Range"] == f"bytes 1000-1999/{len(VIDEO)}"
    found, body = ask(served, "video/0", Range="bytes=-5")
    assert found.status == 206 and body == VIDEO[-5:]
    found, body = ask(served, "video/0", Range=f"bytes={len(VIDEO)}-")
    assert found.status == 416 and found.headers["Content-Range"] == f"bytes */{len(VIDEO)}"
    whole, body = ask(served, "video/0")
    assert whole.status == 200 and body == VIDEO and whole.headers["Accept-Ranges"] == "bytes"
    found, body = ask(served, "video/0", Range="bytes=0-1", If_Range='"old"')
    assert found.status == 200 and body == VIDEO


@pytest.mark.parametrize(
    ("header", "part"),
    [
        (None, None),
        ("bytes=0-", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=3-99", (3, 10)),
        ("bytes=9-", (9, 10)),
        ("bytes=-3", (7, 10)),
        ("bytes=-30", (0, 10)),
        (" bytes=2-4 ", (2, 5)),
        ("bytes=4-2", None),
        ("bytes=0-1,3-4", None),
        ("bytes=-", None),
        ("lines=0-1", None),
        ("bytes=a-b", None),
        ("bytes=١-", None),
    ],
)
def test_ranges_of_ten_bytes(header: str | None, part: tuple[int, int] | None) -> None:
    assert wanted_range(header, 10) == part


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-12", "bytes=-0"])
def test_a_range_beyond_the_end_is_none(header: str) -> None:
    with pytest.raises(NoSuchRangeError):
        wanted_range(header, 10)


@given(st.integers(0, 50), st.text(max_size=12) | st.from_regex(r"bytes=\d{0,3}-\d{0,3}"))
def test_a_range_lies_in_the_file(size: int, header: str) -> None:
    try:
        part = wanted_range(header, size)
    except NoSuchRangeError:
        return
    assert part is None or 0 <= part[0] < part[1] <= size


def test_many_at_once_are_answered_and_few_side_by_side(monkeypatch: pytest.MonkeyPatch) -> None:
    inside, most, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def find(name: str) -> Reply:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
            if inside == page_server.MOST_AT_ONCE:
                full.set()
        full.wait(5)
        with lock:
            inside -= 1
        return Reply("text/plain", name.encode())

    monkeypatch.setattr(page_server, "MOST_AT_ONCE", 4)
    with PageServer(find) as server, ThreadPoolExecutor(24) as pool:
        bodies = list(pool.map(lambda k: ask(server, f"n{k}")[1], range(24)))
    assert bodies == [f"n{k}".encode() for k in range(24)]
    assert most == 4


def test_a_client_that_says_nothing_keeps_nobody_else_out(served: PageServer) -> None:
    where = urlsplit(served.url)
    silent = [socket.create_connection((where.hostname, where.port)) for _ in range(3)]
    assert ask(served)[0].status == 200
    for wire in silent:
        wire.close()


def test_it_stops_when_told_and_gives_the_port_back() -> None:
    with PageServer({"": Reply("text/plain", b"x")}.get) as server:
        port = urlsplit(server.url).port
        first = server.url
    assert port is not None
    with pytest.raises(ConnectionError):
        socket.create_connection(("127.0.0.1", port), timeout=1)
    with PageServer({"": Reply("text/plain", b"x")}.get, port) as server:
        assert urlsplit(server.url).port == port
        assert server.url != first, "the path is a new secret"
