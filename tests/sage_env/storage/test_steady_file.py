"""Laws of `sage_env.storage.steady_file` and `fingerprint`: one version of a file, or an error."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.storage.fingerprint import WHOLE_BYTES, fingerprint
from sage_env.storage.steady_file import FileChanged, SteadyFile

SIZES = {"small": 1000, "large": WHOLE_BYTES + 50_000}
HIDDEN = WHOLE_BYTES // 2 + 9000  # a byte of the large file that no piece holds
OLD = 10**18  # nanoseconds since 1970: long ago


@pytest.fixture(params=SIZES)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    file = tmp_path / "file"
    file.write_bytes(bytes(range(250)) * (SIZES[request.param] // 250))
    os.utime(file, ns=(OLD, OLD))
    return file


def content_id(path: Path) -> str:
    with open(path, "rb") as file:
        return fingerprint(file.fileno()).content_id


def rewrite(path: Path) -> None:
    """Write over one byte, and set the time of modification back."""
    size = path.stat().st_size
    with open(path, "r+b") as file:
        file.seek(min(HIDDEN, size // 2))
        old = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([(old + 1) % 256]))
    os.utime(path, ns=(OLD, OLD))


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(moves=st.lists(st.tuples(st.integers(0, 1200), st.integers(-1, 400)), max_size=8))
def test_it_reads_as_a_file_does(tmp_path: Path, moves: list[tuple[int, int]]) -> None:
    file = tmp_path / "file"
    file.write_bytes(os.urandom(1000))
    steady = SteadyFile(file)
    with open(file, "rb") as plain:
        for at, count in moves:
            assert steady.seek(at) == plain.seek(at) == steady.tell()
            assert steady.read(count) == plain.read(count)
            assert steady.tell() == plain.tell()
        assert steady.seek(-3, os.SEEK_END) == 997 and steady.seek(1, os.SEEK_CUR) == 998
        assert steady.read() == plain.read()[-2:] or steady.tell() == 1000
        assert steady.read_at(990, 50) == file.read_bytes()[990:]
    steady.close()
    steady.close()


def test_versions_have_ids_of_their_own(path: Path) -> None:
    first = content_id(path)
    assert content_id(path) == first
    rewrite(path)  # the same size, time and file
    assert content_id(path) != first
    second = content_id(path)
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    rewrite(copy)
    assert len({first, second, content_id(copy)}) == 3
    os.utime(path, ns=(OLD, OLD + 1))
    assert content_id(path) not in (first, second)


def test_a_copy_that_keeps_the_time_is_the_same_where_all_of_it_was_read(path: Path) -> None:
    copy = path.with_name("copy")
    shutil.copy2(path, copy)
    assert (content_id(copy) == content_id(path)) == (path.stat().st_size <= WHOLE_BYTES)
    path.with_name("way").symlink_to(path)
    assert content_id(path.with_name("way")) == content_id(path)


CHANGES: dict[str, Callable[[Path], object]] = {
    "rewritten": rewrite,
    "appended": lambda path: path.open("ab").write(b"x"),
    "cut": lambda path: os.truncate(path, 400),
    "emptied and written again": lambda path: path.write_bytes(path.read_bytes()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_who_writes_over_an_open_file_is_noticed_before_anything_is_read(
    path: Path, change: str
) -> None:
    steady = SteadyFile(path)
    steady.read(100)
    expected = steady.fingerprint
    CHANGES[change](path)
    for read in (steady.read, lambda: steady.read_at(0, 10), steady.check):
        with pytest.raises(FileChanged, match="open it again"):
            read()
    steady.close()
    with pytest.raises(FileChanged):
        SteadyFile(path, expected)
    SteadyFile(path).close()


def _replace(path: Path) -> None:
    other = path.with_name("other")
    other.write_bytes(path.read_bytes()[::-1])
    os.utime(other, ns=(OLD, OLD))
    os.replace(other, path)


HARMLESS: dict[str, Callable[[Path], object]] = {
    "replaced": _replace,
    "deleted": os.unlink,
    "moved": lambda path: os.rename(path, path.with_name("moved")),
    "made read-only": lambda path: os.chmod(path, 0o444),
    "linked": lambda path: os.link(path, path.with_name("second")),
}


@pytest.mark.parametrize("change", HARMLESS)
def test_what_changes_names_and_permissions_alone_lets_reads_go_on(path: Path, change: str) -> None:
    whole, steady = path.read_bytes(), SteadyFile(path)
    expected = steady.fingerprint
    HARMLESS[change](path)
    assert steady.read() == whole and steady.read_at(5, 9) == whole[5:14]
    if change in ("made read-only", "linked"):
        assert SteadyFile(path, expected).read() == whole
    else:
        with pytest.raises(OSError):
            SteadyFile(path, expected)
    for where in (path, path.with_name("moved")):  # and who writes then is noticed all the same
        if change != "replaced" and where.exists():
            where.chmod(0o644)
            where.write_bytes(whole[:-1])
            with pytest.raises(FileChanged):
                steady.read_at(0, 1)


def test_who_writes_and_then_adds_a_name_is_noticed_where_a_piece_shows_it(path: Path) -> None:
    steady = SteadyFile(path)
    with open(path, "r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(OLD, OLD))
    os.link(path, path.with_name("second"))
    with pytest.raises(FileChanged):
        steady.read(1)


def test_who_writes_and_changes_permissions_is_noticed_by_the_time(path: Path) -> None:
    steady = SteadyFile(path)
    rewrite(path)
    os.utime(path, ns=(OLD, OLD + 1))
    path.chmod(0o600)
    with pytest.raises(FileChanged):
        steady.read(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_parent_and_child_read_on_where_they_were(path: Path) -> None:
    whole, steady = path.read_bytes(), SteadyFile(path)
    steady.seek(100)
    child = os.fork()
    if not child:
        steady.seek(300)
        os._exit(steady.read(50) != whole[300:350])
    assert os.waitpid(child, 0)[1] == 0
    assert steady.read(50) == whole[100:150]
    assert os.lseek(steady._file, 0, os.SEEK_CUR) == 0  # the place that they share is not used
