"""Laws of `sage_env.tools.web.read_page`, `bounded_http`: bounded, and public at every step."""

from __future__ import annotations

import gzip
import pickle
import ssl
import sys
import time
import tracemalloc
import zlib
from types import ModuleType, SimpleNamespace

import pytest

from sage_env.errors import MissingExtra, ToolInputError
from sage_env.tools.tool import check_tool_object
from sage_env.tools.web import bounded_http
from sage_env.tools.web.read_page import MAX_HOPS, ReadPage
from tests.helpers.web.server import OK, PEM, page, status, web_server

URL = "http://page.example/"
PLAIN = "text/plain; charset=utf-8"
TEXT = OK + b"content-type: text/plain\r\n"


def read(server, url=URL, **settings):
    return server.reads(**settings)({"url": url}, None)


def not_now(server, url=URL, **settings) -> str:
    text = read(server, url, **settings)
    assert text.startswith("The page at page.example cannot be had now: ")
    assert text.endswith(". Choose another page.")
    return text


def refused(server, url=URL, **settings) -> str:
    with pytest.raises(ToolInputError) as raised:
        read(server, url, **settings)
    return str(raised.value)


def test_a_page_of_text_comes_with_its_address() -> None:
    with web_server({"/a?b=c": page("Grüße,\r\nfrom\x1b[2J a \u202epage".encode(), PLAIN)}) as web:
        text = read(web, "http://Page.Example/a?b=c#part")
    assert text == "Address: http://page.example/a?b=c\n\nGrüße,\nfrom[2J a page"
    (request,) = web.requests
    head = request.decode().lower().split("\r\n")
    assert head[0] == "get /a?b=c http/1.1" and "host: page.example" in head
    assert not [line for line in head if line.startswith(("cookie", "authorization", "referer"))]


def test_the_main_text_of_html_comes_with_its_title() -> None:
    pytest.importorskip("trafilatura")
    html = (
        "<html><head><title>Tea</title></head><body><p>Tea is made from leaves.</p></body></html>"
    )
    with web_server({"/": page(html.encode())}) as web:
        assert read(web) == f"Title: Tea\nAddress: {URL}\n\nTea is made from leaves."


def test_html_is_left_to_the_package_and_a_missing_one_is_named(monkeypatch) -> None:
    """What the package gives is cleaned, whatever it is; this runs without it too."""
    fake, metadata = ModuleType("trafilatura"), ModuleType("trafilatura.metadata")
    fake.load_html, fake.html2txt = (lambda html: html), (lambda html: "all of it")
    fake.extract = lambda html, **_: None
    metadata.extract_metadata = lambda tree: SimpleNamespace(title="A\u202e\nB")
    monkeypatch.setitem(sys.modules, "trafilatura", fake)
    monkeypatch.setitem(sys.modules, "trafilatura.metadata", metadata)
    with web_server({"/": page(b"<html>x")}) as web:
        assert read(web) == f"Title: A B\nAddress: {URL}\n\nall of it"
        monkeypatch.setitem(sys.modules, "trafilatura", None)
        with pytest.raises(MissingExtra, match=r"sage-video-qa\[tools\]"):
            read(web)


@pytest.mark.parametrize("body", [b"", b" \n\t ", "\u200b\ufeff".encode()])
def test_an_empty_page_has_nothing_to_say(body) -> None:
    with web_server({"/": page(body, PLAIN)}) as web:
        assert read(web) == ""


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_a_packed_page_is_unpacked(pack) -> None:
    encoding = "gzip" if pack is gzip.compress else "deflate"
    with web_server({"/": page(pack(b"hello"), PLAIN, f"content-encoding: {encoding}")}) as web:
        assert read(web).endswith("\n\nhello")


def test_chunks_are_joined() -> None:
    reply = OK + b"content-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
    with web_server({"/": [reply, b"3\r\nhel\r\n", b"2\r\nlo\r\n0\r\n\r\n"]}) as web:
        assert read(web).endswith("\n\nhello")


# Bounds


def bomb() -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(b"x" * 2**20) for _ in range(200)) + packer.flush()


def test_a_packed_bomb_takes_bounded_memory() -> None:
    body = bomb()
    assert len(body) < 2**20
    with web_server({"/": page(body, PLAIN, "content-encoding: gzip")}) as web:
        tracemalloc.start()
        text = read(web, max_bytes=2**16)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert text.endswith("x" * 2**16) and len(text) < 2**16 + 100
    assert peak < 4 * 2**20


def endless(start: bytes, piece: bytes):
    def pieces():
        yield start
        while True:
            yield piece

    return pieces


@pytest.mark.parametrize("chunked", [True, False])
def test_a_page_without_end_is_read_up_to_a_bound(chunked) -> None:
    start = OK + b"content-type: text/plain\r\n"
    start += b"transfer-encoding: chunked\r\n\r\n" if chunked else b"\r\n"
    piece = b"1000\r\n" + b"y" * 4096 + b"\r\n" if chunked else b"y" * 4096
    with web_server({"/": endless(start, piece)}) as web:
        assert len(read(web, max_bytes=100_000)) == 100_000 + len(f"Address: {URL}\n\n")


@pytest.mark.parametrize(
    ("start", "piece"),
    [(b"", b"H"), (OK, b"x"), (OK + b"content-type: text/plain\r\n\r\n", b"x"),
     (b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n")],
)  # fmt: skip
def test_a_server_that_drips_ends_at_the_deadline(start, piece) -> None:
    with web_server({"/": endless(start, piece)}, pause=0.02) as web:
        began = time.monotonic()
        assert "its server took longer than 0.3 s" in not_now(web, page_timeout=0.3)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("tls", [True, False])
def test_a_server_that_says_nothing_ends_at_the_deadline(tls) -> None:
    with web_server({"/": [b""]}, pause=30) as web:
        said = not_now(web, "https://page.example/" if tls else URL, page_timeout=0.2)
    assert "its server took longer" in said


@pytest.mark.parametrize(
    "pieces",
    [[b"nonsense\r\n\r\n"], [b""], [b"HTTP/1.1 abc\r\n\r\n"], [OK + b"a" * 70_000],
     [OK + b"x: y\r\n" * 200 + b"\r\n"], [TEXT + b"content-length: 99\r\n\r\nshort"],
     [TEXT + b"transfer-encoding: chunked\r\n\r\nzz\r\n"],
     page(gzip.compress(b"z" * 999)[:-9], PLAIN, "content-encoding: gzip"),
     page(b"no gzip", PLAIN, "content-encoding: gzip"), page(b"x", PLAIN, "content-encoding: br")],
)  # fmt: skip
def test_a_reply_that_is_none_is_told(pieces) -> None:
    with web_server({"/": pieces}) as web:
        assert "cannot be had now" in not_now(web)


def test_other_types_are_refused_and_not_even_read() -> None:
    start = OK + b"content-type: application/pdf\r\n\r\n"
    with web_server({"/": endless(start, b"%PDF" * 1024)}) as web:
        assert "a PDF, and only pages of text" in refused(web)
    with web_server({"/": page(b"%PDF-1.7", "text/html")}) as web:
        assert "a PDF" in refused(web)


def test_what_is_no_page_is_not_read() -> None:
    with web_server({"/": endless(b"HTTP/1.1 404 x\r\n\r\n", b"x")}, pause=0.02) as web:
        assert "(404)" in refused(web, page_timeout=1.0)


# What is kept


def test_a_page_is_asked_for_once_and_a_failure_is_not_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    replies = [status(503), page(b"first", PLAIN), page(b"second", PLAIN), page(b"third", PLAIN)]
    with web_server({"/": lambda: replies.pop(0)}) as web:
        assert "cannot be had now" in read(web, cache=True)
        assert read(web, cache=True).endswith("first")
        assert read(web, "http://PAGE.example:80", cache=True).endswith("first")
        assert read(web).endswith("second")
        assert read(web, cache=True).endswith("first")
        assert read(web, cache=True, max_bytes=3).endswith("thi")
    assert len(web.requests) == 4


# Where a page may lead


def test_redirects_are_followed_and_the_last_address_is_told() -> None:
    pages = {
        "/": status(302, "location: /b"),
        "/b": status(301, "location: //other.example.org/c?d"),
        "/c?d": page(b"here", PLAIN),
    }
    with web_server(pages) as web:
        assert read(web) == "Address: http://other.example.org/c?d\n\nhere"
    assert b"\r\nHost: other.example.org\r\n" in web.requests[-1]


NOWHERE = "its server redirects to nowhere: choose another page"
ASTRAY = "its server redirects to an address that is none of a public page: choose another page"


@pytest.mark.parametrize("location", [
    "http://127.0.0.1:8080/", "http://localhost/", "http://169.254.169.254/latest/meta-data",
    "http://[::ffff:10.0.0.1]/", "http://2130706433/", "file:///etc/passwd", "//10.0.0.1/",
    "http://user:pw@example.com/", "http://example.com:22/", "http://exa mple.com/", "",
])  # fmt: skip
def test_a_redirect_to_what_is_not_public_is_not_followed(location) -> None:
    with web_server({"/": status(302, f"location: {location}")}) as web:
        assert refused(web) in (NOWHERE, ASTRAY), "no word of the server is repeated"
    assert len(web.requests) == 1


def test_a_redirect_to_a_name_of_a_private_address_is_not_followed(monkeypatch) -> None:
    """With the tool's own connections: the name is public, what it means is not."""
    with web_server({"/": status(302, "location: http://inside.example.com/")}) as web:
        tool, real = web.reads(), ReadPage()._connect
        first = tool._connect
        tool._connect = lambda at, d: (first if at.host == "page.example" else real)(at, d)
        found = [(2, 1, 6, "", ("10.1.2.3", 80))]
        monkeypatch.setattr("socket.getaddrinfo", lambda *_, **__: found)
        with pytest.raises(ToolInputError, match="redirects") as caught:
            tool({"url": URL}, None)
        assert "inside" not in str(caught.value), "words of the server"


def test_redirects_without_end_end() -> None:
    with web_server({"/": status(302, "location: /")}) as web:
        assert f"more than {MAX_HOPS} times" in refused(web)
    assert len(web.requests) == MAX_HOPS + 1


def test_without_the_seam_this_machine_is_out_of_reach() -> None:
    with web_server({"/": page(b"secret", PLAIN)}) as web:
        for host in ("127.0.0.1", "localhost", "[::1]", "0x7f.1", "127.1"):
            with pytest.raises(ToolInputError):
                ReadPage()({"url": f"http://{host}:{web.port}/"}, None)
    assert not web.requests


def test_proxies_of_the_environment_are_not_used(monkeypatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with web_server({"/": page(b"direct", PLAIN)}) as web:
        assert read(web).endswith("direct")


# What a status means


@pytest.mark.parametrize("code", [201, 204, 304, 400, 401, 403, 404, 410, 451])
def test_no_page_is_the_agents_to_know(code) -> None:
    with web_server({"/": status(code, body=b"<html>no")}) as web:
        assert f"({code})" in refused(web)


@pytest.mark.parametrize("code", [408, 429, 500, 503])
def test_a_server_without_time_is_nobodys_mistake(code) -> None:
    with web_server({"/": status(code, "retry-after: 30")}) as web:
        assert f"busy or down ({code}), and asks to wait 30 s" in not_now(web)


def test_nobody_there_is_told() -> None:
    with web_server({}) as web:
        pass
    assert "no connection (Connection refused)" in not_now(web)


# TLS


def test_a_certificate_that_nobody_vouches_for_is_refused() -> None:
    with web_server({"/": page(b"secret", PLAIN)}, tls=True) as web:
        said = not_now(web, "https://page.example/")
        assert "no secure connection (CERTIFICATE_VERIFY_FAILED)" in said
    assert not web.requests


def test_the_name_in_the_certificate_must_be_the_pages(monkeypatch) -> None:
    context = ssl.create_default_context(cafile=PEM)
    monkeypatch.setattr(bounded_http, "tls_context", lambda: context)
    with web_server({"/": page(b"private", PLAIN)}, tls=True) as web:
        assert read(web, "https://page.example/").endswith("private")
        assert "CERTIFICATE_VERIFY_FAILED" in read(web, "https://other.example.org/")


# The tool


def test_it_is_a_tool_with_bounds_and_travels() -> None:
    tool = pickle.loads(pickle.dumps(ReadPage(max_text=100, max_calls=3, page_timeout=5.0)))
    check_tool_object(tool)
    assert (tool.name, tool.max_text, tool.max_calls, tool.timeout) == ("read_page", 100, 3, 25.0)


@pytest.mark.parametrize(
    "settings",
    [{"max_text": 0}, {"max_calls": 0}, {"max_bytes": 0}, {"page_timeout": 0}]
    + [{"page_timeout": float("nan")}],
)
def test_settings_that_mean_nothing_are_refused(settings) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        ReadPage(**settings)


def test_each_page_of_a_host_is_kept_for_itself(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    pages = {name: page(name.encode(), PLAIN) for name in ("/a", "/b", "/a?q=1")}
    with web_server(pages) as web:
        for _ in range(2):
            for name in pages:
                found = read(web, f"http://page.example{name}", cache=True)
                assert found == f"Address: http://page.example{name}\n\n{name}"
        assert len(web.requests) == 3


def test_a_body_of_just_as_many_bytes_is_whole() -> None:
    pieces = [b"abc", b"de"]
    assert bounded_http._joined(iter(pieces), 5) == (b"abcde", False)
    assert bounded_http._joined(iter(pieces), 4) == (b"abcd", True)
