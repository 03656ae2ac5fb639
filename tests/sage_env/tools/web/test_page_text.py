"""Laws of `sage_env.tools.web.page_text`, `tidy`: characters, types, what is unseen."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.errors import ToolInputError
from sage_env.tools.web.page_text import decoded, is_readable, page_text
from sage_env.tools.web.tidy_text import one_line, tidy
from tests.helpers.hard_texts import TEXTS

GREEK = "Ἡ ὁδὸς ἄνω κάτω μία"


@given(st.text() | st.sampled_from([x[:500] for x in TEXTS.values()]))
def test_plain_text_has_nothing_unseen(text: str) -> None:
    found = tidy(text)
    kinds = {unicodedata.category(c) for c in found} - {"Cn", "Co"}
    assert not kinds & {"Cs", "Zl", "Zp"} and found == tidy(found)
    assert {c for c in found if unicodedata.category(c) == "Cc"} <= {"\n"}
    assert not set(found) & set("\u202e\u2066\u200b\u200f\ufeff\U000e0041")
    assert "\n\n\n" not in found and found.encode("utf-8") is not None
    assert "\n" not in one_line(text, 50) and len(one_line(text, 50)) <= 50


def test_letters_of_every_script_stay() -> None:
    for text in (GREEK, "日本語の文", "नमस्ते", "می\u200cخواهم", "👩\u200d🚀 ok", "שלום"):
        assert tidy(text) == text


@pytest.mark.parametrize(
    ("encoding", "header", "meta"),
    [("utf-8", "utf-8", ""), ("utf-8", "", ""), ("utf-8", "iso-8859-1", ""),
     ("iso-8859-7", "iso-8859-7", ""), ("iso-8859-7", "", "iso-8859-7"),
     ("iso-8859-7", "utf-8", "ISO-8859-7"), ("iso-8859-7", "no-such-thing", "iso-8859-7"),
     ("utf-16", "utf-8", ""), ("utf-8-sig", "latin-1", ""), ("iso-8859-7", "rot13", "iso-8859-7")],
)  # fmt: skip
def test_characters_are_those_of_the_page(encoding, header, meta) -> None:
    text = "άνω κάτω, και πάλι άνω"
    html = f'<meta charset="{meta}"><p>{text}</p>' if meta else f"<p>{text}</p>"
    assert text in decoded(html.encode(encoding), f"text/html; charset={header}")


def test_encodings_of_seven_bits_are_not_taken_for_utf_8() -> None:
    assert decoded("日本".encode("iso-2022-jp"), "text/html; charset=ISO-2022-JP") == "日本"


def test_a_wrong_encoding_is_read_as_browsers_do_and_never_fails() -> None:
    assert decoded("naïve €".encode("cp1252"), "text/html; charset=utf-8") == "naïve €"
    assert decoded("naïve".encode()[:3], "") == "na"  # cut inside a letter


@given(st.binary(), st.sampled_from(["", "utf-8", "utf-16", "idna", "hex", "hz", "punycode"]))
def test_any_bytes_are_some_text_or_refused(body: bytes, charset: str) -> None:
    assert isinstance(decoded(body, f"text/plain; charset={charset}"), str)
    try:
        assert page_text(body, "text/plain").title == ""
    except ToolInputError as error:
        assert "choose another page" in str(error)


@pytest.mark.parametrize(
    ("kind", "readable"),
    [("text/html; charset=x", True), ("TEXT/HTML", True), ("", True), ("text/plain", True),
     ("application/json", True), ("application/ld+json", True), ("application/pdf", False),
     ("image/png", False), ("video/mp4", False), ("application/octet-stream", False),
     ("application/zip", False), ("nonsense", False)],
)  # fmt: skip
def test_pages_of_text_alone_are_read(kind: str, readable: bool) -> None:
    assert is_readable(kind) == readable


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [(b"%PDF-1.7 x", "text/html", "it is a PDF"), (b"%PDF-1.7 x", "", "it is a PDF"),
     (b"a\0b", "text/plain", "of another type")],
)  # fmt: skip
def test_what_calls_itself_text_and_is_none_is_refused(body, kind, words) -> None:
    with pytest.raises(ToolInputError, match=words):
        page_text(body, kind)


MENU = "".join(f'<li><a href="/{k}">Menu entry {k}</a></li>' for k in range(20))
ARTICLE = "<p>Tea is made from leaves, and it is drunk by many people on every day of the year.</p>"
HTML = (
    f"<html><head><title>Tea\u202e &amp; more\x1b</title><style>p{{}}</style></head><body><nav><ul>"
    f"{MENU}</ul></nav><article><h1>Tea</h1>{ARTICLE * 3}<script>steal()</script></article></body>"
)


def test_the_main_text_is_found() -> None:
    pytest.importorskip("trafilatura")
    title, text = page_text(HTML.encode(), "text/html")
    assert title in ("Tea", "Tea & more") and "Tea is made from leaves" in text
    assert "Menu entry" not in text and "steal" not in text and "p{" not in text


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"<", b"<html><body>" + b"<div>" * 50_000,
                                  b"<!-- ", b"<html><script>x()</script>"])  # fmt: skip
def test_a_page_without_text_has_none(body) -> None:
    pytest.importorskip("trafilatura")
    assert page_text(body, "text/html").text in ("", "<")


def test_a_page_with_a_declaration_and_a_short_one_are_read() -> None:
    pytest.importorskip("trafilatura")
    xml = '<?xml version="1.0" encoding="iso-8859-1"?><html><body><p>Ein Käfer.</p></body></html>'
    assert "Ein Käfer." in page_text(xml.encode("latin-1"), "application/xhtml+xml").text
    assert page_text(b"<html><body>two words</body></html>", "").text == "two words"
