"""Laws of `benchmarks.robustness.full_disk`, `failing_disk`, `disk_scenarios`: they find faults."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from io import FileIO
from pathlib import Path

import pytest

from benchmarks.robustness import disk_scenarios, full_disk
from benchmarks.robustness.clips.small_clips import write_blocks
from benchmarks.robustness.disk_scenarios import SCENARIOS, Scenario
from benchmarks.robustness.failing_disk import FailingDisk, limited_files
from benchmarks.robustness.full_disk import Case, attempt
from sage_env.storage import bounded_folder, sealed_file


def _write(folder: Path) -> None:
    (folder / "made").mkdir(exist_ok=True)
    with open(folder / "made" / "part", "w", encoding="utf-8") as file:
        file.write("x" * 100)
    os.replace(folder / "made" / "part", folder / "made" / "whole")


@pytest.mark.parametrize("at", range(4))
def test_the_nth_call_fails_and_those_after_it(tmp_path: Path, at: int) -> None:
    with FailingDisk(tmp_path / "disk").in_use() as disk:
        (tmp_path / "disk").mkdir()
        _write(tmp_path / "disk")
    assert disk.calls == 5 and not disk.failed  # both folders are made on it
    with (
        FailingDisk(tmp_path, at, "from then on", errno.EDQUOT).in_use() as disk,
        pytest.raises(OSError) as raised,
    ):
        _write(tmp_path)
    assert raised.value.errno == errno.EDQUOT and disk.calls > at
    assert not (tmp_path / "made" / "whole").exists()
    (Path(os.devnull)).write_text("elsewhere nothing fails")


def test_a_short_write_takes_half_and_then_nothing(tmp_path: Path) -> None:
    for name, expected in (("a", 50), ("b", 0)):
        kind = "short" if name == "a" else "from then on"
        with FailingDisk(tmp_path, 1, kind).in_use(), pytest.raises(OSError):  # noqa: SIM117
            with open(tmp_path / name, "wb", buffering=0) as file:
                assert file.write(bytes(100)) == 50
                file.write(bytes(50))
        assert (tmp_path / name).stat().st_size == expected


def test_the_system_bounds_the_length_of_files(tmp_path: Path) -> None:
    with limited_files(30), pytest.raises(OSError, match="large"):
        (tmp_path / "file").write_bytes(bytes(31))
    (tmp_path / "file").write_bytes(bytes(31))


def _careless(folder: Path) -> None:
    (folder / "file").write_text(disk_scenarios.NEW)


def _unclear(folder: Path) -> None:
    try:
        disk_scenarios.atomic_write(folder / "file", disk_scenarios.NEW)
    except OSError:
        raise KeyError("partial") from None


PLANTED: dict[str, tuple[Callable[[Path], object], str]] = {
    "writes in place": (_careless, "neither old nor new"),
    "raises what nobody understands": (_unclear, "not a clear error"),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    act, message = PLANTED[name]
    sound = SCENARIOS["atomic file"]
    monkeypatch.setitem(SCENARIOS, "planted", Scenario(sound.before, act, sound.works))
    faults = [
        fault
        for at in range(3)
        for _, fault in [attempt(Case("planted", at, "short", errno.ENOSPC), tmp_path)]
        if fault
    ]
    assert faults and all(message in fault for fault in faults)


def test_a_store_that_believes_what_it_reads_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system takes less than it is given, and nobody looks: as it once was."""
    full_disk.prepare(write_blocks(tmp_path / "clip.mkv", seed=0))
    disk_scenarios.clip.cache_clear()
    cases = full_disk._cases_of("frame store", tmp_path, 0)
    some = [case for case in cases if case.kind == "short"][8:15]

    def found() -> list[str]:
        return [fault for _, fault in (attempt(case, tmp_path) for case in some) if fault]

    def careless(file: FileIO, parts: Sequence[bytes]) -> None:
        for part in parts:
            file.write(part)

    assert not found()
    monkeypatch.setattr(bounded_folder, "_write", careless)
    assert not found()  # the checksum sees it
    monkeypatch.setattr(sealed_file.zlib, "crc32", lambda *_: 0)
    assert any("another picture" in fault for fault in found())
    disk_scenarios.clip.cache_clear()


def test_a_few_cases_in_a_process_of_their_own_are_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {name: SCENARIOS[name] for name in ("atomic file", "atomic folder", "film")}
    monkeypatch.setattr(full_disk, "SCENARIOS", few)
    outcome = full_disk.run(20, 0, tmp_path)
    assert outcome.tries >= 20 and outcome.faults == []
    assert outcome.ends["a clear error, and whole"] > 10
