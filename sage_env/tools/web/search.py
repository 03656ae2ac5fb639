"""The tool `search`: titles, addresses and snippets of pages of the web."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sage_env.argument_checks import is_number, whole_number
from sage_env.errors import ToolInputError
from sage_env.tools.reply_cache import reply_key
from sage_env.tools.tool import ToolContext
from sage_env.tools.web.bounded_http import Deadline
from sage_env.tools.web.search_engines import find_engine, hide_key
from sage_env.tools.web.search_results import results_text
from sage_env.tools.web.tidy_text import one_line

MAX_QUERY = 400
"""Most characters of a query. A choice: engines cut longer ones."""
MOST_RESULTS = 10
_VERSION = 1  # of the text of results: those that were kept before are not taken any more


class Search:
    """Returns what a search engine finds: number, title, address and snippet of each page.

    Args:
        engine: `serper`, whose key is read from `SERPER_API_KEY`, or `searxng`.
        url: of a SearXNG server, which may be on this machine: it is the user's setting, and no
            agent can change it.
        num_results: unless the agent asks for another number.
        max_text: most characters that the agent reads.
        max_calls: of an episode.
        search_timeout: seconds for a search, further attempts included.
        cache: whether results are kept, and not asked for again (`reply_cache`).

    Attributes:
        timeout: seconds that one call takes at most.

    Raises:
        ValueError: if there is no such engine, it lacks its address or its key, or a setting is out
            of its range.
    """

    name = "search"
    description = (
        "Searches the web and returns titles, addresses and snippets of pages. It knows nothing of "
        "the video."
    )

    def __init__(
        self,
        *,
        engine: str = "serper",
        url: str = "",
        num_results: int = 5,
        max_text: int = 5_000,
        max_calls: int = 20,
        search_timeout: float = 30.0,
        cache: bool = True,
    ) -> None:
        """Ask nothing."""
        self._engine = find_engine(engine, url)
        self._num_results = whole_number("num_results", num_results, 1, MOST_RESULTS)
        self.max_text = whole_number("max_text", max_text, 1)
        self.max_calls = whole_number("max_calls", max_calls, 1)
        if not is_number(search_timeout) or not 0 < search_timeout <= 600:
            raise ValueError(f"search_timeout must be seconds in (0, 600], got {search_timeout!r}")
        self._search_timeout = float(search_timeout)
        self.timeout = self._search_timeout + 5.0
        self._cache = cache

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Return the schema of the arguments."""
        return {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "what to search for"},
                "num_results": {
                    "type": "integer",
                    "minimum": 1,
                    "maximum": MOST_RESULTS,
                    "description": f"how many at most, {self._num_results} if not said",
                },
            },
            "required": ["query"],
        }

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return the results in words, see `search_results`.

        Raises:
            ToolInputError: if the query is empty or too long.
            ToolError: if the engine gives none, see `SearchEngine.results`.
            ToolTimeout: if it is late.
        """
        query, most = self._asked(arguments)
        if not query or len(query) > MAX_QUERY:
            raise ToolInputError(f"query must have 1 to {MAX_QUERY} characters")
        deadline = Deadline(self._search_timeout, f"the search at {self._engine.address.host}")
        return hide_key(results_text(self._engine.results(query, most, deadline), self.max_text))

    def cache_key(self, arguments: dict[str, Any], context: ToolContext) -> str | None:
        """Return what the results depend on; `None` where they are not kept."""
        if not self._cache:
            return None
        at = self._engine
        return reply_key(_VERSION, at.kind, at.address.url, self.max_text, *self._asked(arguments))

    def _asked(self, arguments: Mapping[str, Any]) -> tuple[str, int]:
        """Return the query in one line, and how many results are wanted."""
        query = one_line(arguments["query"], MAX_QUERY + 1)
        return query, int(arguments.get("num_results", self._num_results))
