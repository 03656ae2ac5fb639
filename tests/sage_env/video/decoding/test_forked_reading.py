"""Laws of `decode_pool`, `steady_file`, `forking`: parent and child read one open video rightly."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sage_env.storage.forking import reset_each_on_fork
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import PyAVVideo, open_video
from tests.helpers.clips import number_in, write_clip

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning"),
]
KINDS = {
    "mp4": "libx264",
    "mkv": "libx264",
    "ts": "libx264",
    "mpg": "mpeg2video",
    "avi": "mpeg4",
    "webm": "libvpx",
}
SOON = 30.0


@pytest.fixture(scope="module", params=KINDS)
def path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("forked") / f"a.{request.param}"
    options = {"g": "20"}
    if request.param == "webm":
        options |= {"deadline": "realtime", "cpu-used": "8"}
    return write_clip(path, range(100), codec=KINDS[request.param], options=options)


def wrong(video: PyAVVideo, seed: int, times: int = 12) -> int:
    """Return how many reads do not give the frames that they should."""
    rng, count = np.random.default_rng(seed), 0
    for _ in range(times):
        seconds = np.sort(rng.uniform(0, 3.9, 3))
        try:
            batch = video.frames_at(seconds.tolist())
            count += [number_in(p) for p in batch.pixels] != batch.index.tolist()
            count += bool((batch.index != np.floor(seconds * 25 + 1e-6)).any())
        except Exception:
            count += 1
    return count


def forked(work: Callable[[], int]) -> int:
    """Begin a child that ends with what `work` returns; return its id."""
    child = os.fork()
    if not child:
        code = 100
        try:
            code = min(work(), 99)
        finally:
            os._exit(code)
    return child


def result(child: int) -> int:
    """Return what a child ended with; it is killed if it takes too long."""
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.kill(child, 9)
    os.waitpid(child, 0)
    return -99


@pytest.mark.parametrize("threads", [1, 2])
def test_parent_and_child_read_side_by_side(path: Path, threads: int) -> None:
    with open_video(path, cache=FrameCache(0), threads=threads) as video:
        assert wrong(video, 0, 2) == 0
        decoded = video.stats.decoded
        children = [forked(lambda seed=seed: wrong(video, seed)) for seed in (1, 2)]
        assert wrong(video, 3) == 0
        assert [result(child) for child in children] == [0, 0]
        child = forked(lambda: video.stats.decoded < decoded)
        assert result(child) == 0  # the count goes on


def test_a_child_reads_though_a_thread_of_the_parent_was_in_the_middle(path: Path) -> None:
    ended = threading.Event()

    def go_on() -> None:
        while not ended.is_set():
            mistakes.append(wrong(video, len(mistakes), 1))

    mistakes: list[int] = []
    with open_video(path, cache=FrameCache(0), threads=2) as video:
        assert wrong(video, 0, 2) == 0
        other = threading.Thread(target=go_on)
        other.start()
        try:
            codes = [result(forked(lambda seed=seed: wrong(video, seed, 3))) for seed in range(6)]
        finally:
            ended.set()
            other.join(SOON)
    assert codes == [0] * 6 and not any(mistakes)


def test_objects_that_live_are_reset_in_the_child_alone() -> None:
    class Holder:
        def __init__(self) -> None:
            self.calls = 0

        def reset(self) -> None:
            self.calls += 1

    holders = reset_each_on_fork(Holder.reset)
    kept = Holder()
    holders.add(kept)
    holders.add(Holder())  # gone at once
    assert len(holders) == 1
    assert result(forked(lambda: kept.calls != 1)) == 0 and kept.calls == 0
