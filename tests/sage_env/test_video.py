"""Frames are exact: the right picture, with its true time, whatever was asked before."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.errors import VideoError
from sage_env.frame_cache import FrameCache
from sage_env.video import PyAVVideo, open_video
from tests.sage_env.clips import (
    ONE_GOP,
    OPEN_GOPS,
    REFRESHED,
    SHORT_GOPS,
    Picture,
    cut_at_key,
    decoded,
    number_in,
    numbered,
    write_clip,
    write_tone,
)

NUM_FRAMES = 120
REAL_CLIPS = Path(__file__).parents[3] / "shared" / "videos"
IRREGULAR = np.cumsum(np.random.default_rng(1).integers(1, 400, NUM_FRAMES)).tolist()  # ms

# name: (file, ticks, time base in seconds, codec, options)
CLIPS = {
    "one-gop": ("a.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", ONE_GOP),
    "short-gops": ("b.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", SHORT_GOPS),
    "open-gops": ("c.mp4", range(NUM_FRAMES), Fraction(1, 25), "libx264", OPEN_GOPS),
    "ntsc": ("d.mp4", range(NUM_FRAMES), Fraction(1001, 30000), "libx264", SHORT_GOPS),
    "two-a-second": ("e.mp4", range(NUM_FRAMES), Fraction(1, 2), "libx264", ONE_GOP),
    "irregular-mp4": ("f.mp4", IRREGULAR, Fraction(1, 1000), "libx264", SHORT_GOPS),
    "irregular-mkv": ("g.mkv", IRREGULAR, Fraction(1, 1000), "libx264", ONE_GOP),
    "transport-stream": ("h.ts", range(NUM_FRAMES), Fraction(1, 25), "libx264", SHORT_GOPS),
    "program-stream": ("i.mpg", range(NUM_FRAMES), Fraction(1, 25), "mpeg2video", {"bf": "2"}),
    "intra-refresh": ("j.mkv", range(NUM_FRAMES), Fraction(1, 25), "libx264", REFRESHED),
    "vp9": ("k.webm", range(40), Fraction(1, 25), "libvpx-vp9", {"g": "15", "cpu-used": "8"}),
    "all-keys": ("l.avi", range(40), Fraction(1, 25), "mpeg4", {"g": "1"}),
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory):
    """Return the file of a clip by its name in CLIPS; each is written once."""
    folder = tmp_path_factory.mktemp("clips")

    def get(name: str) -> Path:
        file, ticks, time_base, codec, options = CLIPS[name]
        path = folder / file
        if not path.exists():
            write_clip(path, ticks, time_base=time_base, codec=codec, options=options)
        return path

    return get


def uncached(path: Path) -> PyAVVideo:
    return open_video(path, cache=FrameCache(0))


# Exact frames


@pytest.mark.parametrize("name", CLIPS)
def test_every_frame_at_its_time_is_the_sequentially_decoded_one(clip, name):
    seconds, frames = zip(*decoded(clip(name)), strict=True)
    pixels = [frame.to_ndarray(format="rgb24") for frame in frames]
    assert [number_in(picture) for picture in pixels] == list(range(len(pixels)))
    rng = np.random.default_rng(0)
    with uncached(clip(name)) as video:
        for _ in range(12):
            numbers = np.sort(rng.integers(0, len(pixels), rng.integers(1, 6)))
            batch = video.frames_at([seconds[i] for i in numbers])
            assert batch.seconds.tolist() == [seconds[i] for i in numbers]
            for picture, i in zip(batch.pixels, numbers, strict=True):
                np.testing.assert_array_equal(picture, pixels[i])


def test_presentation_times_are_the_ones_written(clip):
    with uncached(clip("irregular-mp4")) as video:
        expected = (np.array(IRREGULAR) - IRREGULAR[0]) / 1000
        batch = video.frames_at(expected.tolist(), size=(32, 48))
        np.testing.assert_allclose(batch.seconds, expected, rtol=0, atol=1e-9)
        assert [number_in(picture) for picture in batch.pixels] == list(range(NUM_FRAMES))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_any_time_shows_the_last_frame_at_or_before_it(clip, data):
    starts = (np.array(IRREGULAR) - IRREGULAR[0]) / 1000
    asked = data.draw(st.lists(st.floats(-1.0, float(starts[-1]) + 2), max_size=6))
    with open_video(clip("irregular-mkv")) as video:
        batch = video.frames_at(asked, size=(16, 24))
    expected = [max(int(np.sum(starts <= t + 1e-6)) - 1, 0) for t in sorted(asked)]
    assert [number_in(picture) for picture in batch.pixels] == expected
    np.testing.assert_allclose(batch.seconds, starts[expected], rtol=0, atol=1e-9)


def test_unsorted_and_repeated_times_come_back_sorted_one_by_one(clip):
    with uncached(clip("one-gop")) as video:
        batch = video.frames_at([3.0, 0.4, 3.01, 0.4, 1.0])
        assert [number_in(picture) for picture in batch.pixels] == [10, 10, 25, 75, 75]
        assert batch.seconds.tolist() == [0.4, 0.4, 1.0, 3.0, 3.0]
        assert video.stats.decoded <= 76


def test_times_outside_mean_the_first_and_the_last_frame(clip):
    with uncached(clip("one-gop")) as video:
        batch = video.frames_at([-5.0, video.duration, 1e300])
        assert [number_in(picture) for picture in batch.pixels] == [0, 119, 119]


def test_a_time_a_rounding_error_short_of_a_frame_means_that_frame(clip):
    with uncached(clip("ntsc")) as video:
        asked = [np.nextafter(i * 1001 / 30000, 0) for i in range(0, NUM_FRAMES, 7)]
        batch = video.frames_at(asked, size=(32, 48))
        assert [number_in(p) for p in batch.pixels] == list(range(0, NUM_FRAMES, 7))


def test_reading_on_in_a_gop_does_not_start_it_again(clip):
    with uncached(clip("one-gop")) as video:
        for second in (1.0, 2.0, 3.0, 4.0):
            assert number_in(video.frames_at([second]).pixels[0]) == second * 25
        assert video.stats.decoded <= NUM_FRAMES


@pytest.mark.parametrize(
    ("name", "duration", "fps"),
    [("one-gop", 4.8, 25.0), ("two-a-second", 60.0, 2.0), ("ntsc", 4.004, 30000 / 1001)],
)
def test_duration_and_rate_are_those_of_the_frames(clip, name, duration, fps):
    with uncached(clip(name)) as video:
        assert video.duration == pytest.approx(duration, abs=1e-6)
        assert video.fps == pytest.approx(fps, rel=1e-6)
        assert video.size == (64, 96)


def test_a_clip_cut_at_an_open_gop_starts_at_its_first_whole_frame(clip, tmp_path):
    path = cut_at_key(clip("open-gops"), tmp_path / "cut.mkv", 2)
    seconds, frames = zip(*decoded(path), strict=True)
    with uncached(path) as video:
        batch = video.frames_at(seconds)
        assert batch.seconds.tolist() == list(seconds)
        assert number_in(batch.pixels[0]) == number_in(frames[0].to_ndarray(format="rgb24")) > 20


def test_no_times_give_an_empty_batch(clip):
    with uncached(clip("one-gop")) as video:
        assert video.frames_at([]).pixels.shape == (0, 64, 96, 3)
        assert video.frames_at([], size=(10, 20)).pixels.shape == (0, 10, 20, 3)


def test_a_single_frame_is_a_video(tmp_path):
    with uncached(write_clip(tmp_path / "one.mp4", [0])) as video:
        assert 0 < video.duration < 1
        assert number_in(video.frames_at([0.0]).pixels[0]) == 0


def test_a_closed_video_opens_again_when_read(clip):
    video = uncached(clip("one-gop"))
    video.frames_at([0.0])
    video.close()
    video.close()
    assert number_in(video.frames_at([2.0]).pixels[0]) == 50


# Pictures: size and box


def four_colours(_: int, height: int, width: int) -> Picture:
    """Red, green over blue, white."""
    picture = np.zeros((height, width, 3), dtype=np.uint8)
    picture[: height // 2, : width // 2, 0] = 255
    picture[: height // 2, width // 2 :, 1] = 255
    picture[height // 2 :, : width // 2, 2] = 255
    picture[height // 2 :, width // 2 :] = 255
    return picture


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("colours") / "colours.mp4"
    return write_clip(path, range(2), size=(64, 128), draw=four_colours, options={"crf": "1"})


def test_letterbox_keeps_the_aspect_between_equal_black_bars(colours):
    with uncached(colours) as video:
        (picture,) = video.frames_at([0.0], size=(48, 48)).pixels
        tall = video.frames_at([0.0], size=(100, 40)).pixels[0]
    assert not picture[:12].any()
    assert not picture[36:].any()
    assert (picture[12:36].max(axis=2) > 150).all()  # 24 rows of 48: the aspect of 64 by 128
    np.testing.assert_allclose(picture[18, 12], (255, 0, 0), atol=12)
    np.testing.assert_allclose(picture[30, 12], (0, 0, 255), atol=12)
    assert np.flatnonzero(tall.any(axis=(1, 2))).tolist() == list(range(40, 60))


@pytest.mark.parametrize(
    ("box", "colour"),
    [
        ((0.0, 0.0, 0.5, 0.5), (255, 0, 0)),
        ((0.5, 0.0, 1.0, 0.5), (0, 255, 0)),
        ((0.0, 0.5, 0.5, 1.0), (0, 0, 255)),
        ((0.6, 0.6, 0.9, 0.9), (255, 255, 255)),
        ((0.1, 0.1, 0.1001, 0.1001), (255, 0, 0)),
        ((0.9999, 0.0, 1.0, 0.0001), (0, 255, 0)),
    ],
)
def test_a_box_shows_its_part_enlarged(colours, box, colour):
    with uncached(colours) as video:
        (picture,) = video.frames_at([0.0], size=(32, 64), box=box).pixels
        inner = picture[:, 16:48][3:-3, 3:-3]
        np.testing.assert_allclose(inner.reshape(-1, 3), [colour] * inner[..., 0].size, atol=20)


def test_a_box_without_size_is_the_native_pixels_of_the_crop(colours):
    with uncached(colours) as video:
        whole = video.frames_at([0.0]).pixels[0]
        part = video.frames_at([0.0], box=(0.25, 0.5, 0.75, 0.75)).pixels[0]
        one = video.frames_at([0.0], box=(0.5, 0.5, 0.5001, 0.5001)).pixels
    np.testing.assert_array_equal(part, whole[32:48, 32:96])
    assert one.shape == (1, 1, 1, 3)


@pytest.mark.parametrize("rotation", [90, 180, 270])
def test_a_turned_video_is_shown_upright(tmp_path, rotation):
    path = write_clip(tmp_path / "turned.mp4", range(30), size=(64, 96), rotation=rotation)
    expected = np.rot90(numbered(21, 64, 96), rotation // 90)
    with uncached(path) as video:
        assert video.size == expected.shape[:2]
        (picture,) = video.frames_at([21 / 25]).pixels
        assert number_in(picture) == number_in(expected)
        (small,) = video.frames_at([21 / 25], size=(32, 32)).pixels
        assert small.any(axis=2).any(axis=0).sum() <= expected.shape[1] * 32 // 64


# The cache


def test_a_second_reading_decodes_nothing_and_is_equal(clip):
    cache = FrameCache(2**20)
    times = [0.0, 1.0, 1.0, 4.0]
    with open_video(clip("one-gop"), cache=cache) as first:
        cold = first.frames_at(times, size=(32, 48))
    with open_video(clip("one-gop"), cache=cache) as second:
        warm = second.frames_at(times, size=(32, 48))
    np.testing.assert_array_equal(cold.pixels, warm.pixels)
    assert (first.stats.hits, second.stats.hits, second.stats.decoded) == (0, 3, 0)
    assert (second.stats.seconds, cache.hits, cache.misses) == (0.0, 3, 3)


def test_size_and_box_are_different_pictures_of_a_frame(colours):
    cache = FrameCache(2**20)
    with open_video(colours, cache=cache) as video:
        for size in (None, (32, 64), (64, 32)):
            for box in (None, (0.0, 0.0, 0.5, 0.5), (0.5, 0.5, 1.0, 1.0)):
                fresh = uncached(colours).frames_at([0.0], size=size, box=box)
                for _ in range(2):
                    cached = video.frames_at([0.0], size=size, box=box)
                    np.testing.assert_array_equal(cached.pixels, fresh.pixels)
        assert (cache.hits, cache.misses, len(cache)) == (9, 9, 9)


def test_a_caller_cannot_damage_the_cache(clip):
    with open_video(clip("one-gop"), cache=FrameCache(2**20)) as video:
        before = video.frames_at([1.0]).pixels
        video.frames_at([1.0]).pixels[:] = 7
        np.testing.assert_array_equal(video.frames_at([1.0]).pixels, before)


def test_a_rewritten_file_is_another_video(tmp_path):
    cache = FrameCache(2**20)
    path = write_clip(tmp_path / "a.mp4", range(5))
    assert number_in(open_video(path, cache=cache).frames_at([9.0]).pixels[0]) == 4
    write_clip(path, range(9))
    os.utime(path, ns=(1, 1))
    assert number_in(open_video(path, cache=cache).frames_at([9.0]).pixels[0]) == 8


def test_threads_that_share_a_file_and_a_small_cache_read_what_one_reads(clip):
    path, cache = clip("short-gops"), FrameCache(40 * 32 * 48 * 3)

    def read(seed: int) -> list[bool]:
        rng = np.random.default_rng(seed)
        with open_video(path, cache=cache) as video:
            equal = []
            for _ in range(10):
                numbers = np.sort(rng.integers(0, NUM_FRAMES, 4))
                batch = video.frames_at((numbers / 25).tolist(), size=(32, 48))
                equal.append([number_in(p) for p in batch.pixels] == numbers.tolist())
            return equal

    with ThreadPoolExecutor(4) as pool:
        assert all(all(equal) for equal in pool.map(read, range(8)))
    assert cache.nbytes <= cache.max_bytes


# What cannot be read


def test_paths_without_a_video_say_so(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("not a video at all\n" * 50)
    write_tone(tmp_path / "tone.m4a")
    for name, message in [
        ("missing.mp4", "No such file"),
        (".", "got a folder"),
        ("empty.mp4", "is empty"),
        ("text.mp4", "Invalid data"),
        ("tone.m4a", "expected a video stream, found audio"),
        ("nul\0l.mp4", "cannot read"),
    ]:
        with pytest.raises(VideoError, match=message):
            open_video(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(VideoError, match="device"):
        open_video(tmp_path / "pipe.mp4")


def test_a_video_without_frames_is_refused(tmp_path):
    path = write_clip(tmp_path / "none.mp4", [])
    with pytest.raises(VideoError, match="none.mp4"):
        open_video(path)


@pytest.mark.parametrize("faststart", [False, True])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.95])
def test_a_truncated_file_is_refused(tmp_path, share, faststart):
    options = {"movflags": "+faststart"} if faststart else {}
    path = tmp_path / "whole.mp4"
    write_clip(path, range(60), container_options=options)
    cut = tmp_path / "cut.mp4"
    whole = path.read_bytes()
    cut.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(VideoError, match="cut.mp4"):
        open_video(cut)


def test_frames_lost_after_opening_name_file_and_time(tmp_path):
    def noise(number: int, height: int, width: int) -> Picture:
        rng = np.random.default_rng(number)
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    path = tmp_path / "a.mp4"
    write_clip(path, range(60), draw=noise, container_options={"movflags": "+faststart"})
    video = uncached(path)
    first = video.frames_at([0.04]).pixels
    video.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(VideoError, match=r"a\.mp4.* 2\.3[0-9]* s"):
        video.frames_at([2.36])
    np.testing.assert_array_equal(video.frames_at([0.04]).pixels, first)


def test_times_that_the_file_does_not_hold_are_refused(tmp_path):
    path = write_clip(tmp_path / "reordered.avi", range(30), options=ONE_GOP)
    with pytest.raises(VideoError, match="reordered frames"):
        open_video(path)
    path = write_clip(tmp_path / "raw.h264", range(30))
    with pytest.raises(VideoError, match="no presentation times"):
        open_video(path)


@pytest.mark.parametrize("seconds", [[float("nan")], [0.0, float("inf")], [[1.0]]])
def test_times_must_be_finite_and_flat(clip, seconds):
    with uncached(clip("one-gop")) as video, pytest.raises(ValueError, match="seconds must be"):
        video.frames_at(seconds)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": (0, 10)},
        {"size": (10,)},
        {"box": (0.5, 0.0, 0.5, 1.0)},
        {"box": (0.0, 0.0, 1.1, 1.0)},
        {"box": (0.0, float("nan"), 1.0, 1.0)},
    ],
)
def test_size_and_box_must_be_legal(clip, wrong):
    with uncached(clip("one-gop")) as video, pytest.raises(ValueError, match="must be"):
        video.frames_at([0.0], **wrong)


# Real files


@pytest.mark.parametrize(
    "name",
    ["nasa_13013_speech.mp4", "intel_car_detection.mp4", "sam2_01_dog.mp4"],
)
def test_real_clips_give_what_a_sequential_decode_gives(name):
    path = REAL_CLIPS / name
    if not path.exists():
        pytest.skip("the real clips are not at hand")
    with uncached(path) as video:
        count = round(video.fps * video.duration)
        numbers = np.unique(np.random.default_rng(3).integers(0, count, 16)).tolist()
        expected = [item for i, item in enumerate(decoded(path)) if i in numbers]
        for part in (expected, expected[::5]):
            batch = video.frames_at([seconds for seconds, _ in part])
            assert batch.seconds.tolist() == [seconds for seconds, _ in part]
            for picture, (_, frame) in zip(batch.pixels, part, strict=True):
                np.testing.assert_array_equal(picture, frame.to_ndarray(format="rgb24"))


def test_importing_the_reader_does_not_import_torch():
    code = "import sage_env.video, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
