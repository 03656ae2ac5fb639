"""The tools of the released checkpoints (arXiv 2512.13874): their calls as actions of ours.

| theirs | in the paper | ours |
|---|---|---|
| `extract_parts_from_timestamp` | extract-video-parts | `Zoom`, ten frames |
| `verbal_transcript` | transcribe-speech | `transcribe` |
| `identify_timestamps_visually` | ground-event | `ground` |
| `unified_web_search` | web-search | `search` |
| `parse_web_data` | parse-website | `read_page` |
| `perform_reasoning` | analyze | `analyze` |

What is extracted has names with times in them (`policies.sage_released.media`): the checkpoints
never see it, but hand the names on to `perform_reasoning`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from policies.sage_released.arguments import TIMES, adapted, seconds_of
from policies.sage_released.media import clip_name, frame_name
from policies.sage_released.protocol import Call
from policies.sage_released.results import printed_result
from sage_env.actions.action import Action, UseTool, Zoom
from sage_env.actions.function_name import bare_name
from sage_env.tools.tool import Tool

EXTRACT = "extract_parts_from_timestamp"
EXTRACTED_FRAMES = 10
"""Frames of one extraction, as in the released code."""


def _text(description: str, **extra: Any) -> dict[str, Any]:
    return {"type": "string", "description": description, **extra}


_PATH = _text("path of the video")
_START = _text("where to begin, HH:MM:SS")
_END = _text("where to end, HH:MM:SS")
_SPAN = {"video_path": _PATH, "timestamp_start": _START, "timestamp_end": _END}


@dataclass(frozen=True)
class ReleasedTool:
    """A tool as the checkpoints know it.

    Attributes:
        name: in their code, which their replies use.
        paper: its name in the paper.
        others: further names that such a tool has in environments.
        description: what it does.
        properties: JSON Schemas of its arguments.
        optional: arguments that may be left out.
        result: key under which its text stands in their results; `""` for `result`.
    """

    name: str
    paper: str
    others: tuple[str, ...]
    description: str
    properties: Mapping[str, Any]
    optional: tuple[str, ...] = ()
    result: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Return every name that it has, in replies or in environments."""
        return (self.name, self.paper, self.paper.replace("-", "_"), *self.others)

    def schema(self) -> dict[str, Any]:
        """Return its declaration, one line of the system prompt."""
        required = [key for key in self.properties if key not in self.optional]
        parameters = {
            "type": "object",
            "properties": dict(self.properties),
            "required": required,
        }
        return _declared(self.name, self.description, parameters)


RELEASED_TOOLS = (
    ReleasedTool(
        EXTRACT,
        "extract-video-parts",
        (),
        "Takes frames, or a clip, out of a stretch of the video and returns their paths. The "
        "stretch must be shorter than 5 minutes.",
        _SPAN | {"extract_type": _text('"frames" or "subclips"', default="frames")},
        ("extract_type",),
    ),
    ReleasedTool(
        "verbal_transcript",
        "transcribe-speech",
        ("transcribe",),
        "Writes down what is said in a stretch of the video, with times. The stretch must be "
        "shorter than 10 minutes.",
        _SPAN,
        result="transcript",
    ),
    ReleasedTool(
        "identify_timestamps_visually",
        "ground-event",
        ("ground",),
        "Finds out when an event is to be seen in a stretch of the video. The stretch must be "
        "shorter than 10 minutes, and must not be the whole video.",
        {"video_path": _PATH, "event": _text("what to look for")} | _SPAN,
    ),
    ReleasedTool(
        "unified_web_search",
        "web-search",
        ("search",),
        "Searches the web and returns titles, snippets and links.",
        {
            "query": _text("what to search for"),
            "search_type": _text('"web" or "image"', default="web"),
            "num_results": {"type": "integer", "description": "from 1 to 10", "default": 3},
        },
        ("search_type", "num_results"),
    ),
    ReleasedTool(
        "parse_web_data",
        "parse-website",
        ("read_page",),
        "Reads a page of the web and returns its text.",
        {
            "website_url": _text("address of the page"),
            "max_content_length": {"type": "integer", "default": 5000},
        },
        ("max_content_length",),
        result="content",
    ),
    ReleasedTool(
        "perform_reasoning",
        "analyze",
        (),
        "Looks at extracted frames or a clip and answers a question about them; without media it "
        "answers from text alone.",
        {
            "query": _text("the question, with all that is needed to understand it"),
            "media_paths": {"type": "array", "items": {"type": "string"}},
        },
        result="answer",
    ),
)


class Toolbox:
    """The tools that a released checkpoint can call in one environment.

    Args:
        tools: of the environment. One with a name of `RELEASED_TOOLS` is offered as that tool,
            any other one with its own declaration.
    """

    def __init__(self, tools: Sequence[Tool] = ()) -> None:
        """Pair their tools with those of the environment."""
        self._tools = {tool.name: tool for tool in tools}
        self._ours: dict[str, Tool] = {}  # by their name
        for released in RELEASED_TOOLS:
            mine = next((self._tools[n] for n in released.names if n in self._tools), None)
            if mine is not None and released.name != EXTRACT:
                self._ours[released.name] = mine

    def schemas(self) -> list[dict[str, Any]]:
        """Return the declarations of all tools that can be called."""
        served = [r.schema() for r in RELEASED_TOOLS if r.name in self._ours or r.name == EXTRACT]
        own = [tool for tool in self._tools.values() if tool not in self._ours.values()]
        return served + [_declared(t.name, t.description, t.parameters) for t in own]

    def action(self, call: Call) -> Action:
        """Return the action that a call asks for.

        Raises:
            ValueError: if there is no such tool, or its arguments are missing or wrong.
        """
        name, released = self._meant(call)
        if released is None:
            if name in self._tools:
                return UseTool(name, call.arguments)
            there = ", ".join(one["function"]["name"] for one in self.schemas())
            raise ValueError(f"there is no tool {call.name!r}: the tools are {there}")
        required = [key for key in released.properties if key not in released.optional]
        missing = [k for k in required if k != "video_path" and call.arguments.get(k) is None]
        if missing:
            raise ValueError(f"{released.name} lacks the arguments {', '.join(missing)}")
        if released.name == EXTRACT:
            return _zoom(call.arguments)
        ours = self._ours.get(released.name)
        if ours is None:
            raise ValueError(f"this environment has no tool for {released.name}")
        return UseTool(ours.name, adapted(call.arguments, ours.parameters))

    def result(self, call: Call, observation: Mapping[str, Any]) -> str:
        """Return the result of a call, in the form in which the checkpoints were shown results.

        That is a printed Python dictionary, see `policies.sage_released.results`. The prompt says
        whose words they are.
        """
        shown, message = int(observation["num_frames"]), str(observation["message"])
        _, released = self._meant(call)
        if released is not None and released.name == EXTRACT:
            if not shown:
                return message or "No frame is shown."
            seconds = observation["seconds"][:shown].tolist()
            paths = _paths(call.arguments, seconds)
            return " ".join(filter(None, [str({"media_paths": paths}), message]))
        name, key = (released.name, released.result) if released else ("", "")
        text = printed_result(name, key or "result", call.arguments, str(observation["text"]))
        return " ".join(filter(None, [text, message])) or "The tool said nothing."

    def _meant(self, call: Call) -> tuple[str, ReleasedTool | None]:
        """Return the tool's name without a namespace, and which of the released ones it is."""
        known = {name for tool in RELEASED_TOOLS for name in tool.names} | self._tools.keys()
        name = bare_name(call.name, known)
        return name, next((tool for tool in RELEASED_TOOLS if name in tool.names), None)


def _declared(name: str, description: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    function = {"name": name, "description": description, "parameters": dict(parameters)}
    return {"type": "function", "function": function}


def _paths(arguments: Mapping[str, Any], seconds: Sequence[float]) -> list[str]:
    """Return the names of what was extracted: of frames, or of one clip where that was asked."""
    if arguments.get("extract_type") != "subclips":
        return [frame_name(k, second) for k, second in enumerate(seconds)]
    start, end = (seconds_of(key, arguments[key]) for key in TIMES)
    return [clip_name(start, end)]


def _zoom(arguments: Mapping[str, Any]) -> Zoom:
    kind = arguments.get("extract_type", "frames")
    if kind not in ("frames", "subclips"):
        raise ValueError(f'extract_type must be "frames" or "subclips", got {kind!r:.40}')
    start, end = (seconds_of(key, arguments[key]) for key in TIMES)
    if not start < end:
        raise ValueError(
            f"timestamp_start must be before timestamp_end, got {arguments['timestamp_start']!r} "
            f"and {arguments['timestamp_end']!r}"
        )
    return Zoom(start, end, EXTRACTED_FRAMES)
