"""Laws of `sage_env.storage.digests`: any flipped bit is seen, and a whole folder is whole."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from sage_env.storage.digests import DIGESTS, damage, write_digests

NAMES = ("b.bin", "a é.json")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "b.bin").write_bytes(bytes(range(20)))
    (tmp_path / "a é.json").write_text('{"x": 1}\n')
    write_digests(tmp_path, NAMES)
    return tmp_path


def test_a_whole_folder_is_whole_also_with_later_files(folder: Path) -> None:
    (folder / "later.txt").write_text("not named")
    assert damage(folder, NAMES) == ""
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "--check", "--strict", DIGESTS], cwd=folder, check=True)


def test_every_flipped_bit_is_seen(folder: Path) -> None:
    for path in folder.iterdir():
        whole = path.read_bytes()
        for bit in range(8 * len(whole)):
            flipped = bytearray(whole)
            flipped[bit // 8] ^= 1 << bit % 8
            path.write_bytes(flipped)
            assert "damaged" in damage(folder, NAMES), (path.name, bit)
        path.write_bytes(whole)
    assert damage(folder, NAMES) == ""


def test_the_damaged_file_is_named(folder: Path) -> None:
    (folder / "b.bin").write_bytes(b"other")
    assert damage(folder, NAMES).startswith("b.bin is damaged")
    (folder / "b.bin").unlink()
    assert "b.bin is missing" == damage(folder, NAMES)
    for cut in (b"", (folder / DIGESTS).read_bytes()[:70]):
        (folder / DIGESTS).write_bytes(cut)
        (folder / "b.bin").write_bytes(bytes(range(20)))
        assert damage(folder, NAMES).startswith("SHA256SUMS is damaged")


def test_without_digests_nothing_is_said(tmp_path: Path) -> None:
    assert damage(tmp_path, NAMES) == "" and damage(tmp_path / "none", NAMES) == ""
