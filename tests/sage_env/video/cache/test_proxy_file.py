"""Laws of `sage_env.video.cache.proxy_file`, `proxy_jpeg`: the frame that was kept, or none.

After any crash, from any process, nearly as it was.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.video.cache.proxy_file import FrameProxy, one_per_step
from tests.helpers.clips import number_in, numbered

SIZE = (64, 64)


def drawn(frame: int, height: int = 72, width: int = 128) -> np.ndarray:
    return numbered(frame, height, width)


def shown(proxy: FrameProxy, frame: int) -> int | None:
    picture = proxy.get(frame, SIZE)
    return None if picture is None else number_in(picture[14:50])  # the rest is black


def test_pictures_come_back_nearly_as_they_were_in_any_smaller_size(tmp_path):
    rows, columns = np.mgrid[0:360, 0:640]
    smooth = np.stack([rows * 255 // 360, columns * 255 // 640, 0 * rows + 90], axis=-1)
    proxy = FrameProxy(tmp_path, "a-video")
    proxy.add(7, smooth.astype(np.uint8))
    for size in [(224, 398), (224, 224), (126, 224), (60, 60), (18, 32)]:
        picture = proxy.get(7, size)
        height = min(size[0], round(360 * size[1] / 640))
        top = (size[0] - height) // 2
        middle = picture[top : top + height]
        assert picture.shape == (*size, 3) and picture.dtype == np.uint8
        assert not picture[:top].any() and not picture[top + height :].any()
        ys, xs = (np.arange(height) + 0.5) / height, (np.arange(size[1]) + 0.5) / size[1]
        assert np.abs(middle[..., 0].mean(axis=1) - 255 * ys).max() < 8
        assert np.abs(middle[..., 1].mean(axis=0) - 255 * xs).max() < 8
        assert np.abs(middle[..., 2] - 90.0).max() < 8
    assert proxy.get(7, (448, 448)) is None  # it was kept smaller than that


def test_small_videos_are_enlarged_as_their_frames_would_be(tmp_path):
    proxy = FrameProxy(tmp_path, "small")
    proxy.add(5, drawn(5, 64, 64))
    assert number_in(proxy.get(5, (300, 300))) == 5
    shrunk = FrameProxy(tmp_path, "shrunk")
    shrunk.add(5, drawn(5, 64, 64), native=(640, 640))
    assert shrunk.get(5, (300, 300)) is None and number_in(shrunk.get(5, (64, 64))) == 5


def test_every_view_of_the_file_sees_what_any_of_them_adds(tmp_path):
    first, second = FrameProxy(tmp_path, "v"), FrameProxy(tmp_path, "v")
    first.add(3, drawn(3))
    assert first.lacks(3) is False and shown(second, 3) == 3
    second.add(1, drawn(1))
    second.add(3, drawn(9))  # it is there already
    third = pickle.loads(pickle.dumps(first))
    assert third.frames.tolist() == [1, 3]
    assert [shown(third, f) for f in (1, 2, 3)] == [1, None, 3]
    assert len(FrameProxy(tmp_path, "w")) == 0


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cut=st.integers(0, 10**6), tail=st.binary(max_size=40))
def test_after_a_crash_the_whole_records_are_there_and_more_can_be_added(tmp_path, cut, tail):
    whole = _three(tmp_path / "whole", "torn")
    ends = _ends(whole)
    keep = cut % (len(whole) + 1)
    left = [f for f, end in enumerate(ends) if end <= keep]
    path = tmp_path / "torn.jpegs"
    path.write_bytes(whole[:keep] + tail)
    proxy = FrameProxy(tmp_path, "torn")
    for frame in range(3):
        assert shown(proxy, frame) in ([frame] if frame in left else [None])
    proxy.add(3, drawn(3))
    assert [f for f in range(4) if shown(FrameProxy(tmp_path, "torn"), f) == f] == [*left, 3]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), flip=st.integers(1, 255))
def test_a_flipped_byte_never_gives_a_wrong_picture(tmp_path, place, flip):
    whole = bytearray(_three(tmp_path / "whole", "flipped"))
    whole[place % len(whole)] ^= flip
    (tmp_path / "flipped.jpegs").write_bytes(whole)
    proxy = FrameProxy(tmp_path, "flipped")
    assert all(shown(proxy, f) in (f, None) for f in range(3))


def _three(folder: Path, content_id: str) -> bytes:
    proxy = FrameProxy(folder, content_id)
    for frame in range(3):
        proxy.add(frame, drawn(frame))
    return proxy.path.read_bytes()


def _ends(whole: bytes) -> list[int]:
    starts = [at for at in range(len(whole)) if whole.startswith(b"SPX2", at)]
    return [*starts[1:], len(whole)]


def test_bytes_are_bounded(tmp_path):
    proxy = FrameProxy(tmp_path, "v", max_bytes=5000)
    for frame in range(40):
        proxy.add(frame, drawn(frame))
        assert proxy.path.stat().st_size <= 5000
    assert 1 < len(proxy) < 40 and not proxy.lacks(99)
    assert [shown(proxy, int(f)) for f in proxy.frames] == proxy.frames.tolist()
    assert not FrameProxy(tmp_path, "w", max_bytes=0).lacks(0)


def _add(folder: Path, frames: list[int]) -> None:
    proxy = FrameProxy(folder, "v")
    for frame in frames:
        proxy.add(frame, drawn(frame))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")
def test_processes_add_each_frame_once(tmp_path):
    context = multiprocessing.get_context("fork")
    orders = [np.random.default_rng(seed).permutation(30).tolist() for seed in range(3)]
    processes = [context.Process(target=_add, args=(tmp_path, order)) for order in orders]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    proxy = FrameProxy(tmp_path, "v")
    assert proxy.path.read_bytes().count(b"SPX2") == len(proxy) == 30
    assert [shown(proxy, f) for f in range(30)] == list(range(30))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no such locks")
def test_who_adds_waits_for_another_process_that_does(tmp_path):
    import fcntl

    proxy = FrameProxy(tmp_path, "v")
    proxy.add(0, drawn(0))
    before = proxy.path.read_bytes()
    with proxy.path.open("rb+") as other, ThreadPoolExecutor(1) as pool:
        fcntl.flock(other, fcntl.LOCK_EX)
        adding = pool.submit(proxy.add, 1, drawn(1))
        time.sleep(0.1)
        assert proxy.path.read_bytes() == before and not adding.done()
        fcntl.flock(other, fcntl.LOCK_UN)
        adding.result(10)
    assert shown(proxy, 1) == 1


def test_a_folder_that_cannot_be_written_costs_a_warning(tmp_path):
    (tmp_path / "file").touch()
    proxy = FrameProxy(tmp_path / "file", "v")
    with pytest.warns(RuntimeWarning, match="no longer be kept"):
        proxy.add(0, drawn(0))
    assert proxy.get(0, SIZE) is None and not proxy.lacks(1)


@pytest.mark.parametrize("content_id", ["", "../x", "a/b", "a.b", "x" * 129])
def test_names_that_are_none_are_refused(tmp_path, content_id):
    with pytest.raises(ValueError, match="content_id must be"):
        FrameProxy(tmp_path, content_id)


@given(st.lists(st.floats(0.001, 5), min_size=1, max_size=50), st.sampled_from([0.5, 1.0, 2.0]))
def test_one_frame_in_each_part_of_the_grid_that_has_any(gaps, step):
    seconds = np.concatenate([[0.0], np.cumsum(gaps)])
    chosen = seconds[one_per_step(seconds, step)] // step
    assert chosen.tolist() == sorted(set((seconds // step).tolist()))
