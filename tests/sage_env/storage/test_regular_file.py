"""Laws of `sage_env.storage.regular_file`: no link is followed, no pipe waited for."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from sage_env.storage.regular_file import NotRegular, is_regular, open_regular
from tests.helpers.storage.odd_entries import ODD, is_untouched, put_odd

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
READ, WRITE = os.O_RDONLY, os.O_RDWR | os.O_CREAT


def test_a_file_is_read_and_written_and_made(tmp_path: Path) -> None:
    file = open_regular(tmp_path / "new", WRITE)
    os.write(file, b"content")
    os.close(file)
    file = open_regular(tmp_path / "new")
    assert os.read(file, 99) == b"content" and is_regular(tmp_path / "new")
    os.close(file)
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "none")
    assert not is_regular(tmp_path / "none") and not is_regular("nul\0l")


@pytest.mark.parametrize("flags", [READ, WRITE], ids=["read", "write"])
@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_file_of_its_own_is_refused_at_once(
    tmp_path: Path, kind: str, flags: int
) -> None:
    path, elsewhere = tmp_path / "entry", tmp_path / "elsewhere"
    elsewhere.mkdir()
    target = put_odd(kind, path, elsewhere)
    outcome: list[BaseException | int] = []

    def attempt() -> None:
        try:
            outcome.append(open_regular(path, flags))
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(5.0)  # who opens a pipe may wait for ever
    assert outcome and is_untouched(kind, path, target)
    if kind == "hard link" and flags == READ:
        os.close(outcome[0])
        return
    assert isinstance(outcome[0], NotRegular) and "delete it" in str(outcome[0])
    assert is_regular(path) == (kind == "hard link")


def test_links_among_the_folders_above_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").write_bytes(b"x")
    (tmp_path / "way").symlink_to(tmp_path / "real")
    descriptor = open_regular(tmp_path / "way" / "file", WRITE)
    assert os.path.samestat(os.fstat(descriptor), os.stat(tmp_path / "real" / "file"))
    os.close(descriptor)


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    for _ in range(20):
        with pytest.raises(NotRegular):
            open_regular(tmp_path / "pipe")
    if before:
        assert len(os.listdir("/proc/self/fd")) == before
