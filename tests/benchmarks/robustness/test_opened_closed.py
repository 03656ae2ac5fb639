"""Laws of `benchmarks.robustness.opened_closed`, `held_resources`: what is left is a fault."""

from __future__ import annotations

import mmap
import threading
from pathlib import Path

import pytest

from benchmarks.robustness import opened_closed
from benchmarks.robustness.held_resources import MORE, HeldResources
from benchmarks.robustness.opened_closed import BROKEN, ENDS, Case, attempt, cases

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs /proc")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("clips")
    opened_closed.write_clips(made)
    return made


@pytest.fixture
def counted(monkeypatch):
    made = HeldResources(warm_up=2, look_every=3, settle=0.5)
    monkeypatch.setattr(opened_closed, "_held", made)
    return made


@pytest.mark.parametrize("end", ENDS)
def test_every_end_leaves_nothing_behind_and_shows_the_right_frames(folder, end, counted) -> None:
    for number, video in enumerate(["60.memory", str(folder / "a.mp4"), str(folder / "c.ts")]):
        assert attempt(Case(number, number, video, end)) == ("as it should", "")


@pytest.mark.parametrize("name", [*BROKEN, "broken.memory"])
def test_what_cannot_be_opened_is_an_error_of_ours_and_no_fault(folder, name) -> None:
    video = name if name.endswith("memory") else str(folder / name)
    assert attempt(Case(0, 0, video, "closed")) == ("VideoError", "")


def leak_a_file(case, kept):
    kept.append(open(case.video, "rb"))


def leak_a_thread(case, kept):
    kept.append(threading.Event())
    threading.Thread(target=kept[-1].wait, daemon=True).start()


def leak_memory(case, kept):
    # Pages of its own: what the process has free already would not show as more.
    kept.append(mmap.mmap(-1, 16 << 20))
    for page in range(0, 16 << 20, mmap.PAGESIZE):
        kept[-1][page] = 1


@pytest.mark.parametrize(
    ("leak", "what"), [(leak_a_file, "files"), (leak_a_thread, "threads"), (leak_memory, "memory")]
)
def test_what_stays_is_a_fault(folder, counted, monkeypatch, leak, what) -> None:
    kept = []
    counted.settle, counted.more = 0.05, dict.fromkeys(MORE, 3)
    monkeypatch.setitem(ENDS, "closed", lambda case: str(leak(case, kept) or ""))
    faults = [attempt(Case(n, n, str(folder / "c.ts"), "closed"))[1] for n in range(6)]
    for thing in kept:
        getattr(thing, "set", getattr(thing, "close", str))()
    assert "left behind after 6 cases" in faults[-1] and f"'{what}'" in faults[-1]


def test_wrong_frames_and_errors_of_sound_videos_are_faults(folder, monkeypatch) -> None:
    monkeypatch.setattr(opened_closed, "_STEP", 12)
    video = str(folder / "a.mp4")
    assert "the frame of" in attempt(Case(0, 0, video, "closed"))[1]
    (folder / "gone").mkdir()
    gone = str(folder / "gone" / "a.mp4")
    assert "a sound video gave VideoError" in attempt(Case(0, 0, gone, "closed"))[1]


def test_the_same_seed_gives_the_same_cases(folder) -> None:
    first, again = (list(cases(60, 3, folder)) for _ in range(2))
    assert first == again and {case.end for case in first} == set(ENDS)
    assert first != list(cases(60, 4, folder))
