"""Tool calls in SAGE's released traces as actions of ours.

| theirs | in the paper | ours |
|---|---|---|
| `extract_parts_from_timestamp` | extract-video-parts | `Zoom`, ten frames |
| `verbal_transcript` | transcribe-speech | the tool `transcribe` |
| `identify_timestamps_visually` | ground-event | the tool `ground` |
| `unified_web_search` | web-search | the tool `search` |
| `parse_web_data` | parse-website | the tool `read_page` |
| `perform_reasoning` | analyze | the tool `analyze` |

Times are `MM:SS` or `HH:MM:SS` there, and seconds here; a time that cannot be read stays a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.sage_released.media import frame_second
from policies.sage_released.tools import EXTRACT, EXTRACTED_FRAMES
from sage_env.actions.action import Action, Invalid, UseTool, Zoom
from sage_env.timeline import parse_seconds

TOOLS = {
    "verbal_transcript": "transcribe",
    "identify_timestamps_visually": "ground",
    "unified_web_search": "search",
    "parse_web_data": "read_page",
    "perform_reasoning": "analyze",
}
"""Our tool for each of theirs."""
_TIMES = {"timestamp_start": "start", "timestamp_end": "end"}


def bare_tool(name: str) -> str:
    """Return the name of a tool without the number of its call, `verbal_transcript_#2`."""
    return name.partition("_#")[0]


def action_of_call(name: str, arguments: Any) -> Action | Invalid:
    """Return what a call asks for; `Invalid` for one that no action of ours can say.

    Args:
        name: of their tool, with or without the number of the call.
        arguments: as the model wrote them.
    """
    tool = bare_tool(name)
    told = f"{tool}({arguments})"
    if not isinstance(arguments, Mapping):
        return Invalid(told, "the arguments are no object")
    adapted = _adapted(arguments)
    try:
        if tool == EXTRACT:
            return Zoom(adapted.get("start"), adapted.get("end"), EXTRACTED_FRAMES)  # type: ignore[arg-type]
        return UseTool(TOOLS.get(tool, tool), adapted)
    except (TypeError, ValueError) as error:
        return Invalid(told, str(error))


def _adapted(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return arguments with our names and seconds, without the video: ours is known."""
    adapted: dict[str, Any] = {}
    for key, value in arguments.items():
        if key == "video_path":
            continue
        if key in _TIMES:
            adapted[_TIMES[key]] = _seconds(value)
        elif key == "media_paths" and (seconds := _frames(value)) is not None:
            adapted["seconds"] = seconds
        else:
            adapted[key] = value
    return adapted


def _seconds(value: Any) -> Any:
    seconds = parse_seconds(value) if isinstance(value, str) else value
    return value if seconds is None else seconds


def _frames(paths: Any) -> list[float] | None:
    """Return when extracted frames are on screen; `None` where a path does not say."""
    listed = paths if isinstance(paths, list) else [paths]
    seconds = [frame_second(path) if isinstance(path, str) else None for path in listed]
    known = [second for second in seconds if second is not None]
    return known if len(known) == len(listed) else None
