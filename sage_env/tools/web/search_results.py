"""Results of a search: what an engine found, and in which words an agent reads it.

1. Title of a page
   https://example.com/page
   What the engine shows of it, in one line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sage_env.tools.web.tidy_text import one_line

MAX_SNIPPET = 400
_MAX_TITLE, _MAX_LINK = 200, 2_048
NO_RESULTS = "No results."


@dataclass(frozen=True)
class SearchResult:
    """One result; each text is one plain line.

    Attributes:
        title: of the page.
        link: its address.
        snippet: what the engine shows of it, at most `MAX_SNIPPET` characters; `""` for nothing.
    """

    title: str
    link: str
    snippet: str = ""


def read_results(found: object, link: str, snippet: str, most: int) -> list[SearchResult] | None:
    """Return the first results of an engine's list; `None` if it is no list.

    Entries without a title and an address of the web are left out, as are further ones of a page.

    Args:
        found: the list, as it came.
        link: key of the address.
        snippet: key of what is shown of the page.
        most: how many at most.
    """
    if not isinstance(found, list):
        return None
    results: dict[str, SearchResult] = {}
    for entry in found:
        if isinstance(entry, Mapping) and len(results) < most:
            result = SearchResult(
                _text(entry, "title", _MAX_TITLE),
                _text(entry, link, _MAX_LINK + 1),
                _text(entry, snippet, MAX_SNIPPET),
            )
            usable = result.link.startswith(("https://", "http://")) and " " not in result.link
            if usable and result.title and len(result.link) <= _MAX_LINK:
                results.setdefault(result.link, result)
    return list(results.values())


def results_text(results: Iterable[SearchResult], most: int) -> str:
    """Return results in words, as the module says; `NO_RESULTS` where there are none.

    Args:
        results: in order.
        most: characters; results that do not fit whole are left out, but for the first.
    """
    text = ""
    for k, one in enumerate(results, start=1):
        entry = "\n   ".join(filter(None, [f"{k}. {one.title}", one.link, one.snippet]))
        if text and len(text) + 1 + len(entry) > most:
            break
        text = f"{text}\n{entry}" if text else entry
    return text or NO_RESULTS


def _text(entry: Mapping[str, Any], key: str, most: int) -> str:
    value = entry.get(key)
    return one_line(value, most) if isinstance(value, str) else ""
