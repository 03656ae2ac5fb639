"""Laws of `sage_env.video.cache.frame_store`, `frame_key`: processes share pictures, and may die.

What holds of any such folder is in `test_bounded_folder`.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import shutil
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.storage.sealed_file import HEADER_BYTES
from sage_env.video.cache import frame_cache
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.cache.frame_key import FrameKey
from sage_env.video.cache.frame_store import FrameStore
from sage_env.video.cache.process_cache import shared_cache

SOON = 20.0  # seconds; what must happen happens long before, what hangs fails then
FILE_BYTES = HEADER_BYTES + 8 + 3  # of a picture of one pixel

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


def key(frame: int, rows: int = 1) -> FrameKey:
    return FrameKey("clip", frame, (rows, 1), None)


def picture(frame: int, rows: int = 1) -> np.ndarray:
    return np.full((rows, 1, 3), frame % 256, dtype=np.uint8)


def decode(keys):
    for k in keys:
        yield k, picture(k.frame)


def path_of(store: FrameStore, named: FrameKey) -> Path:
    return store._files.path(store._name(named))


def bytes_of(folder: Path) -> int:
    total = 0
    for file in folder.iterdir():
        with contextlib.suppress(FileNotFoundError):  # published or dropped meanwhile
            total += file.stat().st_size if file.suffix != "" else 0
    return total


def fork(work, *arguments) -> multiprocessing.Process:
    process = multiprocessing.get_context("fork").Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def wait_for(what) -> None:
    until = time.monotonic() + SOON
    while not what():
        assert time.monotonic() < until, "it did not happen"
        time.sleep(0.002)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 9), width=st.integers(1, 9), seed=st.integers(0, 9))
def test_what_one_store_writes_another_reads(tmp_path, height, width, seed):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, 2 * width, 3), np.uint8)[:, ::2]
    written = FrameKey(("a", 1), seed, (height, width), (0.0, 0.0, 0.5, 1.0))
    FrameStore(tmp_path).put(written, pixels)
    read = pickle.loads(pickle.dumps(FrameStore(tmp_path))).get(written)
    np.testing.assert_array_equal(read, pixels)
    for other in (written._replace(frame=99), written._replace(box=None)):
        assert FrameStore(tmp_path).get(other) is None


@pytest.mark.parametrize("files", [0, 1, 3, 10])
def test_bytes_are_bounded(tmp_path, files):
    store = FrameStore(tmp_path, max_bytes=files * FILE_BYTES)
    for frame in range(25):
        store.put(key(frame), picture(frame))
        assert bytes_of(tmp_path) <= store.max_bytes
        if files:
            np.testing.assert_array_equal(store.get(key(frame)), picture(frame))
    store.put(key(99, rows=1000), picture(99, rows=1000))
    assert store.get(key(99, rows=1000)) is None


def test_the_least_recently_read_goes_first(tmp_path):
    store = FrameStore(tmp_path, max_bytes=8 * FILE_BYTES)
    for frame in range(8):
        store.put(key(frame), picture(frame))
        os.utime(path_of(store, key(frame)), ns=(10**9, 10**9 + frame))
    store.get(key(0))
    store.put(key(8), picture(8))
    assert [f for f in range(9) if store.get(key(f)) is not None] == [0, *range(2, 9)]


@pytest.mark.parametrize("damage", [b"", b"sagepic1", b"sagepic1" + 8 * b"\xff", 19 * b"x"])
def test_a_damaged_file_is_not_there_and_can_be_written_again(tmp_path, damage):
    store = FrameStore(tmp_path)
    store.put(key(0), picture(0))
    whole = path_of(store, key(0)).read_bytes()
    for content in (damage, whole + b"x", whole[:-1]):
        path_of(store, key(0)).write_bytes(content)
        assert store.get(key(0)) is None
    store.put(key(0), picture(0))
    np.testing.assert_array_equal(store.get(key(0)), picture(0))


def _read_all(folder: Path, log: Path, seed: int) -> None:
    frames = np.random.default_rng(seed).permutation(40).tolist()
    cache = FrameCache(2**20, FrameStore(folder))

    def slow(keys):
        for k in keys:
            with log.open("a") as lines:
                lines.write(f"{k.frame}\n")
            time.sleep(0.001)
            yield k, picture(k.frame)

    for some in (frames[:15], frames[10:25], frames[20:]):
        got = cache.fetch([key(f) for f in some], slow, timeout=SOON)
        assert {k.frame: int(p[0, 0, 0]) for k, p in got.items()} == {f: f for f in some}
    stats = cache.stats
    assert stats.hits + stats.store_hits + stats.misses == 15 + 15 + 20


def test_processes_decode_each_picture_once(tmp_path):
    folder, log = tmp_path / "store", tmp_path / "log"
    readers = [fork(_read_all, folder, log, seed) for seed in range(4)]
    for reader in readers:
        reader.join(SOON)
        assert reader.exitcode == 0
    assert sorted(map(int, log.read_text().split())) == list(range(40))


def test_what_comes_between_looking_and_claiming_is_not_decoded_again(tmp_path, monkeypatch):
    store = FrameStore(tmp_path)
    claimed = store._files.claimed

    def late(names):
        FrameStore(tmp_path).put(key(1), picture(1))  # another process was just done with it
        return claimed(names)

    monkeypatch.setattr(store._files, "claimed", late)
    asked: list[int] = []

    def noted(keys):
        asked.extend(k.frame for k in keys)
        return decode(keys)

    came = {k.frame: decoded for k, _, decoded in store.fetch([key(f) for f in range(3)], noted)}
    assert asked == [0, 2] and came == {0: True, 1: False, 2: True}


def _hang(folder: Path, begun: Path) -> None:
    def hangs(keys):
        yield keys[0], picture(keys[0].frame)
        begun.touch()
        time.sleep(10 * SOON)

    list(FrameStore(folder).fetch([key(0), key(1)], hangs))


def test_what_a_process_that_dies_was_decoding_another_takes_over(tmp_path):
    store = FrameStore(tmp_path / "store")
    other = fork(_hang, store.folder, tmp_path / "begun")
    wait_for((tmp_path / "begun").exists)
    cache, asked = FrameCache(2**20, store), []

    def noted(keys):
        asked.extend(k.frame for k in keys)
        return decode(keys)

    with pytest.raises(TimeoutError, match="frame 1 of clip"):
        cache.fetch([key(0), key(1)], noted, timeout=0.05)
    os.kill(other.pid, signal.SIGKILL)
    other.join(SOON)
    assert len(cache.fetch([key(0), key(1)], noted, timeout=SOON)) == 2
    assert asked == [1]


def _claims(folder: Path, frame: int) -> None:
    store = FrameStore(folder)
    with store._files.claimed([store._name(key(frame))]) as mine:
        os._exit(0 if mine else 1)


def test_what_was_claimed_is_free_while_the_error_is_still_held(tmp_path, monkeypatch):
    def fail(_):
        raise ValueError("no picture")

    store = FrameStore(tmp_path)
    monkeypatch.setattr(frame_cache, "_frozen", fail)
    with pytest.raises(ValueError, match="no picture") as held:
        FrameCache(99, store).fetch([key(0), key(1)], decode)
    other = fork(_claims, tmp_path, 1)
    other.join(SOON)
    assert other.exitcode == 0 and held.value is not None


@pytest.mark.parametrize("stored", [0, 1, 3])
def test_pictures_requested_are_counted_once_even_if_decoding_fails(tmp_path, stored):
    for frame in range(stored):
        FrameStore(tmp_path).put(key(frame), picture(frame))

    def fails(keys):
        yield keys[0], picture(keys[0].frame)
        raise OSError("a bad sector")

    cache = FrameCache(99, FrameStore(tmp_path))
    with contextlib.suppress(OSError):
        cache.fetch([key(frame) for frame in range(3)], fails)
    stats = cache.stats
    assert (stats.hits, stats.store_hits, stats.misses) == (0, stored, 3 - stored)


def _write_on(folder: Path, seed: int) -> None:
    store, rng = FrameStore(folder, max_bytes=300_000), np.random.default_rng(seed)
    while True:
        frame = int(rng.integers(0, 200))
        store.put(key(frame, rows=2000), picture(frame, rows=2000))
        read = store.get(key(int(rng.integers(0, 200)), rows=2000))
        assert read is None or (read == read[0, 0, 0]).all()


def test_writers_killed_at_any_moment_leave_whole_pictures_and_bounded_bytes(tmp_path):
    for seed in range(4):
        writers = [fork(_write_on, tmp_path, 10 * seed + n) for n in range(2)]
        wait_for(lambda: bytes_of(tmp_path) > 100_000)
        time.sleep(0.02 + 0.013 * seed)
        for writer in writers:
            assert writer.is_alive()
            os.kill(writer.pid, signal.SIGKILL)
            writer.join(SOON)
        assert bytes_of(tmp_path) <= 300_000
        for file in tmp_path.glob("*.part"):
            os.utime(file, (1, 1))  # long ago
    store = FrameStore(tmp_path, max_bytes=300_000)
    for frame in range(200):
        read = store.get(key(frame, rows=2000))
        assert read is None or (read == frame % 256).all()
    for frame in range(200, 260):
        store.put(key(frame, rows=2000), picture(frame, rows=2000))
    assert bytes_of(tmp_path) <= 300_000 and not list(tmp_path.glob("*.part"))


def _die_in_put(folder: Path, frame: int) -> None:
    def die(*_):
        os.kill(os.getpid(), signal.SIGKILL)

    os.truncate, whole = (lambda *a: (whole(*a), die())), os.truncate
    FrameStore(folder, max_bytes=2 * FILE_BYTES).put(key(frame), picture(frame))


def test_a_process_killed_just_after_it_made_a_file_has_counted_it(tmp_path):
    FrameStore(tmp_path, max_bytes=2 * FILE_BYTES).put(key(0), picture(0))
    killed = -signal.SIGKILL
    for frame, end in ((1, killed), (2, killed), (3, 0)):  # the third finds no room
        writer = fork(_die_in_put, tmp_path, frame)
        writer.join(SOON)
        assert writer.exitcode == end
        assert bytes_of(tmp_path) <= 2 * FILE_BYTES


def test_without_its_folder_there_is_a_warning_and_everything_is_decoded(tmp_path):
    cache = FrameCache(0, FrameStore(tmp_path / "store"))
    shutil.rmtree(tmp_path / "store")
    with pytest.warns(RuntimeWarning, match="cannot be shared through this folder") as warned:
        assert len(cache.fetch([key(0), key(1)], decode)) == 2
        assert len(cache.fetch([key(0), key(1)], decode)) == 2
    assert len(warned) == 1


def test_negative_bytes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="0 or more, got -1"):
        FrameStore(tmp_path, -1)


def test_one_cache_per_folder_and_process(tmp_path):
    assert shared_cache(str(tmp_path)) is shared_cache(str(tmp_path)) is not shared_cache()
    assert shared_cache().store is None
