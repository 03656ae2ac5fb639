"""Laws of `sage_env.deadlines.own_process`, `process_server`: what hangs or crashes is killed."""

from __future__ import annotations

import copy
import gc
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from sage_env.actions.action import Answer, Skip, UseTool
from sage_env.datasets.item import QAItem
from sage_env.deadlines import OwnProcess, own_process
from sage_env.deadlines.call_threads import CallOverdue
from sage_env.env import VideoQAEnv
from sage_env.errors import JudgeTimeout, ToolError
from sage_env.testing import open_memory
from tests.helpers.plug_ins.misbehaving import SLEEPER, Moody

MOODY = "tests.helpers.plug_ins.misbehaving:Moody"
SOON = 10.0
pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")


def children() -> set[int]:
    """Return the processes that this one has started, zombies included."""
    found = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == os.getpid():
            found.add(int(stat.parent.name))
    return found


def sleepers() -> int:
    command = "\0".join(SLEEPER).encode()
    count = 0
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            count += line.read_bytes().startswith(command)
        except OSError:
            continue
    return count


@pytest.fixture(scope="module")
def moody():
    """Yield the tool in one process for several tests; they may end it."""
    tool = OwnProcess(MOODY)
    yield tool
    tool.close()


def use(env: VideoQAEnv, how: str):
    return env.step(UseTool("moody", {"how": how}))[0]


def start(moody, **arguments) -> VideoQAEnv:
    items = [QAItem("q", Path("60.memory"), "Q?", answer="x")]
    env = VideoQAEnv(
        dataset=items, opener=open_memory, frame_size=(8, 8), tools=[moody], **arguments
    )
    env.reset()
    return env


def test_a_named_tool_is_one_and_keeps_what_it_counts(moody) -> None:
    before = children()
    env = start(moody, call_timeout=60.0)
    assert env.tools["moody"].description == Moody.description
    assert use(env, "look")["text"] == "[1.0, 2.0]"  # the video is opened there
    assert [use(env, "")["text"] for _ in range(2)] == ["call 2", "call 3"]
    assert use(env, "refuse")["message"] == "moody cannot be used so: not that"
    with pytest.raises(ToolError, match="SystemExit"):
        use(env, "leave")
    env.reset()
    assert use(env, "")["text"] == "call 6"  # what it raised has not ended it
    with pytest.raises(ToolError, match=r"its process ended with the exit status -11"):
        use(env, "crash")
    env.close()
    assert children() <= before
    assert MOODY in repr(env.tools["moody"])


@pytest.mark.parametrize("how", ["hold the interpreter", "start another"])
def test_what_no_thread_could_end_is_killed_with_all_that_it_started(moody, how) -> None:
    env = start(moody, call_timeout=60.0)
    use(env, "")  # the process is there
    env._viewer.timeout = 0.3
    before, began = sleepers(), time.monotonic()
    assert "moody took too long and was ended" in use(env, how)["message"]
    while sleepers() > before and time.monotonic() < began + SOON:
        time.sleep(0.01)
    assert time.monotonic() - began < SOON and sleepers() <= before
    observation = env.step(Skip(1.0))[0]  # the episode goes on
    assert observation["turns_left"] == 7 and observation["cursor"] == 1.0


def test_a_judge_that_sleeps_is_killed() -> None:
    judge = OwnProcess("tests.helpers.plug_ins.misbehaving:sleepy_judge")
    items = [QAItem("q", Path("60.memory"), "Q?", answer="x")]
    env = VideoQAEnv(
        dataset=items, opener=open_memory, frame_size=(8, 8), judge=judge, call_timeout=0.1
    )
    env.reset()
    with pytest.raises(JudgeTimeout, match="the judge on item 'q' took longer than the 0.1 s"):
        env.step(Answer("who knows"))
    assert env.history.verdict is None


def test_answers_that_are_too_large_are_refused(monkeypatch) -> None:
    monkeypatch.setattr(own_process, "MAX_ANSWER", 100)
    reward = OwnProcess("tests.helpers.plug_ins.misbehaving:last_step")
    history = SimpleNamespace(ended=True)
    assert reward.call((None, None, history), SOON) == {"last": 1.0}
    with pytest.raises(OSError, match="message length"):
        reward.call(("x" * 99, None, history), SOON)


def test_who_is_forgotten_leaves_no_process() -> None:
    before = children()
    tool = OwnProcess(Moody())  # an object that pickle can send
    assert tool({}, None) == "call 1" and tool({}, None) == "call 2"
    assert len(children() - before) == 1
    again = pickle.loads(pickle.dumps(copy.deepcopy(tool)))
    assert not again._idle and again.name == "moody"
    del tool, again
    gc.collect()
    assert children() <= before


@pytest.mark.slow
def test_a_process_ends_with_a_caller_that_was_killed() -> None:
    code = (
        "from sage_env.deadlines import OwnProcess; import os, signal, threading\n"
        f"tool = OwnProcess({MOODY!r}); tool({{}}, None)\n"
        "print(tool._idle[0]._process.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    pid, end = int(done.stdout), time.monotonic() + SOON
    while Path(f"/proc/{pid}").exists() and time.monotonic() < end:
        time.sleep(0.01)
    assert not Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize(
    ("plug_in", "words"),
    [("nonsense", "takes a plug-in or its name"), (3, "takes a plug-in")],
)
def test_what_is_no_plug_in_is_refused(plug_in, words) -> None:
    with pytest.raises(ValueError, match=words):
        OwnProcess(plug_in)


def test_what_another_process_cannot_find_is_refused(monkeypatch) -> None:
    monkeypatch.setattr(Moody, "__module__", "__main__")
    with pytest.raises(ValueError, match="put it into a module"):
        OwnProcess(Moody())
    missing = OwnProcess("tests.helpers.plug_ins.misbehaving:Nothing")
    with pytest.raises(ValueError, match="cannot be asked for its name.*has no 'Nothing'"):
        start(missing)
    with pytest.raises(AttributeError):
        missing.nothing  # noqa: B018


class Ended:
    """The pipe of a process that has ended."""

    def send(self, seconds) -> None:
        """Take it."""

    def send_bytes(self, request) -> None:
        """Take it."""

    def poll(self, seconds) -> bool:
        return True

    def recv_bytes(self, most) -> bytes:
        raise EOFError


def test_a_process_that_its_own_alarm_has_ended_was_late_and_any_other_crashed() -> None:
    process = object.__new__(own_process._Process)
    process._pipe = Ended()
    process._process = SimpleNamespace(wait=lambda: None, returncode=-signal.SIGALRM)
    with pytest.raises(CallOverdue):
        process.ask(b"", 1.0)
    process._process.returncode = 3
    with pytest.raises(ChildProcessError, match="exit status 3"):
        process.ask(b"", 1.0)


def test_settings_reach_the_process_and_one_process_serves_call_after_call() -> None:
    slow = OwnProcess(f"{__name__}:Numbered", {"start": "4"})
    try:
        assert [slow({}, None) for _ in range(3)] == [5, 6, 7]
        assert slow.timeout == 9.0 and slow.max_calls is None
    finally:
        slow.close()


class Numbered:
    """A tool that counts from a number on."""

    name, description, parameters, timeout = "numbered", "Counts.", {"type": "object"}, 9.0

    def __init__(self, start: int = 0) -> None:
        self.count = start

    def __call__(self, arguments, context) -> int:
        self.count += 1
        return self.count


def test_a_process_that_cannot_be_started_leaves_no_folder(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(own_process.tempfile, "mkdtemp", lambda prefix: str(made))
    made = tmp_path / "made"
    made.mkdir()
    monkeypatch.setattr(own_process.sys, "executable", str(tmp_path / "no such program"))
    with pytest.raises(OSError):
        own_process._Process()
    assert not made.exists()


def test_a_caller_that_is_gone_takes_the_folder_of_its_process_with_it(monkeypatch, tmp_path):
    monkeypatch.setattr(own_process.tempfile, "mkdtemp", lambda prefix: str(made))
    made = tmp_path / "made"
    made.mkdir()
    process = own_process._Process()
    process._end.detach()  # as if the caller had been killed
    process._pipe.close()
    assert process._process.wait(SOON) == 0 and not made.exists()


def test_a_process_that_nobody_ends_ends_itself_and_one_that_has_answered_does_not() -> None:
    late, good = own_process._Process(), own_process._Process()
    packed = pickle.dumps((MOODY, {}))
    assert good.ask(pickle.dumps(("call", packed, ({}, None))), 0.1) == (False, "call 1")
    late._pipe.send(0.1)
    late._pipe.send_bytes(pickle.dumps(("call", packed, ({"how": "start another"}, None))))
    assert late._process.wait(SOON) == -signal.SIGALRM, "its alarm, two seconds after the deadline"
    time.sleep(0.2)
    assert good.ask(pickle.dumps(("call", packed, ({}, None))), None) == (False, "call 2")
    for process in (late, good):
        process.end()
