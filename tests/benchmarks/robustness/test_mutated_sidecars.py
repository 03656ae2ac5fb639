"""Laws of `benchmarks.robustness.mutated_sidecars` and `clips.small_clips`: faults are found."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.robustness import mutated_sidecars
from benchmarks.robustness.clips.small_clips import compare_looks, frames_of, write_blocks
from benchmarks.robustness.mutated_sidecars import Case, attempt, look
from sage_env.storage import folder_ledger, sealed_file


def faults(folder: Path, numbers: range) -> list[str]:
    found = [attempt(Case(number, 0), folder) for number in numbers]
    return [fault for _, fault in found if fault]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder as `run` prepares it, with fewer videos."""
    monkeypatch.setattr(mutated_sidecars, "_VIDEOS", {"a.mkv": 1})
    for name, blocks in mutated_sidecars._VIDEOS.items():
        write_blocks(tmp_path / name, seed=blocks)
    mutated_sidecars._frames.cache_clear()
    look(tmp_path, tmp_path / "sound")
    look(tmp_path, tmp_path / "sound")
    return tmp_path


def test_a_frame_that_is_another_is_seen(tmp_path: Path) -> None:
    path = write_blocks(tmp_path / "a.mkv", seed=1)
    frames = frames_of(path, (32, 48))
    assert len(frames) == 40
    compare_looks(path, frames, [0.0, 1.0], proxies=tmp_path)
    wrong = [np.roll(frame, 16, axis=1) for frame in frames]
    with pytest.raises(AssertionError, match="frame 0 is another picture"):
        compare_looks(path, wrong, [0.0, 1.0])


def test_a_case_can_be_made_again(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    names = [path.name for path in sorted((folder / "sound").rglob("*.rgb"))]
    again = tmp_path_factory.mktemp("again")
    write_blocks(again / "a.mkv", seed=1)
    look(again, again / "sound")
    assert names and names == [path.name for path in sorted((again / "sound").rglob("*.rgb"))]


def test_sound_caches_have_no_fault(folder: Path) -> None:
    assert faults(folder, range(0, 52, 3)) == []


def test_files_that_are_taken_for_what_they_are_not_are_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def about(name: str, nbytes: int) -> bytes:
        return sealed_file._ABOUT.pack(b"sagefil1", bytes(16), nbytes)

    monkeypatch.setattr(sealed_file, "_about", about)
    monkeypatch.setattr(sealed_file.zlib, "crc32", lambda *_: 0)
    look(folder, folder / "sound")  # made anew: the names of old files are in them
    look(folder, folder / "sound")
    found = faults(folder, range(5 * 4 + 3, 4000, 52))  # pictures are swapped
    assert any("another picture" in fault for fault in found)


def test_a_ledger_that_is_written_through_a_link_is_found(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def following(path: Path, flags: int) -> int:
        return os.open(path, flags | os.O_NONBLOCK, 0o666)

    monkeypatch.setattr(folder_ledger, "open_regular", following)
    found = faults(folder, range(9 * 4, 200, 52))  # the ledger is a hard link
    assert "a hard link of ledger: what a link led to was changed" in found
