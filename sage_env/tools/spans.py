"""The stretch of the video that a tool is asked about, checked: the agent is told what is wrong."""

from __future__ import annotations

from sage_env.errors import ToolInputError
from sage_env.timeline import Span

_UNSAID = 0.1  # seconds beyond the end that are not told: prompts write the duration with a decimal


def video_span(
    start: float,
    end: float,
    duration: float,
    *,
    longest: float | None = None,
    whole: bool = True,
) -> Span:
    """Return the stretch `[start, end)` of a video, in seconds, cut at its end by 0.1 s at most.

    Args:
        start: as the agent asked, as is `end`.
        end: see above.
        duration: of the video.
        longest: seconds that it may have; `None` for any.
        whole: whether it may be the whole video.

    Raises:
        ToolInputError: if it is no stretch of the video, or too long.
    """
    if not 0 <= start < end:
        raise ToolInputError(f"start must be 0 or more and before end, got {start:g} and {end:g}")
    if start >= duration or end > duration + _UNSAID:
        raise ToolInputError(f"the video ends at {duration:.2f} s, got {start:g} to {end:g}")
    end = min(end, duration)
    if longest is not None and end - start > longest:
        raise ToolInputError(f"at most {longest:g} s at once, got {end - start:g} s")
    if not whole and start <= _UNSAID and end >= duration - _UNSAID:
        raise ToolInputError(f"a part of the video, not all {duration:.2f} s of it: choose one")
    return start, end
