"""Laws of `policies.sage_mm.vision.picture_file`: pixels come back, bounded, for one process."""

from __future__ import annotations

import copy
import os
import pickle
from io import BytesIO

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from policies.sage_mm.vision import picture_file
from policies.sage_mm.vision.picture_file import PictureFile

ONE = 4 * 6 * 3


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (4, 6, 3), dtype=np.uint8)


@given(st.lists(st.integers(0, 30), max_size=80), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_what_was_put_last_is_there_as_it_was(numbers: list[int], room: int) -> None:
    kept = PictureFile(2 * room * ONE)
    for number in numbers:
        kept.put(bytes([number]), picture(number))
    recent = list(dict.fromkeys(reversed(numbers)))
    for rank, number in enumerate(recent):
        found = kept.get(bytes([number]))
        if rank < room:
            assert found is not None
        if found is not None:
            assert found.dtype == np.uint8 and np.array_equal(found, picture(number))
    assert sum(kept.get(bytes([n])) is not None for n in set(numbers)) <= 2 * room
    assert kept.get(b"no such key") is None


def test_a_copy_begins_empty() -> None:
    kept = PictureFile(1 << 20)
    kept.put(b"a", picture(0))
    for other in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
        assert other.get(b"a") is None
        other.put(b"a", picture(1))
        assert np.array_equal(other.get(b"a"), picture(1))
    assert np.array_equal(kept.get(b"a"), picture(0))


def test_a_forked_child_does_not_write_into_its_parents_file() -> None:
    kept = PictureFile(1 << 20)
    kept.put(b"a", picture(0))
    child = os.fork()
    if not child:
        kept.put(b"b", picture(1))
        os._exit(0 if np.array_equal(kept.get(b"b"), picture(1)) else 1)
    assert os.waitpid(child, 0)[1] == 0
    kept.put(b"c", picture(2))
    for number, key in enumerate((b"a", b"c")):
        assert np.array_equal(kept.get(key), picture(2 * number))


class Narrow:
    """A file that takes `most` bytes at a time, and is full after so many `writes`."""

    def __init__(self, most: int, writes: int = 1000) -> None:
        self.file, self.most, self.left = BytesIO(), most, writes
        self.seek = self.file.seek

    def write(self, data: memoryview) -> int:
        self.left -= 1
        if self.left < 0:
            raise OSError(28, "No space left on device")
        return self.file.write(data[: self.most])

    def read(self, count: int) -> bytes:
        return self.file.read(count)


def test_a_full_disk_is_a_warning(monkeypatch, caplog) -> None:
    monkeypatch.setattr(picture_file.tempfile, "TemporaryFile", lambda **_: Narrow(30, writes=2))
    kept = PictureFile(1 << 20)
    for number in range(3):
        kept.put(bytes([number]), picture(number))
    assert [kept.get(bytes([number])) for number in range(3)] == [None] * 3
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "No space left" in caplog.text


def test_writes_that_are_cut_short_go_on(monkeypatch) -> None:
    file = Narrow(5)
    monkeypatch.setattr(picture_file.tempfile, "TemporaryFile", lambda **_: file)
    kept = PictureFile(1 << 20)
    kept.put(b"a", picture(3))
    assert np.array_equal(kept.get(b"a"), picture(3))
    file.file.truncate(40)
    assert kept.get(b"a") is None
