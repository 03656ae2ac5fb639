"""Laws of `sage_env.video.video_file` and `frame_reader`: the right picture, with its true time."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.video.index.video_index import read_index
from sage_env.video.video_file import open_video
from tests.helpers.clips import (
    CLIPS,
    IRREGULAR,
    NUM_FRAMES,
    copy_clip,
    decoded,
    number_in,
    uncached,
    write_clip,
)
from tests.helpers.real_clips import REAL_CLIPS


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


def test_no_frame_costs_more_than_the_way_from_its_keyframe(clip):
    rng = np.random.default_rng(5)
    with uncached(clip("open-gops")) as video:
        for number in rng.integers(0, NUM_FRAMES, 40):
            before = video.stats.decoded
            video.frames_at([number / 25])
            assert video.stats.decoded - before <= 12 + 4  # a GOP, and what is out of order in it


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
    path = copy_clip(clip("open-gops"), tmp_path / "cut.mkv", from_key=2)
    seconds, frames = zip(*decoded(path), strict=True)
    with uncached(path) as video:
        batch = video.frames_at(seconds)
        assert batch.seconds.tolist() == list(seconds)
        assert number_in(batch.pixels[0]) == number_in(frames[0].to_ndarray(format="rgb24")) > 20


def test_frames_that_an_edit_list_hides_are_not_there(clip, tmp_path):
    tick = 12800 // 25
    path = copy_clip(clip("open-gops"), tmp_path / "edited.mp4", shift=17 * tick)
    with uncached(path) as video:
        assert video.duration == pytest.approx((NUM_FRAMES - 17) / 25)
        batch = video.frames_at((np.arange(NUM_FRAMES - 17) / 25).tolist())
        assert [number_in(picture) for picture in batch.pixels] == list(range(17, NUM_FRAMES))


def test_frames_after_the_end_of_an_edit_list_are_not_there(clip, tmp_path):
    whole = bytearray(clip("short-gops").read_bytes())
    at = whole.index(b"elst") + 12  # after the name, version and flags, number of entries
    assert int.from_bytes(whole[at : at + 4], "big") == 4800  # milliseconds
    whole[at : at + 4] = (2000).to_bytes(4, "big")
    path = tmp_path / "short.mp4"
    path.write_bytes(whole)
    with uncached(path) as video:
        assert video.duration == pytest.approx(2.0)
        assert number_in(video.frames_at([9.0]).pixels[0]) == 49


def test_a_program_stream_is_read_from_its_start(clip):
    assert len(read_index(clip("program-stream")).key_pts) == 1  # its times change after a seek


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
