"""Laws of `sage_env.video.video_file`: time 0 is where the first of picture and sound begins.

FFmpeg names it `start_time`.
"""

from __future__ import annotations

import struct
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sage_env.testing import check_video
from sage_env.video.health import check_health
from sage_env.video.index.edit_list import wait_of
from sage_env.video.index.mp4_boxes import UnsupportedLayout
from sage_env.video.index.mp4_direct import open_directly
from sage_env.video.index.presentation_order import lead_of
from tests.helpers.clips import number_in, numbered, uncached
from tests.helpers.video.as_shown import box_at

RATE = 48_000
FRAMES = 12


def clip(
    path: Path,
    picture_at: float,
    sound_at: float | None,
    *,
    codecs: tuple[str, str] = ("libx264", "aac"),
    flags: dict[str, str] | None = None,
    more_sound_at: tuple[float, ...] = (),
    rotation: int = 0,
) -> Path:
    """Write 12 frames and two seconds of silence that begin at some seconds of one clock."""
    with av.open(str(path), "w", options=flags or {}) as container:
        picture = container.add_stream(codecs[0], rate=25)
        picture.height, picture.width, picture.pix_fmt = 64, 96, "yuv420p"
        if rotation:
            picture.set_display_rotation(rotation)
        starts = [] if sound_at is None else [sound_at, *more_sound_at]
        voices = [container.add_stream(codecs[1], rate=RATE, layout="mono") for _ in starts]
        for sound, start in zip(voices, starts, strict=True):
            kind = np.float32 if "flt" in sound.format.name else np.int16
            for piece in range(94):
                frame = av.AudioFrame.from_ndarray(
                    np.zeros((1, 1024), kind), format=sound.format.name, layout="mono"
                )
                frame.sample_rate, frame.time_base = RATE, Fraction(1, RATE)
                frame.pts = round(start * RATE) + 1024 * piece
                container.mux(sound.encode(frame))
            container.mux(sound.encode())
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(numbered(number, 64, 96), format="rgb24")
            frame.pts, frame.time_base = number + round(25 * picture_at), Fraction(1, 25)
            container.mux(picture.encode(frame))
        container.mux(picture.encode())
    return path


def first_by_ffmpeg(path: Path) -> float:
    """Return the seconds from `start_time` to the first frame."""
    with av.open(str(path)) as container:
        (stream,) = container.streams.video
        start = container.start_time or 0
        return next(container.decode(stream)).time - start / av.time_base


FRAGMENTS = {"movflags": "+frag_keyframe+empty_moov+delay_moov"}
CONTAINERS = {
    "mp4": ("a.mp4", ("libx264", "aac"), None),
    "mov": ("a.mov", ("libx264", "aac"), None),
    "fragments": ("a.mp4", ("libx264", "aac"), FRAGMENTS),
    "demuxed": ("a.mov", ("mpeg4", "aac"), None),
    "mkv": ("a.mkv", ("libx264", "aac"), None),
    "webm": ("a.webm", ("libvpx-vp9", "libopus"), None),
    "ts": ("a.ts", ("libx264", "aac"), None),
    "mpg": ("a.mpg", ("mpeg2video", "mp2"), None),
    "flv": ("a.flv", ("libx264", "aac"), None),
}


@pytest.mark.parametrize("name", CONTAINERS)
@pytest.mark.parametrize("starts", [(0, None), (3, None), (3, 0), (0, 3), (0.4, 0.2), (0, 0)])
def test_time_0_is_the_first_of_picture_and_sound_in_every_container(tmp_path, name, starts):
    file, codecs, flags = CONTAINERS[name]
    path = clip(tmp_path / file, *starts, codecs=codecs, flags=flags)
    lead = first_by_ffmpeg(path)
    assert abs(lead - max(0, starts[0] - (starts[0] if starts[1] is None else starts[1]))) < 0.1
    with uncached(path) as video:
        batch = video.frames_at([0.0, lead + 0.001, lead + 0.2001, 9.0])
        shown = [number_in(picture) for picture in batch.pixels]
        assert shown == [0, 0, 5, 11]
        np.testing.assert_allclose(batch.seconds, lead + np.array([0, 0, 0.2, 0.44]), atol=2e-5)
        assert abs(video.duration - lead - FRAMES / 25) < 0.05 and abs(video.fps - 25) < 3
        if starts[1] is None:
            assert batch.seconds[0] == 0.0


def test_a_plain_file_with_sound_is_opened_from_its_tables_alone(tmp_path):
    path = clip(tmp_path / "a.mp4", 0.5, 0.75, more_sound_at=(0.25, 1.0))
    assert open_directly(path) is not None and 0.2 < first_by_ffmpeg(path) < 0.3
    with uncached(path) as video:
        assert abs(video._index.lead - first_by_ffmpeg(path)) < 1e-6


@pytest.mark.parametrize("ending", ["mp4", "mkv"])
def test_a_turned_file_begins_with_its_sound_too(tmp_path, ending):
    path = clip(tmp_path / f"a.{ending}", 0.5, 0.75, more_sound_at=(0.25, 1.0), rotation=90)
    assert open_directly(path) is None
    with uncached(path) as video:
        assert video.size == (96, 64)
        assert 0.2 < video._index.lead < 0.3
        assert abs(video._index.lead - first_by_ffmpeg(path)) < 1e-6


def test_a_track_of_sound_without_samples_does_not_begin(tmp_path):
    path = clip(tmp_path / "a.mp4", 3, 0)
    data = bytearray(path.read_bytes())
    at = box_at(data, b"stsz", 1)
    assert struct.unpack_from(">I", data, at + 8) != (FRAMES,)  # that of the sound
    data[at + 8 : at + 12] = bytes(4)
    path.write_bytes(data)
    assert open_directly(path) is not None
    with uncached(path) as video:
        assert video.frames_at([0.0]).seconds.tolist() == [0.0]


def test_a_video_that_begins_late_is_a_lawful_video(tmp_path):
    path = clip(tmp_path / "a.mkv", 1, 0)
    check_video(uncached, path)
    health = check_health(path)
    assert health.sound and abs(health.fps - 25) < 0.5 and abs(health.duration - 1.48) < 0.01
    assert health.longest_gap <= 0.49 and health.keyframe_seconds <= 0.49


@pytest.mark.parametrize(
    ("first", "others", "lead"),
    [
        (Fraction(3), None, 0),
        (Fraction(3), Fraction(1), 2),
        (Fraction(3), Fraction(3), 0),
        (Fraction(3), Fraction(4), 0),
        (Fraction(3), Fraction(-1), 3),
        (Fraction(-2), Fraction(-3), 0),
        (Fraction(0), Fraction(-7, 1000), 0),
        (Fraction(3600), Fraction(0), 3600),
        (Fraction(3601), Fraction(0), 0),
        (Fraction(95443), Fraction(0), 0),
    ],
)
def test_the_lead_of_the_sound_by_hand(first, others, lead):
    assert lead_of(first, others) == lead


def _edits(version: int, *rows: tuple[int, int]) -> memoryview:
    form = ">QqI" if version else ">IiI"
    body = b"".join(struct.pack(form, length, start, 1 << 16) for length, start in rows)
    return memoryview(struct.pack(">B3xI", version, len(rows)) + body)


@pytest.mark.parametrize("version", [0, 1])
def test_the_wait_of_an_edit_list_by_hand(version):
    assert wait_of([]) == 0
    assert wait_of([_edits(version)]) == 0
    assert wait_of([_edits(version, (900, 40))]) == 0
    assert wait_of([_edits(version, (300, -1))]) == 300
    assert wait_of([_edits(version, (300, -1), (900, 40), (50, -1))]) == 300
    assert wait_of([_edits(version, (900, 40), (300, -1))]) == 0
    with pytest.raises(UnsupportedLayout):
        wait_of([_edits(version, (300, -1), (200, -1))])
