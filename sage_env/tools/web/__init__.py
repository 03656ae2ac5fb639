"""Tools that go to the web, `search` and `read_page`: an environment has them only if told so.

    tools=["search?engine=searxng&url=http://localhost:8888", "read_page"]

An agent names pages of the public web alone: no address of this machine, of its network or of a
provider's inside, whatever it is spelled like, and wherever a page leads on to. The address of a
search engine is the user's setting, and may be anywhere.

What is the agent's (an address that is refused, a page that is not there) is a `ToolInputError`, so
that it is told and may choose another page. What is ours (the engine is down, its key is wrong) is
a `ToolError`, an engine that takes too long a `ToolTimeout`. A page's server that is down is
nobody's mistake: a text says so.

May not: go where `web_address` does not let it, use a proxy of the environment, keep a cookie, run
what a page holds, show a key, or take what was read for anything but text.

Read in this order: `web_address` (which addresses are public), `bounded_http` (one request, bounded
in time and bytes), `connections` (looked up once, and connected to that), `tidy_text` (nothing
unseen), `page_text` (characters and main text of a page), `read_page` (the tool), `search_results`
(results in words), `search_engines` (Serper and SearXNG), `search` (the tool).
"""

from sage_env.tools.web.read_page import ReadPage
from sage_env.tools.web.search import Search

__all__ = ["ReadPage", "Search"]
