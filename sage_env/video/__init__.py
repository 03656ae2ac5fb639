"""Exact frames of video files, at any times: `open_video` and what it returns.

May not: know a question, an action or an episode.

Read in this order, the way of a frame: `index/` (which frames there are, where their bytes lie),
`decoding/` (from requested frames to pictures), `cache/` (where pictures stay), `frame_reader` (the
three as one request), `video_file` (times to frames; the public reader), `restricted_video`
(stretches of a video alone), `health` (what is wrong with a file); `deadline` (how long a request
may take), `read_turns` (threads at one video, one at a time), `opened_video` (any video, of a file
or not, and who may use it when).

PyAV is loaded when a file is opened, not when this package is imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sage_env.frames import Box, FrameBatch, Tolerance, Video
from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from sage_env.video.health import VIDEO_SUFFIXES, VideoHealth, check_health
    from sage_env.video.video_file import PyAVVideo, ReadStats, open_video

__all__ = [
    "Box",
    "FrameBatch",
    "PyAVVideo",
    "ReadStats",
    "Tolerance",
    "VIDEO_SUFFIXES",
    "Video",
    "VideoHealth",
    "check_health",
    "open_video",
]

__getattr__, __dir__ = lazy_exports(
    __name__,
    {
        "PyAVVideo": "sage_env.video.video_file",
        "ReadStats": "sage_env.video.video_file",
        "open_video": "sage_env.video.video_file",
        "VIDEO_SUFFIXES": "sage_env.video.health",
        "VideoHealth": "sage_env.video.health",
        "check_health": "sage_env.video.health",
    },
)
