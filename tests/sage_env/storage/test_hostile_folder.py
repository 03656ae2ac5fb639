"""Laws of `sage_env.storage.bounded_folder`, `folder_ledger`, `atomic_file`, `warn_once`.

Where something else stands than a file, and where the system refuses to write.
"""

from __future__ import annotations

import errno
import os
import stat
import warnings
from pathlib import Path

import pytest

from sage_env.storage import bounded_folder
from sage_env.storage.atomic_file import atomic_folder, atomic_write
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.folder_ledger import FolderTotal, ledger_of
from sage_env.storage.regular_file import open_regular
from sage_env.storage.warn_once import warn_once
from tests.helpers.storage.odd_entries import ODD, is_untouched, put_odd

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs POSIX files")
NAME = "0123abcd" * 4
READ_ONLY = OSError(errno.EROFS, "Read-only file system")


def folder_in(path: Path) -> BoundedFolder:
    return BoundedFolder(path, 1000, suffix=".bin", contents="things")


def parse(path: Path) -> bytes:
    with open(open_regular(path), "rb") as file:
        return file.read()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    made = tmp_path / "elsewhere"
    made.mkdir()
    return made


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_file_is_no_entry_and_what_it_leads_to_stays(
    tmp_path: Path, elsewhere: Path, kind: str
) -> None:
    folder = folder_in(tmp_path / "store")
    path = folder.path(NAME)
    for read_first in (True, False):
        target = put_odd(kind, path, elsewhere)
        there = kind == "hard link"  # which is a file like any other for who only reads
        assert (NAME in folder) == there
        if read_first:
            assert (folder.read(NAME, parse) is None) != there
        folder.put(NAME, (b"content",))
        assert is_untouched(kind, path, target)
        if kind not in ("folder", "hard link"):
            assert folder.read(NAME, parse) == b"content" and not path.is_symlink()


@pytest.mark.parametrize("kind", ODD)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_ledger_that_is_no_file_is_not_written_through(
    tmp_path: Path, elsewhere: Path, kind: str
) -> None:
    store = tmp_path / "store"
    folder_in(store).put(NAME, (b"content",))
    ledger = store / "ledger-bin"
    ledger_of.cache_clear()
    target = put_odd(kind, ledger, elsewhere)
    folder = folder_in(store)
    folder.put("9" * 32, (b"more",))
    with folder.claimed([NAME, "9" * 32]) as mine:
        assert mine == [NAME, "9" * 32]
    assert folder.read(NAME, parse) == b"content"  # what is there can be read all the same
    assert is_untouched(kind, ledger, target)
    ledger_of.cache_clear()


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_folders_and_links_in_the_way_do_not_stop_the_counting(
    tmp_path: Path, elsewhere: Path
) -> None:
    folder = folder_in(tmp_path / "store")
    for kind in ("folder", "dangling", "loop", "pipe"):
        target = put_odd(kind, folder.folder / f"{kind}.bin", elsewhere)
    for number in range(30):
        folder.put(f"{number:032x}", (bytes(100),))
    left = [path for path in folder.folder.glob("0*.bin")]
    assert 5 < len(left) <= 10 and is_untouched("folder", folder.folder / "folder.bin", target)


def _refuse(monkeypatch: pytest.MonkeyPatch, error: OSError, *names: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    for name in names:
        monkeypatch.setattr(os, name, fail)


@pytest.mark.parametrize("refused", ["mkdir", "open", "everything", "a file is there"])
def test_a_folder_that_cannot_be_made_or_written_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    store = tmp_path / "store"
    if refused == "a file is there":
        store.write_bytes(b"mine")
    elif refused == "mkdir":
        _refuse(monkeypatch, READ_ONLY, "mkdir")
    elif refused == "open":
        _refuse(monkeypatch, READ_ONLY, "open")
    else:
        _refuse(monkeypatch, READ_ONLY, "mkdir", "open", "replace", "unlink", "truncate", "utime")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for _ in range(2):
            folder = folder_in(store)
            folder.put(NAME, (b"content",))
            assert folder.read(NAME, parse) is None
            with folder.claimed([NAME]) as mine:
                assert mine == [NAME]
    assert [w.category for w in caught] == [RuntimeWarning]
    assert "things cannot be shared through this folder" in str(caught[0].message)
    assert store.exists() == (refused in ("open", "a file is there"))


def test_a_folder_that_became_read_only_serves_what_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_in(tmp_path).put(NAME, (b"content",))
    ledger_of.cache_clear()
    real = os.open

    def reading_only(path, flags, *more, **named):
        if flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            raise READ_ONLY
        return real(path, flags, *more, **named)

    monkeypatch.setattr(os, "open", reading_only)
    _refuse(monkeypatch, READ_ONLY, "utime", "unlink")
    with pytest.warns(RuntimeWarning, match="Read-only"):
        folder = folder_in(tmp_path)
    assert folder.read(NAME, parse) == b"content"
    ledger_of.cache_clear()


def test_a_system_that_takes_nothing_is_full_and_not_asked_for_ever(tmp_path: Path) -> None:
    class Nothing:
        def write(self, content: object) -> int:
            return 0

    with pytest.raises(OSError, match="No space"):
        bounded_folder._write(Nothing(), (b"content",))


def test_a_total_that_is_written_by_half_is_an_error(tmp_path: Path, monkeypatch) -> None:
    with ledger_of(tmp_path / "ledger").locked_total() as total:
        assert isinstance(total, FolderTotal)
        monkeypatch.setattr(os, "pwrite", lambda file, data, at: 3)
        with pytest.raises(OSError, match="No space"):
            total.set(7)


def test_a_warning_is_given_once_for_each_folder_and_kind(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for kind in ("pictures", "indexes", "pictures"):
            for folder in (tmp_path, tmp_path / "other"):
                warn_once(folder, kind, f"{folder} {kind}")
    assert len(caught) == 4


@pytest.mark.parametrize("kind", ["link", "dangling", "loop", "hard link"])
def test_a_file_takes_the_place_of_a_link_and_what_it_led_to_stays(
    tmp_path: Path, elsewhere: Path, kind: str
) -> None:
    path = tmp_path / "report.html"
    target = put_odd(kind, path, elsewhere)
    atomic_write(path, "new")
    assert path.read_text() == "new" and not path.is_symlink()
    assert is_untouched(kind, path, target)


def test_a_link_is_a_link_wherever_it_leads(tmp_path: Path, elsewhere: Path) -> None:
    os.mkfifo(elsewhere / "pipe")
    (elsewhere / "private").write_bytes(b"x")
    (elsewhere / "private").chmod(0o4751)
    for to in ("pipe", "private", "."):
        (tmp_path / "file").unlink(missing_ok=True)
        (tmp_path / "file").symlink_to(elsewhere / to)
        atomic_write(tmp_path / "file", "new")
        assert (tmp_path / "file").read_text() == "new"
        assert stat.S_IMODE(os.lstat(tmp_path / "file").st_mode) != 0o4751
    assert stat.S_ISFIFO(os.lstat(elsewhere / "pipe").st_mode)


@pytest.mark.parametrize("kind", ["pipe", "socket", "folder"])
def test_what_is_no_file_is_not_replaced_by_one(tmp_path: Path, elsewhere: Path, kind: str) -> None:
    path = tmp_path / "report.html"
    target = put_odd(kind, path, elsewhere)
    before = os.lstat(path)
    with pytest.raises(OSError, match=r"expected a file to replace, found .*report\.html"):
        atomic_write(path, "new")
    assert os.lstat(path).st_mode == before.st_mode and is_untouched(kind, path, target)
    assert not list(tmp_path.glob(".partial*"))


def test_a_device_is_not_replaced(tmp_path: Path) -> None:
    device = tmp_path / "null"
    try:
        os.mknod(device, 0o600 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("devices cannot be made here")
    with pytest.raises(OSError, match="found a pipe or a device"):
        atomic_write(device, b"new")
    assert stat.S_ISCHR(os.lstat(device).st_mode)
    folder = folder_in(tmp_path)
    device.rename(folder.path(NAME))
    assert folder.read(NAME, parse) is None and NAME not in folder


def test_a_folder_takes_no_place_that_is_taken(tmp_path: Path, elsewhere: Path) -> None:
    target = put_odd("link", tmp_path / "made", elsewhere)
    with pytest.raises(OSError), atomic_folder(tmp_path / "made") as partial:
        (partial / "file").write_text("new")
    assert is_untouched("link", tmp_path / "made", target)
