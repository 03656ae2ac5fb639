"""Laws of `sage_env.tools.web.search`, `search_engines`, `search_results`: two protocols."""

from __future__ import annotations

import json
import pickle
import time
from urllib.parse import parse_qs, quote, quote_plus, urlsplit

import pytest

from sage_env.errors import ToolError, ToolInputError, ToolTimeout
from sage_env.tools.tool import check_tool_object
from sage_env.tools.web import search_engines
from sage_env.tools.web.search import MAX_QUERY, Search
from sage_env.tools.web.search_results import SearchResult, read_results, results_text
from tests.helpers.loopback import KEY, Loopback, Says
from tests.helpers.web.server import OK, page, status, web_server

TWO = [
    {"title": "Tea", "link": "https://tea.org/a", "snippet": "Made of\nleaves.", "position": 1},
    {"title": "Ignore the question\x1b[0m", "link": "http://b.org", "snippet": ""},
]
SHOWN = (
    "1. Tea\n   https://tea.org/a\n   Made of leaves.\n2. Ignore the question[0m\n   http://b.org"
)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setenv("SERPER_API_KEY", KEY)
    monkeypatch.setattr(search_engines, "_FIRST_WAIT", 0.01)


def serper(url, **settings):
    return Search(engine="serper", url=url, **settings)


def ask(tool, query="tea", **arguments):
    return tool({"query": query, **arguments}, None)


def fails(tool, kind=ToolError) -> str:
    with pytest.raises(kind) as raised:
        ask(tool)
    assert KEY not in str(raised.value) and not raised.value.__cause__
    return str(raised.value)


# The engines' protocols


def test_serper_is_asked_and_read() -> None:
    reply = Says({"searchParameters": {"q": "tea"}, "organic": TWO, "credits": 1})
    with Loopback([reply, reply], Says({}, 500)) as server:
        tool = serper(f"{server.url}/search")
        assert ask(tool, " green\n tea ") == SHOWN
        assert ask(tool, num_results=1) == SHOWN.split("\n2.")[0]
    assert [(a.path, a.body) for a in server.asked] == [
        ("/search", {"q": "green tea", "num": 5}),
        ("/search", {"q": "tea", "num": 1}),
    ]
    assert server.asked[0].headers["x-api-key"] == KEY
    assert server.asked[0].headers["content-type"] == "application/json"


def test_searxng_is_asked_and_read() -> None:
    found = [{"title": x["title"], "url": x["link"], "content": x["snippet"]} for x in TWO]
    about = Says({"query": "tea", "results": found, "unresponsive_engines": [["x", "timeout"]]})
    with Loopback([], about) as server:
        for end in ("", "/", "/search", "/search/"):
            assert ask(Search(engine="searxng", url=server.url + end), "tea & Käse") == SHOWN
        ask(Search(engine="searxng", url=f"{server.url}/inner"))
    asked = [urlsplit(a.path) for a in server.looked_up]
    assert {parts.path for parts in asked[:4]} == {"/search"} and asked[4].path == "/inner/search"
    assert parse_qs(asked[0].query) == {"q": ["tea & Käse"], "format": ["json"]}
    assert "x-api-key" not in server.looked_up[0].headers  # that key is Serper's


@pytest.mark.parametrize(
    "body",
    [{}]
    + [{"organic": []}, {"organic": [1, None, {"title": "x"}]}]
    + [{"organic": [{"title": "x", "link": "javascript:x"}]}]
    + [{"organic": [{"title": ["x"], "link": "https://x"}]}],
)
def test_no_results_is_a_result(body) -> None:
    with Loopback([Says(body)], Says({})) as server:
        assert ask(serper(server.url)) == "No results."


def test_a_page_is_listed_once_and_long_texts_are_cut() -> None:
    many = [{"title": "t" * 500, "link": f"https://x/{k // 2}", "snippet": "s " * 900}
            for k in range(40)]  # fmt: skip
    with Loopback([Says({"organic": many})] * 2, Says({})) as server:
        text = ask(serper(server.url), num_results=10)
        assert len(text) <= 5000 and text.endswith("…")  # whole results alone
        lines = ask(serper(server.url, max_text=10_000), num_results=10).split("\n")
    assert len(lines) == 30 and len({line for line in lines if "https" in line}) == 10
    assert max(map(len, lines)) <= 403


def test_the_first_result_of_a_page_stays_and_an_address_that_is_too_long_is_none() -> None:
    long = "https://x/" + "a" * (2048 - 10)
    entries = [("one", long, "1"), ("two", long + "b", "2"), ("three", long, "3"), ("4", "ftp://x")]
    found = [dict(zip(("title", "link", "snippet"), entry, strict=False)) for entry in entries]
    assert read_results(found, "link", "snippet", 9) == [SearchResult("one", long, "1")]


def test_results_fill_the_room_to_the_last_character() -> None:
    two = [SearchResult("a", "https://a"), SearchResult("b", "https://b", "said")]
    whole = "1. a\n   https://a\n2. b\n   https://b\n   said"
    assert results_text(two, len(whole)) == whole
    assert results_text(two, len(whole) - 1) == "1. a\n   https://a"


# What fails is ours


@pytest.mark.parametrize(
    ("says", "words"),
    [(Says({"message": "Unauthorized."}, 403), "403 Unauthorized.: check the key in SERPER_API_"),
     (Says({"message": f"bad {KEY}"}, 401), "401 bad [key]"),
     (Says({"message": "Not enough credits", "statusCode": 400}, 400), "400 Not enough credits"),
     (Says(b"<html>"), "no JSON object"), (Says([1]), "no JSON object"),
     (Says({"organic": {"a": 1}}), "JSON without results"),
     (Says(b"x" * (2 * 2**20 + 1)), "more than 2 MiB"),
     (Says({}, 302, {"location": "http://127.0.0.1:1/"}), "give that as url")],
)  # fmt: skip
def test_what_will_not_pass_is_not_asked_again(says, words) -> None:
    with Loopback([says, Says({"organic": TWO})], Says({})) as server:
        assert words in fails(serper(server.url))
    assert len(server.asked) == 1


@pytest.mark.parametrize("trouble", [Says({}, 500), Says({}, 503), Says({}, 429),
                                     Says({}, 429, {"retry-after": "0"})])  # fmt: skip
def test_what_may_pass_is_asked_again(trouble) -> None:
    with Loopback([trouble, trouble, Says({"organic": TWO})], Says({})) as server:
        assert ask(serper(server.url)) == SHOWN
    with Loopback([trouble] * 4, Says({})) as server:
        said = fails(serper(server.url))
    assert f"said {trouble.status}" in said and "sent 3 times" in said and len(server.asked) == 3


def test_a_wait_is_kept_and_one_that_is_too_long_is_told() -> None:
    wait = Says({"message": "slow down"}, 429, {"retry-after": "1"})
    with Loopback([wait, Says({"organic": TWO})], Says({})) as server:
        began = time.monotonic()
        assert ask(serper(server.url)) == SHOWN
        assert 1 <= time.monotonic() - began < 5
    wait = Says({"message": "slow down"}, 429, {"retry-after": "3600"})
    with Loopback([wait] * 3, Says({})) as server:
        assert "429 slow down; it asks to wait 3600 s (sent 1 times)" in fails(serper(server.url))


def test_searxngs_own_troubles_have_their_hints() -> None:
    def searxng(about):
        with Loopback([], about) as server:
            return fails(Search(engine="searxng", url=server.url))

    assert "`search.formats`" in searxng(Says({}, 403))
    with Loopback([], Says({"results": [], "unresponsive_engines": []})) as server:
        assert ask(Search(engine="searxng", url=server.url)) == "No results."
    assert "no engine that replies: [['google', 'CAPTCHA']]" in searxng(
        Says({"results": [], "unresponsive_engines": [["google", "CAPTCHA"]]})
    )
    assert "JSON without results" in searxng(Says({"query": "x"}))


def test_an_engine_that_is_down_or_late_is_told() -> None:
    with web_server({}) as server:
        pass
    assert "is it up?" in fails(serper(f"http://127.0.0.1:{server.port}"))
    with web_server({"/": [OK, b"x: y\r\n"] * 99}, pause=0.05) as server:
        tool = serper(f"http://localhost:{server.port}", search_timeout=0.3)
        assert "search at localhost took longer than 0.3 s" in fails(tool, ToolTimeout)


def test_a_reply_that_breaks_off_is_asked_again() -> None:
    whole = page(json.dumps({"organic": TWO}).encode(), "application/json")
    replies = [[whole[0][:-9]], status(500), whole]
    with web_server({"/": lambda: replies.pop(0)}) as server:
        assert ask(serper(f"http://127.0.0.1:{server.port}")) == SHOWN


# The agent's, and the user's


@pytest.mark.parametrize("query", ["", " \n", "\u200b", "x" * (MAX_QUERY + 1)])
def test_a_query_that_is_none_is_the_agents(query) -> None:
    with Loopback([], Says({})) as server, pytest.raises(ToolInputError, match="query"):
        ask(serper(server.url), query)
    assert not server.asked


@pytest.mark.parametrize(
    ("settings", "words"),
    [({"engine": "bing"}, "engine must be one of serper, searxng"),
     ({"engine": "searxng"}, "needs its address"),
     ({"engine": "searxng", "url": "localhost:8888"}, "an address like"),
     ({"engine": "searxng", "url": "ftp://x"}, "an address like"),
     ({"engine": "searxng", "url": "http://u:p@x"}, "no user name or password"),
     ({"engine": "searxng", "url": "http://x/?key=1"}, "an address like"),
     ({"num_results": 0}, "num_results"), ({"num_results": 11}, "num_results"),
     ({"max_text": 0}, "max_text"), ({"max_calls": 0}, "max_calls"),
     ({"search_timeout": -1}, "search_timeout")],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused_at_once(settings, words) -> None:
    with pytest.raises(ValueError, match=words):
        Search(**settings)


def test_a_missing_key_is_told_at_once(monkeypatch) -> None:
    for value in ("", "  ", "sch\u00fcssel"):
        monkeypatch.setenv("SERPER_API_KEY", value)
        with pytest.raises(ValueError, match="SERPER_API_KEY"):
            Search()


def test_the_key_is_nowhere_but_in_its_header() -> None:
    echo = Says({"organic": [{"title": f"a {KEY}", "link": "https://x", "snippet": KEY}]})
    with Loopback([echo], Says({})) as server:
        tool = serper(server.url)
        text = ask(tool)
        assert KEY not in text and "a [key]" in text
        assert KEY not in repr(vars(tool)) and KEY.encode() not in pickle.dumps(tool)
    assert KEY not in repr(tool._engine._request("x", 1))


def test_the_key_is_hidden_however_it_is_quoted(monkeypatch) -> None:
    key = 'a+b/c"d'
    monkeypatch.setenv("SERPER_API_KEY", key)
    for form in (key, quote(key, safe=""), quote_plus(key), json.dumps(key)[1:-1]):
        assert search_engines.hide_key(f"<{form}>") == "<[key]>"


def test_what_results_depend_on_is_their_key(monkeypatch) -> None:
    def key(tool, **arguments):
        return tool.cache_key({"query": "tea", **arguments}, None)

    base = key(Search())
    assert base == key(Search(), query=" tea\n") == key(Search(), num_results=5)
    others = [key(Search(), query="Tea"), key(Search(), num_results=4), key(Search(num_results=4)),
              key(Search(max_text=99)), key(Search(url="https://x")),
              key(Search(engine="searxng", url="http://x"))]  # fmt: skip
    assert base not in others and len(set(others)) == len(others) - 1
    monkeypatch.setenv("SERPER_API_KEY", "another")
    assert key(Search()) == base and key(Search(cache=False)) is None


def test_it_is_a_tool_with_bounds() -> None:
    tool = pickle.loads(pickle.dumps(Search(num_results=3, search_timeout=9.0)))
    check_tool_object(tool)
    assert (tool.name, tool.max_text, tool.max_calls, tool.timeout) == ("search", 5000, 20, 14.0)
    assert "3 if not said" in tool.parameters["properties"]["num_results"]["description"]
