"""Laws of `sage_env.storage.atomic_file`: a file is whole or as it was, whoever writes or fails."""

from __future__ import annotations

import ast
import errno
import json
import multiprocessing
import os
import stat
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sage_env.storage import atomic_file
from sage_env.storage.atomic_file import (
    atomic_folder,
    atomic_path,
    atomic_write,
    is_abandoned,
    partial_path,
)

ROOT = Path(__file__).parents[3]
SOON = 20.0
LATER = 120.0  # for threads that share an interpreter with busy ones
ERRORS = [ValueError("a bad value"), KeyboardInterrupt(), SystemExit(3), OSError(5, "bad sector")]
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked here")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def in_a_child(work, *arguments) -> int | None:
    child = multiprocessing.get_context("fork").Process(target=work, args=arguments)
    child.start()
    child.join(SOON)
    return child.exitcode


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content="a\nb\r\nc\rd")
@given(content=st.one_of(st.text(st.characters(exclude_categories=["Cs"])), st.binary()))
def test_what_is_written_is_what_is_there(tmp_path, content):
    for durable in (False, True):
        atomic_write(tmp_path / "a.txt", content, durable=durable)
        expected = content.encode("utf-8") if isinstance(content, str) else content
        assert (tmp_path / "a.txt").read_bytes() == expected  # line ends too
        assert os.listdir(tmp_path) == ["a.txt"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(content="a\ud800b\udfff")
@given(content=st.text(st.characters(categories=["Cs", "Lu", "Po"])))
def test_half_a_character_is_written_as_its_escape(tmp_path, content):
    """A whole file of UTF-8 in any case, and JSON that says the same."""
    atomic_write(tmp_path / "a.json", json.dumps([content], ensure_ascii=False))
    text = (tmp_path / "a.json").read_text("utf-8")
    assert json.dumps(json.loads(text)) == json.dumps([content])


@pytest.mark.parametrize("error", ERRORS, ids=repr)
@pytest.mark.parametrize("old", [None, b"the old one"])
@pytest.mark.parametrize("step", ["block", "fsync", "replace"])
def test_after_any_failure_the_old_file_is_there_alone(tmp_path, monkeypatch, error, old, step):
    target = tmp_path / "a.bin"
    if old is not None:
        target.write_bytes(old)

    def fail(*_, **__):
        raise error

    if step != "block":
        monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)) as raised, atomic_path(target, durable=True) as partial:
        partial.write_bytes(b"half of the ne")
        if step == "block":
            raise error
    assert raised.value is error
    assert os.listdir(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or target.read_bytes() == old


def test_the_first_error_is_the_one_to_see(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise PermissionError(13, "the folder cannot be changed any more")

    monkeypatch.setattr(Path, "unlink", fail)
    with pytest.raises(ValueError, match="the first"), atomic_path(tmp_path / "a"):
        raise ValueError("the first")


def test_two_writers_of_one_file_never_write_into_each_other(tmp_path):
    target = tmp_path / "a.txt"
    with atomic_path(target) as one, one.open("w") as first:
        first.write("one" * 1000)
        with atomic_path(target) as two, two.open("w") as second:
            second.write("two" * 2000)
        assert target.read_text() == "two" * 2000
        first.write("one" * 1000)
    assert target.read_text() == "one" * 2000
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_reader_sees_a_whole_file_whoever_writes(tmp_path):
    target, errors, ended = tmp_path / "a.bin", [], threading.Event()
    atomic_write(target, b"0" * 100_000)

    def write(letter: bytes) -> None:
        try:
            for number in range(1, 60):
                atomic_write(target, letter * (100_000 + number))
        except BaseException as error:
            errors.append(error)

    def read() -> None:
        while not ended.is_set():
            content = target.read_bytes()
            if len(content) < 100_000 or content.count(content[:1]) != len(content):
                errors.append(content[:10])
            time.sleep(0)  # else the readers' turns of the interpreter starve the writers

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(letter,)) for letter in (b"1", b"2")]
    reader.start()
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(LATER)
    ended.set()
    reader.join(LATER)
    assert not any(thread.is_alive() for thread in (*writers, reader))
    assert errors == [] and os.listdir(tmp_path) == ["a.bin"]


@posix
def test_no_name_is_given_twice_not_in_a_forked_process_either(tmp_path):
    target, names = tmp_path / "a.mp4", tmp_path / "names"

    def note() -> None:
        with names.open("a") as file:
            file.write("".join(f"{partial_path(target).name}\n" for _ in range(50)))

    assert [in_a_child(note) for _ in range(3)] == [0, 0, 0]
    note()
    given_out = names.read_text().split()
    assert len(set(given_out)) == len(given_out) == 200
    assert partial_path(target).parent == tmp_path  # a rename across file systems is none
    assert partial_path(target, ".mp4").name.endswith(".part.mp4")


def test_the_longest_name_of_a_file_has_a_temporary_one(tmp_path):
    for name in ("a" * 255, "é" * 127, "🎞" * 63):
        atomic_write(tmp_path / name, "whole")
        assert (tmp_path / name).read_text() == "whole"


@posix
@pytest.mark.parametrize("umask", [0o022, 0o077, 0o002])
def test_permissions_are_those_that_opening_would_give(tmp_path, umask):
    before = os.umask(umask)
    try:
        (tmp_path / "plain").write_text("x")
        atomic_write(tmp_path / "new", "x")
        assert mode(tmp_path / "new") == mode(tmp_path / "plain")
        for old in (0o600, 0o664, 0o755):
            atomic_write(tmp_path / "old", "x")
            (tmp_path / "old").chmod(old)
            atomic_write(tmp_path / "old", "y")
            assert mode(tmp_path / "old") == old
            assert (tmp_path / "old").read_text() == "y"
    finally:
        os.umask(before)


def test_the_errors_are_those_of_the_system(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder") as raised:
        atomic_write(tmp_path / "folder", "x")
    assert isinstance(raised.value, (IsADirectoryError, PermissionError))
    with pytest.raises(FileNotFoundError):
        atomic_write(tmp_path / "missing" / "a", "x")
    assert os.listdir(tmp_path) == ["folder"] and os.listdir(tmp_path / "folder") == []


def _write_more_than_allowed(target: Path) -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
    try:
        atomic_write(target, b"y" * 5000)
    except OSError as error:
        os._exit(error.errno or 0)
    os._exit(0)


@pytest.mark.skipif(sys.platform != "linux", reason="a limit on files is set as on Linux")
def test_a_file_that_does_not_fit_leaves_the_old_one(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"the old one")
    assert in_a_child(_write_more_than_allowed, target) == errno.EFBIG
    assert target.read_bytes() == b"the old one" and os.listdir(tmp_path) == ["a.bin"]


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the super-user may write anywhere"
)
def test_a_folder_that_cannot_be_written_to_is_an_error(tmp_path):
    atomic_write(tmp_path / "a", "old")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError):
            atomic_write(tmp_path / "a", "new")
        assert (tmp_path / "a").read_text() == "old"
    finally:
        tmp_path.chmod(0o700)


@posix
def test_durable_flushes_the_file_before_it_has_its_name_and_the_folder_after(
    tmp_path, monkeypatch
):
    steps: list[str] = []
    flush, replace, rename = atomic_file._flush, os.replace, os.rename
    monkeypatch.setattr(
        atomic_file, "_flush", lambda path: (steps.append(path.name.split("-")[0]), flush(path))
    )
    monkeypatch.setattr(os, "replace", lambda *a: (steps.append("replace"), replace(*a)))
    monkeypatch.setattr(os, "rename", lambda *a: (steps.append("rename"), rename(*a)))
    folder = tmp_path / "runs"
    folder.mkdir()
    atomic_write(folder / "a", "x", durable=True)
    assert steps == [".partial", "replace", "runs"]
    steps.clear()
    with atomic_folder(folder / "b", durable=True) as partial:
        (partial / "1").write_text("x")
        (partial / "2").write_text("y")
    assert steps == ["1", "2", ".partial", "rename", "runs"]
    steps.clear()
    atomic_write(folder / "a", "x")
    assert steps == ["replace"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path):
    target = tmp_path / "deeper" / "a"
    with atomic_folder(target) as partial:
        (partial / "file").write_text("x")
        assert not target.exists()
    assert (target / "file").read_text() == "x"
    for error in ERRORS:
        with pytest.raises(type(error)) as raised, atomic_folder(tmp_path / "b") as partial:
            (partial / "file").write_text("half")
            raise error
        assert raised.value is error and os.listdir(tmp_path) == ["deeper"]
    with pytest.raises(OSError), atomic_folder(target) as partial:  # noqa: PT011 - of the system
        (partial / "file").write_text("y")
    assert (target / "file").read_text() == "x" and os.listdir(target.parent) == ["a"]


@posix
def test_only_a_writer_that_has_ended_has_abandoned_its_file(tmp_path):
    target, names = tmp_path / "update-000003", tmp_path / "names"
    assert not is_abandoned(partial_path(target)) and not is_abandoned(partial_path(target, ".mp4"))
    assert in_a_child(lambda: names.write_text(partial_path(target).name)) == 0
    assert is_abandoned(tmp_path / names.read_text())
    assert is_abandoned(tmp_path / ".partial-update-000003")  # it does not say who
    assert is_abandoned(tmp_path / f".partial-a-{10**30}-{'0' * 32}.part")


def test_what_killed_writers_left_goes_with_the_next_success_and_nothing_else_does(tmp_path):
    target, hour = tmp_path / "film[1].mp4", 3600.0  # brackets are no pattern
    dead = 2**22 + 1  # above the largest process id of Linux
    left = {
        "old": f".partial-{target.name}-{dead}-{'a' * 32}.part",
        "young": f".partial-{target.name}-{dead}-{'b' * 32}.part.mp4",
        "alive": f".partial-{target.name}-{os.getpid()}-{'c' * 32}.part",
        "other": f".partial-film1.mp4-{dead}-{'d' * 32}.part",
    }
    for kind, name in left.items():
        (tmp_path / name).write_bytes(b"half")
        if kind != "young":
            os.utime(tmp_path / name, (0, time.time() - 2 * hour))
    with pytest.raises(OSError, match="full"), atomic_path(target):
        raise OSError("full")
    assert (tmp_path / left["old"]).exists()
    atomic_write(target, "whole")
    gone = {kind for kind, name in left.items() if not (tmp_path / name).exists()}
    assert gone == {"old"} and target.read_text() == "whole"


def test_nothing_else_renames_files_in_place():
    """Whoever renames by hand chooses a temporary name by hand: see `atomic_path`."""
    found = []
    for package in ("sage_env", "policies", "algos", "benchmarks"):
        for path in sorted((ROOT / package).rglob("*.py")):
            if path.parent == ROOT / "sage_env" / "storage":
                continue
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.value, ast.Name)
                    and (node.value.id, node.attr) in {("os", "replace"), ("os", "rename")}
                ):
                    found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []
