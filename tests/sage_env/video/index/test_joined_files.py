"""Laws of `sage_env.video.index.packet_scan`, `second_header`, `renumbered_stream` and `mp4_claims`
on files joined byte by byte: no part is lost, and none is shown in place of another.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.video.deadline import Deadline
from sage_env.video.health import check_health
from sage_env.video.index.renumbered_stream import video_elsewhere
from sage_env.video.index.second_header import second_header
from sage_env.video.index.video_index import read_index
from tests.helpers.clips import SHORT_GOPS, number_in, numbered, uncached, write_clip

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov+default_base_moof"}
OPTIONS = {
    "mpeg2video": {"g": "6", "bf": "2", "qscale": "2"},
    "libx264": {"x264-params": "keyint=9:min-keyint=9:scenecut=0:bframes=3:qp=8"},
    "libvpx-vp9": {"g": "9", "cpu-used": "8", "deadline": "realtime"},
    "mpeg4": {"g": "9", "qscale": "2"},
    "flv1": {"g": "9", "qscale": "2"},
    "wmv2": {"g": "9", "qscale": "2"},
}


@cache
def part(folder, name, codec, first, frames, start=0, fragments=False, pid="0x100"):
    """Return the bytes of a clip whose pictures are numbered from `first` on."""
    path = folder / f"part-{name}"
    options = {"mpegts_start_pid": pid} if name.endswith("ts") else {}
    return write_clip(
        path,
        range(start, start + frames),
        codec=codec,
        options=OPTIONS[codec],
        container_options=FRAGMENTS if fragments else options,
        draw=lambda number, height, width: numbered(first + number, height, width),
    ).read_bytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("joined")


def numbers_by_decoding(path):
    """Return the numbers of all pictures in the order in which FFmpeg shows them."""
    with av.open(str(path)) as file:
        return [number_in(frame.to_ndarray(format="rgb24")) for frame in file.decode(video=0)]


def all_numbers(path):
    """Return the number of every frame, each read by itself, the last first."""
    with uncached(path) as video:
        assert video.absent == 0
        frames = np.arange(len(video._index.pts))
        numbers = [
            number_in(video.frames_at([float(second)]).pixels[0])
            for second in video._index.seconds(frames)[::-1]
        ]
    return numbers[::-1]


@pytest.mark.parametrize(
    ("ending", "codec"),
    [("ts", "libx264"), ("ts", "mpeg2video"), ("mpg", "mpeg2video"), ("vob", "mpeg2video")],
)
def test_two_parts_of_three_seconds_are_six_and_each_is_in_its_place(folder, ending, codec):
    path = folder / f"{codec}.{ending}"
    path.write_bytes(b"".join(part(folder, f"a.{ending}", codec, n, 75) for n in (0, 75)))
    assert all_numbers(path) == numbers_by_decoding(path) == list(range(150))
    with uncached(path) as video:
        assert video.duration == pytest.approx(6.0)
        batch = video.frames_at([5.98, 0.5, 2.98, 3.02])
        assert [number_in(picture) for picture in batch.pixels] == [12, 74, 75, 149]
        np.testing.assert_allclose(batch.seconds, [0.48, 2.96, 3.0, 5.96], atol=1e-5)
    assert read_index(path).joints == (75,) and check_health(path).sound


@settings(max_examples=8, deadline=None)
@given(
    parts=st.lists(
        st.tuples(st.sampled_from([3, 8, 20]), st.sampled_from([0, 25, 2500])),
        min_size=2,
        max_size=3,
    ),
    form=st.sampled_from([("ts", "libx264"), ("ts", "mpeg2video"), ("mpg", "mpeg2video")]),
)
def test_any_parts_are_shown_as_decoding_in_order_shows_them_or_refused(folder, parts, form):
    ending, codec = form
    path, content, first = folder / f"any.{ending}", b"", 0
    for frames, start in parts:
        content += part(folder, f"b.{ending}", codec, first, frames, start)
        first += frames
    path.write_bytes(content)
    read_index.__globals__["_remembered"].cache_clear()
    with uncached(path) as video:
        index = video._index
        for frame, second in enumerate(index.seconds(np.arange(len(index.pts))).tolist()):
            try:
                picture = video.frames_at([second]).pixels[0]
            except VideoError:  # the last before a joint may be flagged as damaged
                continue
            assert number_in(picture) == frame
        assert len(index.pts) == first
    forward = any(b > a + frames for (frames, a), (_, b) in pairwise(parts))
    assert forward or index.duration == pytest.approx(first / 25)


@pytest.mark.parametrize(
    ("ending", "codec", "says"),
    [
        ("mkv", "libx264", "a second recording begins at byte"),
        ("webm", "libvpx-vp9", "a second recording begins at byte"),
        ("flv", "flv1", "a second recording begins at byte"),
        ("avi", "mpeg4", "a second recording begins at byte"),
        ("wmv", "wmv2", "a second recording begins at byte"),
        ("mp4", "libx264", "a second movie begins at byte"),
        ("mov", "libx264", "a second movie begins at byte"),
    ],
)
def test_containers_with_a_header_are_refused_with_what_to_do(folder, ending, codec, says):
    one = part(folder, f"c.{ending}", codec, 0, 20)
    path = folder / f"alone-{ending}.{ending}"
    path.write_bytes(one)
    assert all_numbers(path) == list(range(20))
    path = folder / f"twice-{ending}.{ending}"
    for other in (one, part(folder, f"c.{ending}", codec, 20, 30)):
        path.write_bytes(one + other)
        with pytest.raises(VideoError, match=rf"{path.name}: {says} \d+.*ffmpeg -f concat"):
            uncached(path)


def test_fragments_whose_times_start_again_are_refused(folder):
    one = part(folder, "d.mp4", "libx264", 0, 20, fragments=True)
    path = folder / "again.mp4"
    again = one[one.index(b"moof") - 4 :]  # without a header of its own
    for content in (one + one, one + again):
        path.write_bytes(content)
        with pytest.raises(VideoError, match="its times start again at packet 20"):
            uncached(path)
    wider = write_clip(folder / "g.mp4", range(9), size=(64, 128), container_options=FRAGMENTS)
    path.write_bytes(one + wider.read_bytes())
    with pytest.raises(VideoError, match="a second movie begins"):
        uncached(path)


def test_a_recording_that_wraps_its_clock_goes_on(folder):
    near = int((2**33 / 90_000 - 1) * 25)
    one = part(folder, "e.ts", "libx264", 0, 50, near)
    path = folder / "wrapped.ts"
    path.write_bytes(one)
    assert all_numbers(path) == list(range(50))
    path.write_bytes(one + part(folder, "f.ts", "libx264", 50, 20))
    assert all_numbers(path) == list(range(70))
    assert uncached(path).duration == pytest.approx(2.8)


def test_video_that_goes_on_as_another_stream_is_refused(folder):
    one, two = (part(folder, f"{p}.ts", "libx264", 0, 20, 0, False, p) for p in ("0x100", "0x200"))
    path = folder / "renumbered.ts"
    for content in (one + two, one + two + one):
        path.write_bytes(content)
        assert video_elsewhere(path, "mpegts", 0x100) == 0x200
        with pytest.raises(VideoError, match="goes on as another stream, 0x200"):
            uncached(path)
    path.write_bytes(one + one)
    assert video_elsewhere(path, "mpegts", 0x100) is None
    packets = [
        (one[at : at + 188], two[at : at + 188]) for at in range(0, min(len(one), len(two)), 188)
    ]
    path.write_bytes(b"".join(b"".join(pair) for pair in packets))  # two programmes at once
    assert video_elsewhere(path, "mpegts", 0x100) is None


def test_a_header_is_found_wherever_it_lies(tmp_path, monkeypatch):
    monkeypatch.setattr("sage_env.video.index.second_header._CHUNK", 64)
    header = b"FLV\x01\x05\x00\x00\x00\x09"
    for at in (1, 50, 60, 63, 64, 127, 200, 1000):
        path = tmp_path / f"{at}.flv"
        path.write_bytes(header + b"\xff" * at + header + b"\xff" * 50)
        assert second_header(path, "flv") == len(header) + at
        assert second_header(path, "mpegts") is None
    path.write_bytes(header + b"FLV\x01" * 100)
    assert second_header(path, "flv") is None


def test_a_damaged_first_keyframe_does_not_move_the_start(tmp_path):
    path = tmp_path / "a.mp4"
    write_clip(path, range(60), options=SHORT_GOPS, container_options=FRAGMENTS)
    index, content = read_index(path), bytearray(path.read_bytes())
    at, size = int(index.packet_offset[0]), int(index.packet_size[0])
    content[at + 20 : at + size] = bytes(size - 20)
    path = tmp_path / "b.mp4"
    path.write_bytes(content)
    with uncached(path) as video:
        assert video.duration == pytest.approx(2.4)
        with pytest.raises(VideoError):
            video.frames_at([0.0])
        assert number_in(video.frames_at([2.0]).pixels[0]) == 50


def test_looking_for_a_joint_ends_in_time(tmp_path):
    path, late = tmp_path / "long.ts", Deadline(5.0, 0.0)
    path.write_bytes(b"\x47" * 188)
    with pytest.raises(DecodeTimeout, match="long.ts: looking for its streams took longer"):
        video_elsewhere(path, "mpegts", 0x100, late)
    with pytest.raises(DecodeTimeout, match="long.ts: looking for a second header took longer"):
        second_header(path, "flv", late)
