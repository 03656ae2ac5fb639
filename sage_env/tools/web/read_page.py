"""The tool `read_page`: the main text of a page of the public web.

| what happens | the agent gets |
|---|---|
| the address is none of a public page, or there is no page of text (404, a PDF) | a refusal |
| its server is down, late, busy, or its certificate is not valid | a text that says so |
| there is no network here | none: it is our failure |

The state of somebody's server is neither the agent's mistake nor a failure of ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sage_env.argument_checks import is_number, whole_number
from sage_env.errors import ToolInputError, ToolTimeout
from sage_env.tools.reply_cache import find_kept, keep, reply_key
from sage_env.tools.tool import ToolContext
from sage_env.tools.web.bounded_http import (
    Connect,
    Deadline,
    HttpReply,
    NoReply,
    Request,
    exchange,
)
from sage_env.tools.web.connections import connect_public
from sage_env.tools.web.page_text import is_readable, page_text, refuse_type
from sage_env.tools.web.web_address import WebAddress, read_address

MAX_HOPS = 5
"""Redirects that are followed. A choice: real pages have one or two."""
_REDIRECTS = {301, 302, 303, 307, 308}  # RFC 9110 section 15.4
_BUSY = {408, 425, 429}  # RFC 9110, RFC 8470, RFC 6585: may pass, as do 5xx
_ACCEPT = {"Accept": "text/html,application/xhtml+xml,text/plain;q=0.9,*/*;q=0.1"}
_EXTRACTION = 20.0  # seconds for the main text, beside those of the page
_VERSION = 1  # of what becomes of a page: pages that were kept before are not taken any more


class ReadPage:
    """Returns the main text of a page: title, address, then the text without menus.

    Args:
        max_text: most characters that the agent reads.
        max_calls: of an episode.
        max_bytes: of a page, unpacked; what follows is not read.
        page_timeout: seconds for a page, redirects included.
        cache: whether texts of pages are kept, and not asked for again (`reply_cache`).

    Attributes:
        timeout: seconds that one call takes at most.

    Raises:
        ValueError: if a setting is out of its range.
    """

    name = "read_page"
    description = (
        "Returns the main text of a page of the web, by its address. Pages of text alone: no PDF, "
        "picture or video."
    )
    parameters: Mapping[str, Any] = {
        "type": "object",
        "properties": {
            "url": {"type": "string", "description": "of the page, beginning with https://"}
        },
        "required": ["url"],
    }

    def __init__(
        self,
        *,
        max_text: int = 5_000,
        max_calls: int = 20,
        max_bytes: int = 2 * 2**20,
        page_timeout: float = 20.0,
        cache: bool = True,
    ) -> None:
        """Ask nothing."""
        self.max_text = whole_number("max_text", max_text, 1)
        self.max_calls = whole_number("max_calls", max_calls, 1)
        self._max_bytes = whole_number("max_bytes", max_bytes, 1)
        if not is_number(page_timeout) or not 0 < page_timeout <= 600:
            raise ValueError(f"page_timeout must be seconds in (0, 600], got {page_timeout!r}")
        self._page_timeout = float(page_timeout)
        self.timeout = self._page_timeout + _EXTRACTION
        self._cache = cache
        self._connect: Connect = connect_public

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return the text of a page, or that it cannot be had now; `""` where it has none.

        Raises:
            ToolInputError: if the address is none of a public page, or there is no page of text.
            ToolError: if there is no network.
            MissingExtra: if `trafilatura` is not installed.
        """
        address = read_address(arguments["url"])
        key = reply_key("page", _VERSION, address.url, self._max_bytes)
        if self._cache and (kept := find_kept(key)) is not None:
            return kept
        try:
            text = self._read(address)
        except (NoReply, ToolTimeout) as error:
            return f"The page at {address.host} cannot be had now: {error}. Choose another page."
        if self._cache:
            keep(key, text)
        return text

    def _read(self, address: WebAddress) -> str:
        deadline = Deadline(self._page_timeout, "its server")
        address, reply = self._followed(address, deadline)
        _check_status(reply)
        content_type = reply.headers.get("content-type", "")
        if not is_readable(content_type):
            raise refuse_type(content_type)
        title, text = page_text(reply.body, content_type)
        if not text:
            return ""
        return "\n".join([*[f"Title: {title}"] * bool(title), f"Address: {address.url}", "", text])

    def _followed(self, address: WebAddress, deadline: Deadline) -> tuple[WebAddress, HttpReply]:
        """Return where redirects end, each checked as the first address, and the reply there."""
        for hop in range(MAX_HOPS + 1):
            try:
                reply = self._asked(address, deadline)
            except ToolInputError:
                if not hop:
                    raise
                raise _led_astray() from None
            if reply.status not in _REDIRECTS:
                return address, reply
            address = _next(address, reply)
        raise ToolInputError(
            f"its server redirects more than {MAX_HOPS} times: choose another page"
        )

    def _asked(self, address: WebAddress, deadline: Deadline) -> HttpReply:
        def wants(status: int, headers: Mapping[str, str]) -> bool:
            return status == 200 and is_readable(headers.get("content-type", ""))

        request, most = Request(headers=_ACCEPT), self._max_bytes
        return exchange(address, request, deadline, self._connect, max_bytes=most, wants=wants)


def _next(address: WebAddress, reply: HttpReply) -> WebAddress:
    """Return where a redirect leads, if it is a public page."""
    location = reply.headers.get("location", "")
    if not location:
        raise ToolInputError("its server redirects to nowhere: choose another page")
    try:  # headers are read as Latin-1, and written in UTF-8
        location = location.encode("latin-1").decode("utf-8", "replace")
        return read_address(location, address)
    except ToolInputError:
        raise _led_astray() from None


def _led_astray() -> ToolInputError:
    """Return the error for a redirect; where to are words of the server, which are not repeated."""
    return ToolInputError(
        "its server redirects to an address that is none of a public page: choose another page"
    )


def _check_status(reply: HttpReply) -> None:
    """Refuse a reply that is no page.

    Raises:
        NoReply: if its server has no time for it: it may later.
        ToolInputError: for any other status but 200.
    """
    status = reply.status
    if status in _BUSY or status >= 500:
        wait = reply.seconds_to_wait
        hint = "" if wait is None else f", and asks to wait {wait} s"
        raise NoReply(f"its server is busy or down ({status}){hint}")
    if status != 200:
        raise ToolInputError(f"there is no page to read ({status}): choose another page")
