"""Laws of `algos.data_pipeline.checking.confined_tools`: no call reaches out of the stretches."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.data_pipeline.checking import confined_tools as module
from algos.data_pipeline.checking.confined_tools import ConfinedTool, confined_tools
from sage_env.errors import ToolInputError
from sage_env.openers import restricted_path
from sage_env.tools.tool import ToolContext

SPANS = ((10.0, 20.0), (30.5, 40.0))
CONTEXT = ToolContext(
    question="q",
    choices=(),
    path=restricted_path(Path("v.mp4"), SPANS),
    video=SimpleNamespace(),
    duration=60.0,
    cursor=0.0,
    history=SimpleNamespace(),
    subtitles=Path("v.srt"),
)


class Asked:
    """A tool that notes what it is asked."""

    name, description, max_calls = "asked", "notes", 3

    def __init__(self, *properties: str) -> None:
        self.parameters = {"type": "object", "properties": dict.fromkeys(properties, {})}
        self.calls: list[tuple[dict[str, Any], ToolContext]] = []

    def __call__(self, arguments, context):
        self.calls.append((arguments, context))
        return "told"


times = st.none() | st.floats(-5, 70) | st.sampled_from([10.0, 20.0, 30.5, 40.0, "12", True])


@given(times, times)
def test_a_call_goes_through_just_when_it_stays_in_one_stretch(start, end) -> None:
    asked = Asked("start", "end")
    given = {"start": start, "end": end}
    numbers = all(isinstance(t, float) for t in (start, end))
    inside = numbers and any(a <= start <= end <= b for a, b in SPANS)
    if inside:
        assert ConfinedTool(asked)(given, CONTEXT) == "told"
        ((_, context),) = asked.calls
        assert context.path == Path("v.mp4") and context.subtitles == Path("v.srt")
    else:
        with pytest.raises(ToolInputError, match="10.0 to 20.0 s, 30.5 to 40.0 s"):
            ConfinedTool(asked)(given, CONTEXT)
        assert not asked.calls


def test_a_tool_without_times_gets_no_path_of_the_file_and_no_subtitles() -> None:
    for properties in [("query",), ("start",), ("frames",)]:
        asked = Asked(*properties)
        assert ConfinedTool(asked)({"start": 12.0}, CONTEXT) == "told"
        ((_, context),) = asked.calls
        assert context.path == CONTEXT.path and context.subtitles is None
    asked = Asked("start", "end", "frames")
    with pytest.raises(ToolInputError):
        ConfinedTool(asked)({"frames": [1.0]}, CONTEXT)


def test_the_limits_of_the_tool_stay() -> None:
    asked = Asked("start", "end")
    confined = ConfinedTool(asked)
    assert (confined.name, confined.max_calls) == ("asked", 3)
    assert not hasattr(confined, "timeout")
    asked.timeout, asked.max_text = 7.0, 90
    confined = ConfinedTool(asked)
    assert (confined.timeout, confined.max_text) == (7.0, 90)


def test_the_processes_of_the_tools_end_with_the_block(monkeypatch) -> None:
    tools = {"asked": Asked("query")}
    ended = []
    monkeypatch.setattr(module, "find_tools", lambda names: tools)
    monkeypatch.setattr(module, "end_idle", lambda some: ended.extend(some))
    with pytest.raises(KeyError), confined_tools(["asked"]) as (confined,):
        assert confined.tool is tools["asked"] and not ended
        raise KeyError
    assert ended == [tools["asked"]]
