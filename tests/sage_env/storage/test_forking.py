"""Laws of `sage_env.storage.forking`: a forked process waits for no thread that it does not have.

Whoever keeps a lock for the whole process is tried here: caches, buffers, ledgers, decode threads.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.forking import on_fork
from sage_env.video.cache.buffer_pool import pixel_buffers
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.decoding import decode_pool

SOON = 10.0
pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]

_called: list[str] = []
on_fork(lambda: _called.append("child"))


def in_a_fork(work: Callable[[], bool]) -> bool:
    """Return what `work` returns in a child, which has `SOON` seconds; false if it hangs."""
    child = os.fork()
    if not child:
        good = False
        try:
            good = work()
        finally:
            os._exit(0 if good else 1)
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return status == 0
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return False


class Held:
    """A lock held by another thread while the block runs."""

    def __init__(self, lock) -> None:
        self.lock, self.taken, self.go_on = lock, threading.Event(), threading.Event()
        self.thread = threading.Thread(target=self._hold)

    def _hold(self) -> None:
        with self.lock:
            self.taken.set()
            assert self.go_on.wait(2 * SOON)

    def __enter__(self) -> None:
        self.thread.start()
        assert self.taken.wait(SOON)

    def __exit__(self, *_) -> None:
        self.go_on.set()
        self.thread.join(SOON)


def key(frame: int) -> FrameKey:
    return FrameKey("clip", frame, None, None)


def picture(frame: int) -> np.ndarray:
    return np.full((1, 1, 3), frame, dtype=np.uint8)


def test_a_reset_is_called_in_the_child_alone():
    _called.clear()
    assert in_a_fork(lambda: _called == ["child"])
    assert _called == []


def test_a_frame_cache_goes_on_and_counts_what_it_holds():
    cache = FrameCache(9)
    for frame in range(3):
        cache.put(key(frame), picture(frame))

    def work() -> bool:
        return cache.nbytes == 9 and cache.get(key(2)) is not None and len(cache) == 3

    with Held(cache._lock):
        cache._pictures.nbytes = 6  # as if the other thread were in the middle of a `put`
        try:
            assert in_a_fork(work)
        finally:
            cache._pictures.nbytes = 9


def test_the_buffers_of_the_process_go_on():
    shape = (2, 300, 400, 3)
    array = pixel_buffers.empty(shape)
    array[:] = 7

    def work() -> bool:
        other = pixel_buffers.empty(shape)
        other[:] = 9
        return bool((array == 7).all()) and pixel_buffers.nbytes <= pixel_buffers.max_bytes

    with Held(pixel_buffers._lock):
        held, pixel_buffers._held = pixel_buffers._held, {}  # taken out by the other thread
        pixel_buffers.nbytes += pixel_buffers.max_bytes
        try:
            assert in_a_fork(work)
        finally:
            pixel_buffers._held = held
            pixel_buffers.nbytes -= pixel_buffers.max_bytes


def test_a_shared_folder_goes_on(tmp_path: Path):
    folder = BoundedFolder(tmp_path, 100, suffix=".bin", contents="things")

    def work() -> bool:
        folder.put("ab" * 16, (b"whole",))
        return folder.path("ab" * 16).read_bytes() == b"whole"

    with Held(folder._ledger._lock):
        assert in_a_fork(work)


def test_threads_that_decode_are_started_anew():
    assert decode_pool._threads().submit(lambda: 1).result(SOON) == 1
    assert in_a_fork(lambda: decode_pool._threads().submit(lambda: 2).result(1.0) == 2)
