"""Laws of `sage_env.video.index.stream`: containers that do not hold the times of reordered frames.

Where frames are not reordered, or their times are there, the same containers are played.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sage_env.errors import VideoError
from sage_env.video.video_file import open_video
from tests.helpers.clips import uncached, write_clip
from tests.helpers.video.as_shown import shown_by_ffmpeg
from tests.helpers.video.two_gops import drawn

FRAMES = 16


def clip(path: Path, codec: str, b_frames: int) -> Path:
    """Write 16 frames with so many reordered ones between two others."""
    options = {"g": "8", "bf": str(b_frames)}
    return write_clip(path, range(FRAMES), codec=codec, options=options, draw=drawn)


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.avi", "libx264"),
        ("a.avi", "mpeg2video"),
        ("a.wmv", "libx264"),
        ("a.wmv", "mpeg2video"),
        ("a.mxf", "libx264"),
    ],
)
def test_reordered_frames_without_times_are_refused(tmp_path, name, codec):
    with pytest.raises(VideoError, match="does not hold the times of reordered frames"):
        open_video(clip(tmp_path / name, codec, 2))


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"),
    [("a.avi", "mpeg4", 2), ("a.wmv", "mpeg4", 2), ("a.mxf", "mpeg2video", 2)]
    + [("a.avi", "libx264", 0), ("a.mxf", "libx264", 0)]
    + [("a.wmv", "wmv2", 0), ("a.mxf", "mpeg2video", 0)],
)
def test_frames_whose_times_are_there_are_shown_in_order(tmp_path, name, codec, b_frames):
    path = clip(tmp_path / name, codec, b_frames)
    wanted = [picture for _, picture in shown_by_ffmpeg(path)]
    with uncached(path) as video:
        times = video._index.seconds(np.arange(FRAMES)).tolist()
        for number in range(FRAMES):
            (picture,) = video.frames_at([times[number]]).pixels
            np.testing.assert_array_equal(picture, wanted[number])
