"""Laws of `sage_env.tools.calling`, `sage_env.deadlines`: a hanging tool ends at its deadline.

The episode goes on, the late call is on record, and nothing is left: no process, thread, descriptor
or temporary file. A few calls here, and a thousand with `-m slow`.
"""

from __future__ import annotations

import gc
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sage_env.actions.action import Skip, UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.testing import open_memory
from tests.helpers.plug_ins.hanging import WAYS
from tests.helpers.tools_to_try import Echo

HANGING = "tests.helpers.plug_ins.hanging:Hanging"
DEADLINE = 0.05
SOON = 20.0
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


def make(*tools, turns: int = 10, **options) -> VideoQAEnv:
    items = [QAItem("q", Path("60.memory"), "Q?", ("a", "b"), "a", "mcq")]
    return VideoQAEnv(
        dataset=items, opener=open_memory, frame_size=(8, 8), tools=tools, max_turns=turns,
        max_frames=0, overview_frames=0, frames_per_turn=1, **options,
    )  # fmt: skip


def processes(folder: Path) -> set[str]:
    """Return the processes that this one has started, and those whose temporary files lie there."""
    found = set()
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            theirs = f"TMPDIR={folder}".encode() in (place / "environ").read_bytes()
        except OSError:
            continue
        if parent == os.getpid() or theirs:
            found.add(place.name)
    return found


def left(folder: Path) -> Left:
    """Return processes, threads, descriptors and temporary files."""
    gc.collect()
    threads = sum(thread.name.startswith("sage-call") for thread in threading.enumerate())
    return processes(folder), threads, len(os.listdir("/proc/self/fd")), os.listdir(folder)


@pytest.fixture
def nothing_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Check that there is nothing that was not there; what earlier tests left may go meanwhile."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # other tests have theirs elsewhere
    before = left(tmp_path)
    yield
    until = time.monotonic() + SOON
    while (more := new(before, left(tmp_path))) and time.monotonic() < until:
        time.sleep(0.02)  # a process that was killed takes a moment
    assert not more


Left = tuple[set[str], int, int, list[str]]


def new(before: Left, after: Left) -> list[str]:
    """Say what there is more of."""
    found = [f"process {name}" for name in after[0] - before[0]]
    found += [f"file {name}" for name in set(after[3]) - set(before[3])]
    found += [f"{after[1]} threads"] * (after[1] > before[1])
    return found + [f"{after[2]} descriptors"] * (after[2] > before[2])


def hang(env: VideoQAEnv, calls: int, ways: list[str] = WAYS) -> None:
    """Call the tool again and again, and look that the episode goes on."""
    env.reset(seed=0)
    for k in range(calls):
        observation, reward, _, _, info = env.step(UseTool("hanging", {"how": ways[k % len(ways)]}))
        assert (
            observation["message"] == "hanging took too long and was ended: it is not your mistake."
        )
        assert (observation["text"], reward) == ("", 0.0)
        assert info["tool_calls"] == {"late": k + 1}
    observation, _, ended, _, info = env.step(Skip(1.0))
    assert observation["cursor"] == 1.0 and not ended and info["tool_calls"] == {"late": calls}
    assert observation["turns_left"] == env.history.max_turns - calls - 1


def test_in_a_process_of_its_own_nothing_is_left_however_it_hangs(nothing_left) -> None:
    env = make(f"{HANGING}?timeout={DEADLINE}")
    env.reset()
    hang(env, len(WAYS))
    assert env.history.tool_calls == {"late": len(WAYS)}
    env.close()


def test_processes_that_left_the_session_end_too(nothing_left) -> None:
    env = make(f"{HANGING}?timeout=0.8")  # time enough to start them
    hang(env, 2, ["daemons", "children"])
    assert env.history.tool_calls == {"late": 2}
    env.close()


def test_python_code_ends_in_its_thread(nothing_left) -> None:
    class Looping(Echo):
        name = "hanging"
        timeout = DEADLINE
        parameters = {"type": "object"}

        def __call__(self, arguments, context):
            while True:
                try:
                    time.sleep(0.001)
                except Exception:
                    continue

    env = make(Looping(), turns=40)
    hang(env, 30, ["loop"])
    assert env.history.tool_calls == {"late": 30}
    env.close()


def test_a_call_after_a_late_one_is_served_by_a_new_process() -> None:
    env = make(f"{HANGING}?timeout=5&word=well%26good ", turns=5)
    env.reset()
    first = env.step(UseTool("hanging", {"how": "one"}))[0]["text"]
    assert first.startswith("well&good one in ") and "sage-plug-in-" in first
    env._viewer.timeout = 0.1  # the tool's own counts
    second = env.step(UseTool("hanging", {"how": "two"}))[0]["text"]
    assert second.split()[-1] == first.split()[-1], "the same process"
    env.close()
    third = make(f"{HANGING}?timeout=5")
    third.reset()
    assert third.step(UseTool("hanging", {}))[0]["text"].split()[-1] != first.split()[-1]
    third.close()


def test_a_copied_or_saved_episode_keeps_what_was_late() -> None:
    env = make(f"{HANGING}?timeout={DEADLINE}&most=2")
    hang(env, 2, ["sleep"])
    state = env.get_state()
    other = make(f"{HANGING}?timeout={DEADLINE}&most=2")
    other.set_state(state)
    observation, *_, info = other.step(UseTool("hanging", {"how": "sleep"}))
    assert info["tool_calls"] == {"late": 2, "refused": 1}, "the third is one too many"
    assert "may be called 2 times" in observation["message"]
    with pytest.raises(Exception, match="most=2"):
        make(f"{HANGING}?timeout={DEADLINE}&most=3").set_state(state)
    env.close()
    other.close()


@pytest.mark.slow
def test_a_thousand_times(nothing_left) -> None:
    envs = [make(f"{HANGING}?timeout={DEADLINE}", turns=252) for _ in range(4)]
    workers = [threading.Thread(target=hang, args=(env, 250)) for env in envs]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [env.history.tool_calls for env in envs] == [{"late": 250}] * 4
    for env in envs:
        env.close()
