"""Addresses inside the page: the same words that its script writes into the address bar."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import quote


def question_link(item_id: str, entry: str, text: str) -> str:
    """Return a link to one question, as an entry played it.

    Args:
        item_id: of the question.
        entry: key of the entry.
        text: of the link.
    """
    return _link({"view": "question", "q": item_id, "e": entry}, text)


def filter_link(filters: str, text: str) -> str:
    """Return a link to the table of all questions, with a filter as its address has it."""
    return _link({"filter": filters, "section": "questions"}, text)


def _link(state: Mapping[str, str], text: str) -> str:
    parts = "&".join(f"{key}={quote(value, safe='')}" for key, value in state.items())
    return f'<a href="#{escape(parts)}">{escape(text)}</a>'
