"""Laws of `algos.runs.append_log`: whole lines stay, a torn one was never written."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.runs.append_log import AppendLog, LogError, read_log


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return a file with three lines, in a folder that is made for it."""
    path = tmp_path / "deep" / "a.jsonl"
    log = AppendLog(path)
    for k in range(3):
        log.append({"k": k})
    log.close()
    return path


def test_what_was_appended_is_there_at_once_and_in_order(path: Path) -> None:
    log = AppendLog(path)
    log.append({"k": "ü\ud800"})
    assert read_log(path) == [{"k": 0}, {"k": 1}, {"k": 2}, {"k": "ü\ud800"}]
    log.close()
    assert read_log(path.with_name("none")) == []


@given(st.integers(0, 30))
def test_cut_anywhere_the_whole_lines_are_left_and_the_next_one_is_whole(tmp_path_factory, cut):
    path = tmp_path_factory.mktemp("log") / "a.jsonl"
    rows = [{"k": k} for k in range(4)]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    path.write_text(text[: len(text) - cut])
    whole = read_log(path)
    assert whole == rows[: len(whole)] and len(whole) == text[: len(text) - cut].count("\n")
    log = AppendLog(path)
    log.append("next")
    log.close()
    assert read_log(path) == [*whole, "next"]


def test_a_tail_of_zeros_is_torn(path: Path) -> None:
    """A power cut can leave the length of a write without its bytes."""
    with path.open("ab") as file:
        file.write(bytes(100))
    AppendLog(path).close()
    assert [row["k"] for row in read_log(path)] == [0, 1, 2]
    assert b"\0" not in path.read_bytes()


def test_a_damaged_line_in_the_middle_is_named(path: Path) -> None:
    path.write_bytes(path.read_bytes().replace(b'{"k": 1}', b'{"k" 1}'))
    with pytest.raises(LogError, match=r"a\.jsonl, line 2 is not JSON"):
        read_log(path)


def test_a_full_disk_leaves_no_part_of_a_line(path: Path, monkeypatch) -> None:
    log, write = AppendLog(path), os.write
    room = [5]

    def full(file: int, data: bytes) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count, room[0] = write(file, data[: room[0]]), 0
        return count

    before = path.read_bytes()
    monkeypatch.setattr(os, "write", full)
    with pytest.raises(LogError, match=r"a\.jsonl cannot be written \(No space left"):
        log.append({"k": 3})
    assert path.read_bytes() == before
    monkeypatch.undo()
    log.append({"k": 3})
    assert len(read_log(path)) == 4
    log.close()


def test_a_place_that_cannot_be_written_is_named(path: Path) -> None:
    with pytest.raises(LogError, match="cannot be written"):
        AppendLog(path / "below-a-file")
    with pytest.raises(LogError, match="cannot be read"):
        read_log(path.parent)
