"""Laws of `sage_env.storage.bounded_folder`, `folder_ledger`: never more files than are counted.

Processes are killed, and calls fail, at every step that the docstring of `BoundedFolder` numbers.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
import warnings
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sage_env.storage import bounded_folder
from sage_env.storage.bounded_folder import BoundedFolder
from sage_env.storage.folder_ledger import FolderTotal, ledger_of

SOON = 20.0
KILLED = -signal.SIGKILL
FULL = OSError(28, "No space left on device")

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


def folder_in(path: Path, max_bytes: int = 100) -> BoundedFolder:
    return BoundedFolder(path, max_bytes, suffix=".bin", contents="things")


def name(number: int) -> str:
    return f"{number:08x}" * 4  # what a claim is of is in its first digits, as in a hash


def put(folder: BoundedFolder, number: int, nbytes: int = 10) -> None:
    folder.put(name(number), (b"#" * (nbytes // 2), memoryview(b"." * (nbytes - nbytes // 2))))


def content(folder: BoundedFolder, number: int) -> bytes | None:
    return folder.read(name(number), Path.read_bytes)


def counted(folder: BoundedFolder) -> int | None:
    with ledger_of(folder._ledger_path).locked_total() as total:
        return total.nbytes


def in_files(folder: BoundedFolder) -> int:
    return sum(p.stat().st_size for p in folder.folder.iterdir() if p != folder._ledger_path)


def names_in(folder: BoundedFolder) -> list[int]:
    return sorted(int(path.stem[:8], 16) for path in folder.folder.glob("*.bin"))


def partials(folder: BoundedFolder) -> list[Path]:
    return sorted(folder.folder.glob(".partial-*"))


def age(folder: BoundedFolder, number: int, when: int) -> None:
    os.utime(folder.path(name(number)), ns=(when, when))


def in_a_child(work, *arguments) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    child.join(SOON)
    code = child.exitcode
    if code is None:
        child.kill()
        child.join(SOON)
    return code


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), max_bytes=st.integers(0, 60))
def test_the_total_is_the_bytes_of_the_files_and_bounded(tmp_path_factory, data, max_bytes):
    folder = folder_in(tmp_path_factory.mktemp("bounded"), max_bytes)
    for _ in range(data.draw(st.integers(0, 20))):
        number, nbytes = data.draw(st.integers(0, 9)), data.draw(st.integers(0, 70))
        there = name(number) in folder
        before = content(folder, number)
        put(folder, number, nbytes)
        assert in_files(folder) == (counted(folder) or 0) <= max_bytes
        assert partials(folder) == []
        if there:
            assert content(folder, number) == before  # one name, one content
        elif nbytes <= max_bytes:
            assert len(content(folder, number) or b"") == nbytes
        else:
            assert content(folder, number) is None


def test_the_least_recently_read_go_until_an_eighth_is_free(tmp_path):
    folder = folder_in(tmp_path, 160)
    for number in range(16):
        put(folder, number)
        age(folder, number, 10**9 + number)
    assert content(folder, 0) is not None  # a reading is a use
    put(folder, 16)
    # 160 bytes are 16 files; 7/8 of them are 14, so that two go before one comes.
    assert names_in(folder) == [0, *range(3, 17)]
    assert counted(folder) == in_files(folder) == 150


def test_a_large_file_makes_room_for_itself(tmp_path):
    folder = folder_in(tmp_path, 160)
    for number in range(16):
        put(folder, number)
        age(folder, number, 10**9 + number)
    put(folder, 99, 100)
    assert names_in(folder) == [*range(10, 16), 99] and counted(folder) == 160


def test_a_system_that_takes_little_at_a_time_gets_all_of_it(tmp_path):
    class Little(FileIO):
        def write(self, content) -> int:
            return super().write(bytes(content)[:3])

    parts = b"0123456789", memoryview(b""), b"", memoryview(bytes(range(24))).cast("B", (2, 3, 4))
    with Little(tmp_path / "a", "wb") as file:
        bounded_folder._write(file, parts)
    assert (tmp_path / "a").read_bytes() == b"0123456789" + bytes(range(24))


def test_other_files_are_let_be_and_not_counted(tmp_path):
    (tmp_path / "notes.txt").write_text("x" * 500)
    folder = folder_in(tmp_path, 30)
    for number in range(9):
        put(folder, number)
    assert (tmp_path / "notes.txt").exists() and len(names_in(folder)) == 3


def test_two_kinds_in_one_folder_are_bounded_each(tmp_path):
    kinds = [folder_in(tmp_path, 60), BoundedFolder(tmp_path, 100, suffix=".rgb", contents="x")]
    for number in range(30):
        for kind in kinds:
            put(kind, number)
    assert [len(list(tmp_path.glob(f"*{suffix}"))) for suffix in (".bin", ".rgb")] == [6, 10]
    assert [counted(kind) for kind in kinds] == [60, 100]


def _racing(monkeypatch, meanwhile) -> None:
    """Do something once in step 5, when a file has been made and the lock is free."""
    write, done = bounded_folder._write, []

    def writing(file, parts):
        if not done:
            done.append(True)
            meanwhile()
        write(file, parts)

    monkeypatch.setattr(bounded_folder, "_write", writing)


def test_two_writers_of_one_name_are_counted_once(tmp_path, monkeypatch):
    one, two = folder_in(tmp_path), folder_in(tmp_path)
    _racing(monkeypatch, lambda: put(two, 7))
    put(one, 7)
    assert counted(one) == in_files(one) == 10 and partials(one) == []
    assert names_in(one) == [7]


def test_a_file_that_is_being_written_is_counted_by_who_lists_the_folder(tmp_path, monkeypatch):
    folder = folder_in(tmp_path, 100)
    put(folder, 0, 60)
    age(folder, 0, 10**9)

    def others() -> None:
        assert in_files(folder) == 100  # it has its full length from the start
        put(folder, 2, 50)  # there is no room beside it, but that of the oldest
        assert names_in(folder) == [2] and counted(folder) == 90
        put(folder, 3, 70)  # there is room only if what is being written goes: so none
        assert 3 not in names_in(folder) and counted(folder) == in_files(folder)

    _racing(monkeypatch, others)
    put(folder, 1, 40)
    assert 1 in names_in(folder) and counted(folder) == in_files(folder) <= 100


def test_what_a_writer_was_too_slow_with_is_not_taken_off_twice(tmp_path, monkeypatch):
    folder = folder_in(tmp_path, 100)

    def others() -> None:
        (partial,) = partials(folder)
        os.utime(partial, (1, 1))  # it has been halted for long
        put(folder, 2, 90)
        assert partials(folder) == [] and counted(folder) == 90

    _racing(monkeypatch, others)
    with pytest.warns(RuntimeWarning, match="cannot be shared"):
        put(folder, 1, 40)
    assert counted(folder) == in_files(folder) == 90


@pytest.mark.parametrize("error", [FULL, KeyboardInterrupt()], ids=["full", "interrupt"])
@pytest.mark.parametrize("step", ["open", "truncate", "write", "replace"])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_could_not_be_written_is_not_counted(tmp_path, monkeypatch, step, error):
    folder = folder_in(tmp_path)
    put(folder, 0)

    def fail(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        if step == "open":
            patch.setattr(bounded_folder, "open", fail, raising=False)
        elif step == "write":
            patch.setattr(bounded_folder, "_write", fail)
        else:
            patch.setattr(os, step, fail)
        if isinstance(error, KeyboardInterrupt):
            with pytest.raises(KeyboardInterrupt):
                put(folder, 1)
        else:
            put(folder, 1)
    assert counted(folder) == in_files(folder) == 10 and partials(folder) == []
    put(folder, 1)
    assert names_in(folder) == [0, 1] and counted(folder) == 20


def test_a_folder_that_does_not_work_is_one_warning(tmp_path, monkeypatch):
    folder = folder_in(tmp_path)
    put(folder, 0)

    def fail(*_, **__):
        raise FULL

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        monkeypatch.setattr(os, "replace", fail)
        put(folder, 1)
        put(folder, 2)
        assert folder.read(name(0), fail) is None
    assert [str(w.message) for w in caught] == [
        f"{tmp_path}: things cannot be shared through this folder ({FULL}); they are made again "
        "where needed: free some space, or name another folder"
    ]
    assert content(folder, 0) is not None  # what could not be read was not thrown away


def test_what_was_read_is_returned_even_if_its_age_cannot_be_set(tmp_path, monkeypatch):
    folder = folder_in(tmp_path)
    put(folder, 0)

    def refused(*_, **__):
        raise PermissionError(1, "of another user")

    monkeypatch.setattr(os, "utime", refused)
    assert content(folder, 0) == b"#####....."


def test_a_damaged_file_is_deleted_and_the_count_stays_above(tmp_path):
    folder = folder_in(tmp_path)
    put(folder, 0)
    put(folder, 1)
    folder.path(name(0)).write_bytes(b"longer than what was counted")
    assert folder.read(name(0), lambda path: None) is None
    assert names_in(folder) == [1] and (counted(folder) or 0) >= in_files(folder)


def _dies(module, function: str, after: bool, call: int = 1):
    """Make a function kill its process, before or after it has done its work the n-th time."""
    real, calls = getattr(module, function), []

    def dying(*arguments, **named):
        calls.append(1)
        if len(calls) == call and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = real(*arguments, **named)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(module, function, dying)


def _put_and_die(path: Path, module, function: str, after: bool, call: int) -> None:
    folder = folder_in(path, 60)
    _dies(module, function, after, call)
    put(folder, 50, 20)
    os._exit(0)


@pytest.mark.parametrize("files", [2, 6], ids=["room", "full"])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(
    ("module", "function", "call"),
    [
        (os, "scandir", 1),
        (os, "unlink", 1),
        (os, "unlink", 2),
        (FolderTotal, "set", 1),
        (os, "truncate", 1),
        (bounded_folder, "_write", 1),
        (os, "replace", 1),
    ],
)
def test_a_process_killed_at_any_step_leaves_no_more_than_is_counted(
    tmp_path, files, after, module, function, call
):
    folder = folder_in(tmp_path, 60)
    for number in range(files):
        put(folder, number)
        age(folder, number, 10**9 + number)
    unreached = files == 2 and function in ("scandir", "unlink")
    code = in_a_child(_put_and_die, tmp_path, module, function, after, call)
    assert code == (0 if unreached else KILLED)
    assert (counted(folder) or 0) >= in_files(folder) <= 60
    for partial in partials(folder):
        os.utime(partial, (1, 1))  # long ago
    for number in range(100, 107):  # the folder is listed once on the way
        put(folder, number)
    assert counted(folder) == in_files(folder) <= 60 and partials(folder) == []


def test_a_folder_without_a_total_is_counted(tmp_path):
    folder = folder_in(tmp_path)
    put(folder, 0)
    put(folder, 1)
    os.truncate(folder._ledger_path, 0)
    put(folder, 2)
    assert counted(folder) == in_files(folder) == 30


def _claim(path: Path, numbers: list[int], said: Path, hold: bool) -> None:
    with folder_in(path).claimed([name(n) for n in numbers]) as mine:
        said.write_text(" ".join(str(int(n[:8], 16)) for n in mine) or "none")
        while hold:
            time.sleep(0.01)


def granted(path: Path, numbers: list[int], said: Path) -> list[int]:
    said.unlink(missing_ok=True)
    assert in_a_child(_claim, path, numbers, said, False) == 0
    return [int(word) for word in said.read_text().split() if word != "none"]


def test_claims_keep_processes_apart_until_their_block_ends(tmp_path):
    folder, said = folder_in(tmp_path / "store"), tmp_path / "said"
    with folder.claimed([name(2), name(1)]) as mine:
        assert mine == [name(2), name(1)]  # in the order asked for
        assert granted(folder.folder, [3, 1, 2, 0], said) == [3, 0]
    assert granted(folder.folder, [3, 1, 2, 0], said) == [3, 1, 2, 0]
    with pytest.raises(ValueError, match="the block's"), folder.claimed([name(1)]):
        raise ValueError("the block's")
    assert granted(folder.folder, [1], said) == [1]


def test_claims_of_a_process_that_dies_are_free(tmp_path):
    folder, said = folder_in(tmp_path / "store"), tmp_path / "said"
    context = multiprocessing.get_context("fork")
    other = context.Process(target=_claim, args=(folder.folder, [1, 2], said, True), daemon=True)
    other.start()
    until = time.monotonic() + SOON
    while not said.exists() or not said.read_text():
        assert time.monotonic() < until
        time.sleep(0.002)
    with folder.claimed([name(1), name(3)]) as mine:
        assert mine == [name(3)]
    os.kill(other.pid or 0, signal.SIGKILL)
    other.join(SOON)
    with folder.claimed([name(1), name(3)]) as mine:
        assert mine == [name(1), name(3)]


def test_claims_do_not_lengthen_the_ledger_nor_meet_the_total(tmp_path, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "SOON", 2.0)  # what fails here hangs
    folder = folder_in(tmp_path)
    put(folder, 0)
    names = ["0" * 32, "f" * 32, "8" + "0" * 31]
    with folder.claimed(names) as mine:
        assert mine == names
        assert in_a_child(put, folder, 1) == 0
    with ledger_of(folder._ledger_path).locked_total():
        assert granted(tmp_path, [0], tmp_path / "said") == [0]
    assert folder._ledger_path.read_bytes() == (20).to_bytes(8, "little")


def test_negative_bytes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="0 or more, got -1"):
        folder_in(tmp_path, -1)
