"""Addresses inside the page: the same words that its script writes into the address bar."""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape
from urllib.parse import quote

_PLAIN = re.compile(r"[^\s\",:\\]+")


def question_link(item_id: str, entry: str, text: str) -> str:
    """Return a link to one question, as an entry played it.

    Args:
        item_id: of the question.
        entry: key of the entry.
        text: of the link.
    """
    return _link({"view": "question", "q": item_id, "e": entry}, text)


def filter_term(column: str, value: str) -> str:
    """Return a filter of a column as the table's script reads it, quoted where it must be.

    Args:
        column: key of it.
        value: text that its cells are.
    """
    return f"{_quoted(column)}:{_quoted(value)}"


def _quoted(text: str) -> str:
    if _PLAIN.fullmatch(text) and text != "none":
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def filter_link(filters: str, text: str) -> str:
    """Return a link to the table of all questions, with a filter as its address has it."""
    return _link({"filter": filters, "section": "questions"}, text)


def _link(state: Mapping[str, str], text: str) -> str:
    parts = "&".join(f"{key}={quote(value, safe='')}" for key, value in state.items())
    return f'<a href="#{escape(parts)}">{escape(text)}</a>'
