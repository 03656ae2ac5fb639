"""Names of what a checkpoint extracts, frames and clips, and the times that they stand for.

The checkpoints never see what they extract: it has a name with its times in it, which they hand on
to `perform_reasoning`, whose model looks.

    video_frame_0_00:05:12.3.jpg            one frame, by when it is on screen
    video_clip_00:05:12.0_00:05:40.0.mp4    a clip, by where it begins and ends
    video.mp4                               the whole video
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sage_env.frames import MAX_DURATION
from sage_env.timeline import Span, parse_seconds

VIDEO = "video.mp4"
"""What the video is called in prompts: which file it is makes no difference to the question."""
WHOLE: Span = (0.0, MAX_DURATION)
"""The stretch of a whole video, whose length is not known where calls are read: to its end."""
_FRAME = re.compile(r"_([0-9:.]+)\.jpg$")
_CLIP = re.compile(r"_([0-9:.]+)_([0-9:.]+)\.mp4$")


@dataclass(frozen=True)
class Media:
    """What the names in a call stand for; nothing, where there are none.

    Attributes:
        seconds: when the frames are on screen.
        stretch: where a clip begins and ends, if the first name is one; the others do not count
            then, as in the released code.
    """

    seconds: tuple[float, ...] = ()
    stretch: Span | None = None


def timestamp(second: float, decimals: int = 0) -> str:
    """Return seconds as `HH:MM:SS`, or `HH:MM:SS.s` with decimals; rounded, not cut."""
    unit = 10**decimals
    whole, rest = divmod(round(second * unit), unit)
    tail = f".{rest:0{decimals}d}" if decimals else ""
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}{tail}"


def frame_name(index: int, second: float) -> str:
    """Return the path under which an extracted frame appears in a result."""
    return f"video_frame_{index}_{timestamp(second, 1)}.jpg"


def clip_name(start: float, end: float) -> str:
    """Return the path under which an extracted clip appears in a result; times in seconds."""
    return f"video_clip_{timestamp(start, 1)}_{timestamp(end, 1)}.mp4"


def frame_second(name: str) -> float | None:
    """Return when the frame of that name is on screen, in seconds.

    `None` for a name that `frame_name` does not make.
    """
    found = _FRAME.search(name)
    return parse_seconds(found[1]) if found else None


def clip_span(name: str) -> Span | None:
    """Return where the clip of that name begins and ends, in seconds, `WHOLE` for the video.

    `None` for a name that `clip_name` does not make, and that is not `VIDEO`, in any folder.
    """
    if name.rpartition("/")[2] == VIDEO:
        return WHOLE
    found = _CLIP.search(name)
    start, end = (parse_seconds(x) for x in found.groups()) if found else (None, None)
    return None if start is None or end is None or not start < end else (start, end)


def read_media(names: object) -> Media:
    """Return what the names of a call stand for.

    Args:
        names: `media_paths` as the model wrote it: a list, or one name.

    Raises:
        ValueError: if one of them is no such name.
    """
    listed = names if isinstance(names, list) else [names]
    if listed and isinstance(listed[0], str) and (stretch := clip_span(listed[0])):
        return Media(stretch=stretch)
    seconds = [frame_second(name) if isinstance(name, str) else None for name in listed]
    if None in seconds:
        odd = listed[seconds.index(None)]
        raise ValueError(f"media_paths must be paths that an extraction returned, got {odd!r:.80}")
    return Media(tuple(second for second in seconds if second is not None))
