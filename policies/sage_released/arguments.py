"""Arguments as the checkpoints write them, as those of a tool of ours.

| theirs | ours |
|---|---|
| `video_path` | none: a tool has its video |
| `timestamp_start`, `timestamp_end`, HH:MM:SS | `start`, `end`, seconds |
| `query` of `perform_reasoning` | `question` |
| `media_paths`: frames | `seconds`, when each is on screen |
| `media_paths`: a clip, or the whole video | `start` and `end` |
| `media_paths`: none | none of these: the question is answered from its text |
| `website_url` | `url` |
| others that the tool does not have, such as `search_type` | none, as in the released code |

An argument that the tool has under their name goes as it is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from policies.sage_released.media import Media, read_media
from sage_env.argument_checks import is_number
from sage_env.timeline import parse_seconds

TIMES = {"timestamp_start": "start", "timestamp_end": "end"}
_NAMES = {**TIMES, "query": "question", "website_url": "url"}
_NUMBERS = ("number", "integer")


def adapted(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """Rename and convert their arguments for a tool of ours.

    Args:
        arguments: as the model wrote them.
        schema: of the tool's arguments.

    Raises:
        ValueError: if a time or a name of media cannot be read.
    """
    properties: Mapping[str, Any] = schema.get("properties", {})
    open_ended = bool(schema.get("additionalProperties"))
    found: dict[str, Any] = {}
    for key, value in arguments.items():
        ours = key if key in properties else _NAMES.get(key, key)
        if key in TIMES and properties.get(ours, {}).get("type") in _NUMBERS:
            value = seconds_of(key, value)
        if key == "media_paths" and key not in properties:
            found |= _looks(read_media(value), properties)
        elif ours in properties or (open_ended and key != "video_path"):
            found[ours] = value
    return found


def seconds_of(key: str, value: object) -> float:
    """Read a time as they write it; a number is seconds.

    Raises:
        ValueError: if it is none.
    """
    written = isinstance(value, str) or is_number(value)
    seconds = parse_seconds(str(value)) if written else None
    if seconds is None:
        raise ValueError(f"{key} must be a time HH:MM:SS, got {value!r:.40}")
    return seconds


def _looks(media: Media, properties: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments by which a tool of ours looks at media."""
    if media.stretch is None:
        return {"seconds": list(media.seconds)} if "seconds" in properties else {}
    if "start" not in properties or "end" not in properties:
        raise ValueError("media_paths must be paths of frames: this tool takes no clips")
    return dict(zip(("start", "end"), media.stretch, strict=True))
