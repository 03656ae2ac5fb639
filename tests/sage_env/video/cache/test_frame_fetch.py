"""Of equal requests one decodes; the others get its pictures, or take over when it fails."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import Decode, FrameKey

SOON = 10.0  # seconds; what must happen happens long before, what hangs fails then


def key(frame: int) -> FrameKey:
    return FrameKey("clip", frame, None, None)


def picture(frame: int, nbytes: int = 3) -> np.ndarray:
    return np.full((nbytes // 3, 1, 3), frame, dtype=np.uint8)


def decoder(asked: list[int] | None = None, nbytes: int = 3) -> Decode:
    def decode(keys):
        if asked is not None:
            asked.extend(k.frame for k in keys)
        for k in keys:
            yield k, picture(k.frame, nbytes)

    return decode


class Gate:
    """A decode that says when it has begun, and goes on when it is let."""

    def __init__(self, then: Decode) -> None:
        self.then = then
        self.begun, self.opened = threading.Event(), threading.Event()

    def __call__(self, keys):
        self.begun.set()
        assert self.opened.wait(SOON)
        yield from self.then(keys)


def shown(pictures: dict[FrameKey, np.ndarray]) -> dict[int, int]:
    return {k.frame: int(p.flat[0]) for k, p in pictures.items()}


@pytest.fixture
def pool():
    with ThreadPoolExecutor(8) as threads:
        yield threads


def fails(keys):
    yield keys[0], picture(keys[0].frame)
    raise OSError("a bad sector")


def broken(keys):
    raise OSError("a bad sector")


def stops(keys):
    yield keys[0], picture(keys[0].frame)


@given(
    max_bytes=st.integers(0, 24),
    requests=st.lists(st.lists(st.integers(0, 9), max_size=6), max_size=8),
)
def test_decode_is_asked_for_exactly_what_is_not_held(max_bytes, requests):
    cache, asked_before = FrameCache(max_bytes), 0
    for frames in requests:
        held = {k.frame for k in cache._pictures}
        asked: list[int] = []
        got = cache.fetch([key(f) for f in frames], decoder(asked))
        assert shown(got) == {f: f for f in frames}
        assert asked == [f for f in dict.fromkeys(frames) if f not in held]
        asked_before += len(set(frames))
        stats = cache.stats
        assert stats.hits + stats.misses + stats.coalesced == asked_before
        assert stats.nbytes == cache.nbytes == 3 * len(cache) <= max_bytes
        assert stats.misses - stats.evicted == len(cache) or max_bytes < 3


def test_what_is_fetched_is_read_only_and_owns_its_memory():
    got = FrameCache(100).fetch([key(0)], lambda keys: [(keys[0], picture(0, 30)[:2])])
    assert not got[key(0)].flags.writeable and got[key(0)].base is None


def test_a_picture_in_the_making_is_waited_for(pool):
    cache, gate, asked = FrameCache(99), Gate(decoder()), []
    first = pool.submit(cache.fetch, [key(0), key(1)], gate)
    assert gate.begun.wait(SOON)
    second = pool.submit(cache.fetch, [key(1), key(2)], decoder(asked))
    assert not second.done()
    gate.opened.set()
    assert shown(first.result(SOON)) == {0: 0, 1: 1}
    assert shown(second.result(SOON)) == {1: 1, 2: 2}
    assert asked == [2]
    assert (cache.stats.misses, cache.stats.coalesced, cache.stats.hits) == (3, 1, 0)


def test_a_picture_is_there_before_the_rest_of_its_request(pool):
    cache, hold = FrameCache(99), threading.Event()

    def slow(keys):
        yield keys[0], picture(0)
        assert hold.wait(SOON)
        yield keys[1], picture(1)

    first = pool.submit(cache.fetch, [key(0), key(1)], slow)
    assert shown(pool.submit(cache.fetch, [key(0)], slow_free(hold)).result(SOON)) == {0: 0}
    assert not first.done()
    hold.set()
    assert shown(first.result(SOON)) == {0: 0, 1: 1}


def slow_free(hold: threading.Event) -> Decode:
    """Decode for one who may come first, and must then not wait."""

    def decode(keys):
        assert not hold.is_set()
        return [(k, picture(k.frame)) for k in keys]

    return decode


@pytest.mark.parametrize("max_bytes", [0, 99])
@pytest.mark.parametrize("breaks", [fails, stops])
def test_a_waiter_takes_over_what_another_did_not_bring(pool, breaks, max_bytes):
    cache, gate, asked = FrameCache(max_bytes), Gate(breaks), []
    first = pool.submit(cache.fetch, [key(0), key(1)], gate)
    assert gate.begun.wait(SOON)
    others = [pool.submit(cache.fetch, [key(1)], decoder(asked)) for _ in range(4)]
    gate.opened.set()
    if breaks is fails:
        with pytest.raises(OSError, match="bad sector"):
            first.result(SOON)
    else:
        assert shown(first.result(SOON)) == {0: 0}
    for other in others:
        assert shown(other.result(SOON)) == {1: 1}
    assert (asked == [1]) if max_bytes else (set(asked) == {1})
    assert not cache._in_flight


def test_after_a_failure_the_key_is_free_again():
    cache = FrameCache(99)
    with pytest.raises(OSError, match="bad sector"):
        cache.fetch([key(0), key(1)], fails)
    asked: list[int] = []
    assert shown(cache.fetch([key(0), key(1)], decoder(asked), timeout=SOON)) == {0: 0, 1: 1}
    assert asked == [1]  # what came before the failure is kept


def test_waiting_has_a_limit(pool):
    cache, gate = FrameCache(99), Gate(decoder())
    first = pool.submit(cache.fetch, [key(0)], gate)
    assert gate.begun.wait(SOON)
    with pytest.raises(TimeoutError, match="frame 0 of clip"):
        cache.fetch([key(0)], decoder(), timeout=0.02)
    gate.opened.set()
    assert shown(first.result(SOON)) == {0: 0}


def test_overlapping_sets_in_opposite_orders_do_not_lock_each_other_out(pool):
    cache = FrameCache(30)
    sets = [range(12), range(11, -1, -1), range(5, 17), range(16, 4, -1)]

    def read(number: int) -> dict[int, int]:
        return shown(cache.fetch([key(f) for f in sets[number % 4]], decoder(), timeout=SOON))

    futures: list[Future[dict[int, int]]] = [pool.submit(read, n) for n in range(120)]
    for number, future in enumerate(futures):
        assert future.result(SOON) == {f: f for f in sets[number % 4]}
    assert cache.nbytes <= 30 and not cache._in_flight


def test_no_two_decode_a_key_at_once(pool):
    cache, lock, now, most = FrameCache(9), threading.Lock(), Counter(), Counter()

    def watched(keys):
        for k in keys:
            with lock:
                now[k] += 1
                most[k] = max(most[k], now[k])
            time.sleep(1e-4)
            with lock:
                now[k] -= 1
            yield k, picture(k.frame)

    def read(seed: int) -> bool:
        frames = np.random.default_rng(seed).permutation(8)[:4].tolist()
        if seed % 5 == 0:
            with pytest.raises(OSError, match="bad sector"):
                cache.fetch([key(8)], broken, timeout=SOON)
        return shown(cache.fetch([key(f) for f in frames], watched, timeout=SOON)) == {
            f: f for f in frames
        }

    assert all(pool.map(read, range(120)))
    assert set(most.values()) == {1}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_a_forked_process_does_not_wait_for_threads_that_it_does_not_have(pool):
    cache, gate = FrameCache(99), Gate(decoder())
    first = pool.submit(cache.fetch, [key(0)], gate)
    assert gate.begun.wait(SOON)
    child = os.fork()
    if not child:
        good = shown(cache.fetch([key(0)], decoder(), timeout=1.0)) == {0: 0}
        os._exit(0 if good else 1)
    assert os.waitpid(child, 0)[1] == 0
    gate.opened.set()
    assert shown(first.result(SOON)) == {0: 0}
