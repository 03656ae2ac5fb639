"""Laws of `sage_env.video.decoding.packet_decoder`: a file that calls every frame a keyframe.

Writers of fragments that leave out the flags do so, and MP4 without `stss` means it (ISO/IEC
14496-12, 8.6.2).
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from tests.helpers.clips import uncached, write_clip
from tests.helpers.video.as_shown import shown_by_ffmpeg

FRAMES = 24


def all_keys(path: Path, codec: str, b_frames: int) -> Path:
    """Write 24 frames, one in eight a keyframe, and call them all one."""
    source = path.with_name(f"source{path.suffix}")
    write_clip(source, range(FRAMES), codec=codec, options={"g": "8", "bf": str(b_frames)})
    with av.open(str(source)) as old, av.open(str(path), "w") as new:
        copy = new.add_stream_from_template(old.streams.video[0])
        for packet in old.demux(old.streams.video[0]):
            if packet.size:
                packet.is_keyframe, packet.stream = True, copy
                new.mux(packet)
    return path


@pytest.mark.parametrize(
    ("name", "codec", "b_frames"),
    [
        ("a.mp4", "mpeg4", 0),
        ("a.mov", "mpeg4", 2),
        ("a.mkv", "mpeg2video", 2),
        ("a.mkv", "msmpeg4v3", 0),
        ("a.avi", "msmpeg4v3", 0),
        ("a.nut", "ffv1", 0),
        ("a.mp4", "libx264", 2),
        ("a.mkv", "libvpx-vp9", 0),
    ],
)
def test_each_frame_is_whole_wherever_reading_begins(tmp_path, name, codec, b_frames):
    path = all_keys(tmp_path / name, codec, b_frames)
    wanted = [picture for _, picture in shown_by_ffmpeg(path)]
    for number in (0, 1, 2, 3, 5, 9, 15, 23):
        with uncached(path) as video:
            times = video._index.seconds(np.array([number]))
            np.testing.assert_array_equal(video.frames_at(times.tolist()).pixels[0], wanted[number])
    with uncached(path) as video:
        times = video._index.seconds(np.arange(FRAMES)).tolist()
        np.testing.assert_array_equal(video.frames_at(times).pixels, wanted)
        (picture,) = video.frames_at(times[13:14]).pixels
        np.testing.assert_array_equal(picture, wanted[13])
