"""The cache never outgrows its bytes and forgets what was used longest ago."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.frame_cache import FrameCache, FrameKey, shared_cache


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
