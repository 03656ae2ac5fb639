"""Laws of `sage_env.video.cache.frame_cache`, `process_cache`: bounded, and what was decoded.

Laws of coalesced requests are in `test_frame_fetch`.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.cache.process_cache import shared_cache
from sage_env.video.video_file import open_video
from tests.helpers.clips import (
    NUM_FRAMES,
    Picture,
    number_in,
    numbered,
    uncached,
    write_clip,
)


def key(frame: int) -> FrameKey:
    return FrameKey("clip", frame, None, None)


def picture(rows: int, value: int = 0) -> np.ndarray:
    return np.full((rows, 1, 3), value, dtype=np.uint8)


@given(
    max_bytes=st.integers(0, 60),
    puts=st.lists(st.tuples(st.integers(0, 5), st.integers(1, 12)), max_size=40),
)
def test_bytes_are_bounded_and_counted(max_bytes, puts):
    cache = FrameCache(max_bytes)
    for frame, rows in puts:
        cache.put(key(frame), picture(rows, frame))
        held = [p for f in range(6) if (p := cache.get(key(f))) is not None]
        assert cache.nbytes == sum(p.nbytes for p in held) <= max_bytes
        assert len(cache) == len(held)
        if 3 * rows <= max_bytes:
            np.testing.assert_array_equal(cache.get(key(frame)), picture(rows, frame))


def test_the_least_recently_used_goes_first():
    cache = FrameCache(9)
    for frame in (0, 1, 2):
        cache.put(key(frame), picture(1))
    cache.get(key(0))
    cache.put(key(3), picture(1))
    assert [cache.get(key(f)) is not None for f in range(4)] == [True, False, True, True]
    assert (cache.hits, cache.misses) == (4, 1)


def test_what_is_held_is_read_only_and_holds_no_larger_array():
    cache = FrameCache(100)
    cache.put(key(0), picture(30)[:2])
    held = cache.get(key(0))
    assert held is not None
    assert not held.flags.writeable
    assert held.base is None


def test_negative_bytes_are_refused():
    with pytest.raises(ValueError, match="0 or more, got -1"):
        FrameCache(-1)


def test_the_process_has_one_shared_cache():
    assert shared_cache() is shared_cache()


def test_a_second_reading_decodes_nothing_and_is_equal(clip):
    cache = FrameCache(2**20)
    times = [0.0, 1.0, 1.0, 4.0]
    with open_video(clip("one-gop"), cache=cache) as first:
        cold = first.frames_at(times, size=(32, 48))
    with open_video(clip("one-gop"), cache=cache) as second:
        warm = second.frames_at(times, size=(32, 48))
    np.testing.assert_array_equal(cold.pixels, warm.pixels)
    assert (first.stats.hits, second.stats.hits, second.stats.decoded) == (0, 3, 0)
    assert first.stats.seconds > 0.0 == second.stats.seconds
    assert (cache.hits, cache.misses) == (3, 3)


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
    def later(number: int, height: int, width: int) -> Picture:
        return numbered(number + 100, height, width)

    cache = FrameCache(2**20)
    path = write_clip(tmp_path / "a.mp4", range(5))
    assert number_in(open_video(path, cache=cache).frames_at([0.0]).pixels[0]) == 0
    write_clip(path, range(5), draw=later)
    os.utime(path, ns=(1, 1))
    assert number_in(open_video(path, cache=cache).frames_at([0.0]).pixels[0]) == 100


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
