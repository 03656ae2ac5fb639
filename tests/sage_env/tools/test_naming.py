"""Laws of `sage_env.tools.naming`, `sage_env.deadlines.plug_in_settings`: tools by name."""

from __future__ import annotations

import pickle
from copy import copy, deepcopy
from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.deadlines import OwnProcess
from sage_env.deadlines.plug_in_settings import split_settings, written_settings
from sage_env.tools import naming
from sage_env.tools.naming import NAMED, find_tools
from tests.helpers.tools_to_try import Echo

HANGING = "tests.helpers.plug_ins.hanging:Hanging"


class Typed:
    def __init__(
        self,
        size: int = 3,
        share: float = 0.5,
        name: str = "x",
        on: bool = False,
        folder: Path | None = None,
        kind: Literal["a", "b", 3] = "a",
        words: tuple[str, ...] = (),
        sizes: tuple[int, ...] = (),
        odd: dict[str, int] | None = None,
    ) -> None:
        pass


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("size=7&share=1e-2", {"size": 7, "share": 0.01}),
        ("name=a=b%26c?d", {"name": "a=b&c?d"}),
        ("on=yes&on2=1", "no setting 'on2': they are size, share, name, on, folder, kind, words"),
        ("on=true", {"on": True}),
        *[(f"on={word}", {"on": True}) for word in ("TRUE", "yes", "1")],
        *[(f"on={word}", {"on": False}) for word in ("false", "No", "0")],
        ("folder=/tmp/x", {"folder": Path("/tmp/x")}),
        ("folder=none", {"folder": None}),
        ("kind=b", {"kind": "b"}),
        ("kind=3", {"kind": 3}),
        ("words=a,b&sizes=1,2", {"words": ("a", "b"), "sizes": (1, 2)}),
        ("words=", {"words": ()}),
        ("size=7.5", "the setting 'size' must be int, got '7.5'"),
        ("on=maybe", "'on' must be bool, got 'maybe'"),
        ("kind=c", "'kind' must be one of a, b, 3, got 'c'"),
        ("sizes=1,x", "'sizes' must be int, got 'x'"),
        ("odd=1", "cannot be written as text"),
        ("size", "a setting of t must be KEY=VALUE, got 'size'"),
        ("=1", "must be KEY=VALUE, got ''"),
        ("size=1&size=2", "t has the setting 'size' twice"),
    ],
)
def test_settings_are_read_by_their_types(written, read) -> None:
    if isinstance(read, dict):
        assert written_settings(Typed, split_settings(f"t?{written}")[1]) == read
    else:
        with pytest.raises(ValueError, match=".*".join(read.split("...")).replace("?", "[?]")):
            written_settings(Typed, split_settings(f"t?{written}")[1])


@given(st.dictionaries(st.sampled_from("abcd"), st.text(max_size=9), max_size=3))
def test_any_text_can_be_a_setting(settings) -> None:
    from urllib.parse import quote

    written = "&".join(f"{key}={quote(value)}" for key, value in settings.items())
    assert split_settings(f"a.b:C?{written}") == ("a.b:C", settings)


def test_a_tool_by_name_has_its_settings_in_a_process_of_its_own() -> None:
    (tool,) = find_tools([f"{HANGING}?timeout=7.5&most=2&word=w"]).values()
    assert isinstance(tool, OwnProcess) and tool.written == f"{HANGING}?timeout=7.5&most=2&word=w"
    assert (tool.name, tool.timeout, tool.max_calls, tool.max_text) == ("hanging", 7.5, 2, None)
    assert tool({"how": "?"}, None).startswith("w? in ")
    for again in (copy(tool), deepcopy(tool), pickle.loads(pickle.dumps(tool))):
        assert again.written == tool.written and again._attributes == tool._attributes
        assert again._idle == []
    tool.close()


def test_tools_of_ours_are_asked_once_what_they_are(monkeypatch) -> None:
    monkeypatch.setitem(naming.NAMED, "hang", HANGING)  # type: ignore[arg-type]
    first, second = (find_tools(["hang?most=3"])["hanging"] for _ in range(2))
    assert first is not second and first.max_calls == second.max_calls == 3
    assert first._idle == second._idle == [], "no process is kept for it"


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (["echo"], f"no tool has the name 'echo': there are {', '.join(NAMED)}, hang; or pass"),
        (["hang?x=1"], "^the tool 'hang' cannot be had: no setting 'x': they are timeout, most"),
        (["search"], "^the tool 'search' cannot be had: engine=serper needs a key: set the env"),
        (["hang?most=0"], "max_calls of the tool 'hanging' must be a whole number from 1 on"),
        (["hang?timeout=-1"], "timeout of the tool 'hanging' must be seconds above 0 or None"),
        ([f"{HANGING}?most=x"], "'most' must be int, got 'x'"),
        (["hang", "hang?most=2"], "two tools have the name 'hanging'"),
        (["hang?most"], "a setting of hang must be KEY=VALUE"),
        (["operator:add?x=1"], "operator:add is no class, and takes no settings"),
        (["no.such:Tool"], "needs a module no.such that is not there"),
    ],
)
def test_what_is_no_tool_is_told_in_one_sentence(tools, words, monkeypatch) -> None:
    monkeypatch.setitem(naming.NAMED, "hang", HANGING)  # type: ignore[arg-type]
    monkeypatch.delenv("SERPER_API_KEY", raising=False)
    with pytest.raises(ValueError, match=words) as caught:
        find_tools(tools)
    assert "\n" not in str(caught.value)


def test_settings_are_for_classes_by_name() -> None:
    with pytest.raises(ValueError, match="settings are for a class by its name"):
        OwnProcess(Echo(), {"x": "1"})
    own = OwnProcess("a.b:C", {"base_url": "http://u:secret@h", "x": "1"})
    assert repr(own) == "OwnProcess('a.b:C?base_url=…&x=…')", "messages and logs hold it"
    assert OwnProcess(Echo()).written is None and list(find_tools([Echo()])) == ["echo"]
