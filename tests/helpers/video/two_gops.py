"""Clips of two GOPs in colours that tell every orientation, and their comparison with FFmpeg."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.helpers.clips import four_colours, numbered, uncached, write_clip
from tests.helpers.video.as_shown import shown_by_ffmpeg

FRAMES = 8
TWO_GOPS = {"x264-params": "keyint=4:min-keyint=4:scenecut=0:bframes=1"}
HEVC = {"x265-params": "keyint=4:min-keyint=4:scenecut=0:bframes=1:log-level=none:pools=none"}
OPTIONS = {
    "libx264": TWO_GOPS,
    "libx265": HEVC,
    "libvpx-vp9": {"cpu-used": "8"},
    "mjpeg": {"strict": "unofficial"},
}


def clip(path: Path, codec: str = "libx264", **more) -> Path:
    """Write 8 frames in two GOPs, each a number in colours."""
    options = OPTIONS.get(codec, {})
    return write_clip(path, range(FRAMES), codec=codec, options=options, draw=drawn, **more)


def drawn(number: int, height: int, width: int) -> np.ndarray:
    """Draw a number over four colours, uint8 `(H, W, 3)`."""
    return four_colours(0, height, width) // 2 + numbered(number + 4097, height, width) // 3


def assert_as_ffmpeg(path: Path) -> tuple[int, int]:
    """Compare all frames, forwards and backwards, with FFmpeg's; return `(H, W)`."""
    wanted = [picture for _, picture in shown_by_ffmpeg(path)]
    with uncached(path) as video:
        times = video._index.seconds(np.arange(len(wanted))).tolist()
        np.testing.assert_array_equal(video.frames_at(times).pixels, wanted)
        for number in (len(wanted) - 1, len(wanted) // 2, 1):
            (picture,) = video.frames_at([times[number]]).pixels
            np.testing.assert_array_equal(picture, wanted[number])
        assert video.size == wanted[0].shape[:2]
        return video.size
