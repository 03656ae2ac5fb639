"""Laws of `sage_env.video.read_turns` and of threads that share one video file."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from sage_env.errors import DecodeTimeout, VideoError
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.read_turns import ReadTurns
from sage_env.video.video_file import open_video
from tests.helpers.clips import number_in

SOON = 10.0


class Thing:
    """Counts those who use it, and how often it was closed."""

    def __init__(self) -> None:
        self.users = self.closed = 0
        self.faults: list[str] = []
        self.turns = ReadTurns(self.close)

    def use(self, pause: float = 0.0) -> None:
        self.users += 1
        if self.users > 1:
            self.faults.append("two at once")
        time.sleep(pause)
        self.users -= 1

    def close(self) -> None:
        self.closed += 1
        if self.users:
            self.faults.append("closed while it was used")


def run(*calls) -> None:
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert not any(thread.is_alive() for thread in threads)


def test_one_at_a_time_and_never_closed_meanwhile() -> None:
    thing, given_up = Thing(), []

    def reader() -> None:
        for _ in range(100):
            try:
                with thing.turns.reading(SOON, "reading"):
                    thing.use()
            except VideoError:
                given_up.append(1)

    def closer() -> None:
        for _ in range(100):
            thing.turns.close()
            time.sleep(0)

    run(reader, reader, closer, reader)
    assert not thing.faults and thing.users == 0
    before = thing.closed
    with thing.turns.reading(SOON, "reading"):
        thing.use()
    assert thing.closed == before  # nothing was left to do
    assert 1 <= before <= 100


def test_closing_waits_for_nobody_and_is_done_when_the_turn_ends() -> None:
    thing = Thing()
    with thing.turns.reading(None, "reading it") as deadline:
        assert thing.turns.taken
        deadline.check("reading it")
        thing.turns.close()
        assert thing.closed == 0
        with pytest.raises(VideoError, match="reading it was given up: the video was closed"):
            deadline.check("reading it")
    assert thing.closed == 1 and not thing.turns.taken
    with thing.turns.reading(None, "reading it") as deadline:  # later turns are as before
        deadline.check("reading it")
    thing.turns.close()
    assert thing.closed == 2


def test_who_waits_has_a_deadline_and_is_told_of_closing() -> None:
    thing, said = Thing(), []

    def waiter(seconds: float) -> None:
        try:
            with thing.turns.reading(seconds, "a.mp4: reading it"):
                said.append("read")
        except VideoError as error:
            said.append(f"{type(error).__name__}: {error}")

    with thing.turns.reading(None, "reading"):
        run(lambda: waiter(0.05))
        waits = threading.Thread(target=waiter, args=(SOON,))
        waits.start()
        time.sleep(0.05)
        thing.turns.close()
    waits.join(SOON)
    assert said[0].startswith(
        "DecodeTimeout: a.mp4: reading it, or waiting for another thread's read, took longer than"
    )
    assert said[1:] == [
        "VideoError: a.mp4: reading it was given up: the video was closed by another thread"
    ]


# Files


@pytest.mark.parametrize("name", ["short-gops", "transport-stream"])
def test_threads_that_share_a_video_get_what_they_asked_for(clip, name) -> None:
    wrong, closings = [], []
    with open_video(clip(name), cache=FrameCache(0)) as video:

        def reader(seed: int) -> None:
            random = np.random.default_rng(seed)
            for _ in range(15):
                times = np.sort(random.integers(0, 120, 3)) / 25
                try:
                    batch = video.frames_at(times.tolist())
                except VideoError as error:
                    if "closed by another thread" not in str(error):
                        wrong.append(str(error))
                    closings.append(seed)
                    continue
                numbers = [number_in(picture) for picture in batch.pixels]
                if numbers != np.round(times * 25).tolist():
                    wrong.append(f"{numbers} for {times}")

        def closer() -> None:
            for _ in range(5):
                time.sleep(0.02)
                video.close()

        run(*(lambda seed=seed: reader(seed) for seed in range(4)), closer)
        assert not wrong
        assert number_in(video.frames_at([1.0]).pixels[0]) == 25
    assert len(closings) < 60


def test_closing_ends_a_read_at_the_next_packet(clip) -> None:
    video = open_video(clip("one-gop"), cache=FrameCache(0), threads=1)
    video.frames_at([0.0])
    decoder, seen = video._pool._slots[0].decoder, []
    feed = decoder._feed

    def fed(packet, targets):
        seen.append(packet.number)
        if len(seen) == 3:
            video.close()
        return feed(packet, targets)

    decoder._feed = fed
    with pytest.raises(VideoError, match="closed by another thread"):
        video.frames_at([4.0])
    assert len(seen) == 3 and not video._pool._slots
    assert number_in(video.frames_at([4.0]).pixels[0]) == 100


def test_opening_has_the_callers_deadline(clip, tmp_path) -> None:
    path = tmp_path / "new.ts"
    path.write_bytes(clip("transport-stream").read_bytes())
    began = time.monotonic()
    with pytest.raises(DecodeTimeout, match=r"new\.ts"):
        open_video(path, timeout=1e-9)
    assert time.monotonic() - began < SOON
    open_video(path, timeout=60.0).close()  # the failure is not remembered
