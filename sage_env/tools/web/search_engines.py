"""Search engines: Serper (Google's results, paid, with a key) and SearXNG (one's own server).

| engine | request | results |
|---|---|---|
| `serper` (https://serper.dev) | POST `https://google.serper.dev/search`, `X-API-KEY` | `organic` |
| `searxng` (https://docs.searxng.org/dev/search_api.html) | GET `URL/search` | `results` |
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

from sage_env.errors import ToolError
from sage_env.tools.web.bounded_http import (
    Connect,
    Deadline,
    HttpReply,
    NoReply,
    Request,
    exchange,
)
from sage_env.tools.web.connections import connect_anywhere
from sage_env.tools.web.search_results import SearchResult, read_results
from sage_env.tools.web.tidy_text import one_line
from sage_env.tools.web.web_address import WebAddress

SERPER = "https://google.serper.dev/search"
SERPER_KEY = "SERPER_API_KEY"
"""Variable of the environment that holds Serper's key; there is no other way to give it."""
ENGINES = ("serper", "searxng")
_MAX_BYTES = 2 * 2**20
_ATTEMPTS = 3
_FIRST_WAIT = 1.0  # seconds before the second attempt, doubled for the third
_AGAIN = {408, 425, 429}  # RFC 9110, RFC 8470, RFC 6585; and every 5xx
_JSON = {"Accept": "application/json"}


@dataclass(frozen=True)
class SearchEngine:
    """An engine and where it is.

    Attributes:
        kind: one of `ENGINES`.
        address: of its server, which the user has named.
        connect: opens connections to it.
    """

    kind: str
    address: WebAddress
    connect: Connect = connect_anywhere

    def results(self, query: str, most: int, deadline: Deadline) -> list[SearchResult]:
        """Return what the engine finds, at most so many.

        A server that fails, or asks to wait no longer than there is time, is asked again.

        Raises:
            ToolError: if it gives no results: it is down, wants another key, or is not what it is
                said to be. The message holds no key.
            ToolTimeout: if the deadline passes.
        """
        found: Any = _read(self._asked(query, most, deadline), self.kind)
        if self.kind == "serper":
            results = read_results(found.get("organic", []), "link", "snippet", most)
        else:
            results = read_results(found.get("results"), "url", "content", most)
            silent = found.get("unresponsive_engines")
            if results == [] and silent:
                raise self._failed(f"has no engine that replies: {one_line(str(silent), 200)}")
        if results is None:
            raise self._failed("sent JSON without results: is it a search engine of that kind?")
        return results

    def _asked(self, query: str, most: int, deadline: Deadline) -> HttpReply:
        for attempt in range(1, _ATTEMPTS + 1):
            wait, problem = _FIRST_WAIT * 2 ** (attempt - 1), ""
            try:
                address, request = self._request(query, most)
                reply = exchange(address, request, deadline, self.connect, max_bytes=_MAX_BYTES)
            except NoReply as error:
                problem = f"cannot be asked: {error}: is it up?"
            else:
                if reply.status not in _AGAIN and reply.status < 500:
                    return self._checked(reply)
                asked = reply.seconds_to_wait
                wait = max(wait, asked or 0)
                hint = "" if asked is None else f"; it asks to wait {asked} s"
                problem = f"said {reply.status} {_said(reply)}{hint}"
            if attempt == _ATTEMPTS or wait >= deadline.left():
                raise self._failed(f"{problem} (sent {attempt} times)")
            time.sleep(wait)
        raise AssertionError("unreachable")

    def _request(self, query: str, most: int) -> tuple[WebAddress, Request]:
        at = self.address
        if self.kind == "serper":
            headers = {**_JSON, "Content-Type": "application/json", "X-API-KEY": serper_key()}
            return at, Request("POST", headers, json.dumps({"q": query, "num": most}).encode())
        sent = urlencode({"q": query, "format": "json"})
        return WebAddress(at.scheme, at.host, at.port, f"{at.target}?{sent}"), Request(
            headers=_JSON
        )

    def _checked(self, reply: HttpReply) -> HttpReply:
        """Return a reply that has results, perhaps.

        Raises:
            ToolError: if its status says that it has none.
        """
        status = reply.status
        if status == 200 and not reply.cut:
            return reply
        if status == 200:
            raise self._failed(f"sent more than {_MAX_BYTES // 2**20} MiB")
        hint = ""
        if status in (401, 402, 403):
            hint = f": check the key in {SERPER_KEY} and its account"
            if self.kind == "searxng":
                hint = ": let `search.formats` in its settings.yml have `json`"
        elif 300 <= status < 400:
            hint = f" to {one_line(reply.headers.get('location', ''), 200)!a}: give that as url"
        raise self._failed(f"said {status} {_said(reply)}{hint}")

    def _failed(self, problem: str) -> ToolError:
        return ToolError(hide_key(f"the search engine at {self.address.host} {problem}"))


def find_engine(kind: str, url: str = "") -> SearchEngine:
    """Return an engine by its kind and, for SearXNG, its address.

    Raises:
        ValueError: if there is no such engine, its address cannot be used, or its key is missing.
    """
    if kind not in ENGINES:
        raise ValueError(f"engine must be one of {', '.join(ENGINES)}, got {kind!r}")
    if kind == "serper":
        serper_key()
        return SearchEngine(kind, _engine_address(url or SERPER))
    if not url:
        raise ValueError("engine=searxng needs its address: url=http://localhost:8888")
    at = _engine_address(url)
    path = at.target.rstrip("/")
    path = path if path.endswith("/search") else f"{path}/search"
    return SearchEngine(kind, WebAddress(at.scheme, at.host, at.port, path))


def serper_key() -> str:
    """Return the key of the environment.

    Raises:
        ValueError: if there is none, or it cannot be one.
    """
    key = os.environ.get(SERPER_KEY, "").strip()
    if not key:
        raise ValueError(f"engine=serper needs a key: set the environment variable {SERPER_KEY}")
    if not (key.isascii() and key.isprintable()):
        raise ValueError(f"{SERPER_KEY} holds characters that no key has: set it again")
    return key


def hide_key(text: str) -> str:
    """Return a text without the key of the environment, as it is or quoted."""
    key = os.environ.get(SERPER_KEY, "").strip()
    for form in {key, quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1]} if key else ():
        text = text.replace(form, "[key]")
    return text


def _engine_address(url: str) -> WebAddress:
    """Return the address of an engine: of any host and port, as the user has named it."""
    try:
        parts = urlsplit(url.strip())
        port = parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)
        usable = bool(parts.hostname) and bool(port) and not parts.query and not parts.fragment
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.strip().isprintable() or " " in url.strip():
        raise ValueError("url must be an address like http://localhost:8888")
    if "@" in parts.netloc:
        raise ValueError("url must hold no user name or password")
    return WebAddress(parts.scheme, parts.hostname or "", port, parts.path or "/")


def _read(reply: HttpReply, kind: str) -> dict[str, Any]:
    try:
        found = json.loads(reply.body.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise ToolError(f"the search engine {kind} sent something that is no JSON object")
    return found


def _said(reply: HttpReply) -> str:
    """Return the words of a server that failed, in a line."""
    text = reply.body[:2_000].decode("utf-8", "replace")
    try:
        found = json.loads(text)
        text = str(found.get("message") or found.get("error") or text)
    except (ValueError, AttributeError, RecursionError):
        pass
    return one_line(text, 200)
