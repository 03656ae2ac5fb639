"""The text of a page: its characters, its main text without menus, its title.

Main texts are found by `trafilatura` (Apache-2.0), which needs no network for it.
"""

from __future__ import annotations

import codecs
import re
from importlib import import_module
from typing import Any, NamedTuple

from sage_env.errors import ToolInputError
from sage_env.lazy_exports import needs_extra
from sage_env.tools.web.tidy_text import one_line, tidy

HTML = ("text/html", "application/xhtml+xml")
_PLAIN = re.compile(r"text/[\w.+-]+|application/(?:[\w.+-]+\+)?(?:json|xml|yaml)")
_KINDS = {"application/pdf": "a PDF", "image": "a picture", "video": "a video", "audio": "sound"}
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:-]+)", re.IGNORECASE)
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_TEXT_CODECS = re.compile(
    r"ascii|latin|iso8859|iso2022|cp\d|windows|koi8|mac|utf|gb|big5|euc|shift_jis|johab|tis|hz"
)
_SEVEN_BIT = re.compile(r"iso2022|hz|utf-(?:7|16|32)")
"""Encodings whose bytes may look like UTF-8 and are something else."""
_HEAD = 2_048  # bytes in which a page names its encoding; the standard of HTML asks for 1024
_MAX_TITLE = 200
_MOST_HTML = 400_000
"""Characters of HTML in which a main part is looked for, which takes 10 to 30 s in a million. Of a
longer page, which few are, all text is taken."""


class PageText(NamedTuple):
    """The text of a page.

    Attributes:
        title: in one line; `""` for none.
        text: plain.
    """

    title: str
    text: str


def is_readable(content_type: str) -> bool:
    """Return whether a page of that type may have text, as far as its header says."""
    kind = _kind(content_type)
    return not kind or kind in HTML or _PLAIN.fullmatch(kind) is not None


def refuse_type(content_type: str) -> ToolInputError:
    """Return the error for a page of another type."""
    kind = _kind(content_type)
    what = _KINDS.get(kind) or _KINDS.get(kind.partition("/")[0]) or "of another type"
    return ToolInputError(f"it is {what}, and only pages of text can be read: choose another page")


def page_text(body: bytes, content_type: str) -> PageText:
    """Return the title and the text of a page.

    Args:
        body: what came; its end may be missing.
        content_type: header of the reply; may be wrong or empty.

    Raises:
        ToolInputError: if it is no text.
        MissingExtra: if `trafilatura` is not installed, and it is HTML.
    """
    if body.startswith(b"%PDF-"):
        raise refuse_type("application/pdf")
    text = decoded(body, content_type)
    if "\0" in text:
        raise refuse_type("application/octet-stream")
    kind, head = _kind(content_type), text[:_HEAD].lower()
    is_html = kind in HTML or (not kind and ("<html" in head or "<!doctype html" in head))
    return _main_text(text) if is_html else PageText("", tidy(text))


def decoded(body: bytes, content_type: str) -> str:
    """Return a body as text; what stands for no character is U+FFFD, a cut one at its end nothing.

    A mark at its beginning counts most, then what is valid UTF-8 (which hardly any other text is),
    then the encoding of the header, that of the page itself, and Windows-1252, as browsers do.
    """
    for mark, name in _BOMS:
        if body.startswith(mark):
            return _decode(body, name, "replace")
    head = body[:_HEAD].decode("latin-1")
    found = [_codec(m[1]) for m in map(_CHARSET.search, (content_type, head)) if m]
    named = [name for name in found if name]
    utf8_first = ["utf-8", *named]
    for name in [*named, "utf-8"] if any(map(_SEVEN_BIT.match, named)) else utf8_first:
        try:
            return _decode(body, name, "strict")
        except UnicodeError:
            pass
    return _decode(body, "cp1252", "replace")


def _decode(body: bytes, name: str, errors: str) -> str:
    return codecs.getincrementaldecoder(name)(errors).decode(body, final=False)


def _codec(name: str) -> str | None:
    """Return Python's name of an encoding of texts; `None` where there is none."""
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _TEXT_CODECS.match(found) else None


def _kind(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _main_text(html: str) -> PageText:
    """Return the main text of a page of HTML; all of it where none is found, or looking is slow."""
    with needs_extra("the tool read_page", "tools"):
        trafilatura: Any = import_module("trafilatura")
        metadata: Any = import_module("trafilatura.metadata")
    tree = trafilatura.load_html(html)
    if tree is None:
        return PageText("", "")
    title = metadata.extract_metadata(tree)
    short = len(html) <= _MOST_HTML
    text = trafilatura.extract(html, include_comments=False, favor_recall=True) if short else None
    found = tidy(text or trafilatura.html2txt(html) or "")
    return PageText(one_line(getattr(title, "title", None) or "", _MAX_TITLE), found)
