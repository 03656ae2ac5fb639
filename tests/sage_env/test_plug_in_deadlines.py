"""Laws of `sage_env.viewer`, `sage_env.video.opened_video`, `sage_env.deadlines.timed_call`.

Whatever a plug-in does, `step` and `close` come back, with a typed error, and the next episode is
as if nothing had been. The waits are short, and the machine may be busy: what must happen soon has
`SOON`.
"""

from __future__ import annotations

import pickle
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from sage_env.actions.action import Answer, Sample, Skip, UseTool
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.errors import (
    DecodeTimeout,
    JudgeTimeout,
    ResetNeeded,
    RewardTimeout,
    ToolError,
    VideoError,
)
from sage_env.rewards import efficient, find_reward, sage
from sage_env.testing import MemoryVideo, open_memory
from sage_env.vector import VideoQAVectorEnv
from sage_env.video.opened_video import OpenedVideo
from tests.helpers.tools_to_try import Echo

SOON = 10.0
ITEMS = [QAItem("q", Path("60.memory"), "Q?", answer="x")]


class Stuck:
    """Waits at the places that it is told, until it is let go; counts who comes by."""

    def __init__(self) -> None:
        self.at: str = ""
        self.gate, self.held = threading.Event(), threading.Event()
        self.closed = 0
        self.error: Exception | None = None

    def wait(self, place: str) -> None:
        if place == self.at:
            self.held.set()
            self.gate.wait()
            if self.error is not None:
                raise self.error

    def open(self, path: Path) -> MemoryVideo:
        self.wait("open")
        stuck = self

        class Video(MemoryVideo):
            def frames_at(self, *times, **options):
                stuck.wait("read")
                return super().frames_at(*times, **options)

            def close(self) -> None:
                stuck.wait("close")
                stuck.closed += 1
                super().close()

        return Video(60.0)

    def judge(self, item, text) -> bool:
        self.wait("judge")
        return True

    def reward(self, item, action, history) -> dict[str, float]:
        self.wait("reward")
        return {"one": 1.0}


@pytest.fixture
def stuck():
    made = Stuck()
    yield made
    made.gate.set()


class Reader:
    """A tool whose work is a function of its context."""

    name, description = "reader", "Reads."
    parameters = {"type": "object", "properties": {}}

    def __init__(self, work) -> None:
        self.work = work

    def __call__(self, arguments, context) -> str:
        return str(self.work(context))


def make(**arguments) -> VideoQAEnv:
    options = {"opener": open_memory, "frame_size": (8, 8), "call_timeout": 0.4} | arguments
    return VideoQAEnv(dataset=ITEMS, **options)


@pytest.mark.parametrize(
    ("place", "error", "words"),
    [
        ("open", DecodeTimeout, "60.memory: opening it took longer than the 0.4 s allowed"),
        ("read", DecodeTimeout, "60.memory: reading it took longer"),
        ("judge", JudgeTimeout, "the judge on item 'q' took longer"),
        ("reward", RewardTimeout, "the reward on item 'q' took longer"),
        ("close", DecodeTimeout, "60.memory: closing it took longer"),
    ],
)
def test_what_hangs_is_given_up_and_the_next_episode_is_sound(stuck, place, error, words) -> None:
    env = make(opener=stuck.open, judge=stuck.judge, reward=stuck.reward)
    began = time.monotonic()
    if place != "open":
        env.reset()
    stuck.at = place
    with pytest.raises(error, match=words):
        match place:
            case "open":
                env.reset()
            case "read":
                env.step(Sample(0.0, 10.0, 2))
            case "close":
                env.close()
            case _:
                env.step(Answer("who knows"))
    if place == "judge":
        assert env.history.verdict is None and env.history.stop_reason == "answered"
    with pytest.raises(ResetNeeded):
        env.step(Skip(1.0))
    stuck.at = ""
    env.reset()
    assert env.step(Answer("who knows"))[1:3] == (1.0, True)
    env.close()
    assert time.monotonic() - began < SOON


def test_a_video_whose_read_hangs_is_closed_by_the_thread_that_hangs_in_it(stuck) -> None:
    env = make(opener=stuck.open)
    env.reset()
    stuck.at = "read"
    with pytest.raises(DecodeTimeout):
        env.step(Sample(0.0, 10.0, 2))
    env.close()
    assert stuck.closed == 0  # not while another thread is inside
    stuck.gate.set()
    end = time.monotonic() + SOON
    while not stuck.closed and time.monotonic() < end:
        time.sleep(0.005)
    assert stuck.closed == 1


def loop(context) -> None:
    while True:
        pass


def read_on(context) -> None:
    while True:
        context.video.frames_at([1.0, 2.0])


@pytest.mark.parametrize("work", [loop, read_on])
def test_a_late_tool_ends_with_its_turn_and_the_episode_goes_on(work) -> None:
    env = make(tools=[Reader(work), Echo()])
    env.reset()
    before = env.step(Skip(3.0))[0]
    late, reward, ended, _, info = env.step(UseTool("reader", {}))
    assert late["message"] == "reader took too long and was ended: it is not your mistake."
    assert (late["text"], reward, ended) == ("", 0.0, False)
    assert info["tool_calls"] == {"late": 1} and not env.history.looks[-1].refused
    observation = env.step(UseTool("echo", {"text": "still here"}))[0]
    assert observation["text"] == "still here"
    assert observation["turns_left"] == before["turns_left"] - 2
    assert env.history.tool_calls == {"late": 1, "ok": 1}
    assert len(env.step(Sample(0.0, 60.0, 4))[4]["frame_seconds"]) == 4
    env.close()


def test_threads_of_a_tool_share_its_video_and_get_an_error_after_its_call() -> None:
    said: list[str] = []
    go = threading.Event()

    def work(context) -> str:
        def read(number: int) -> None:
            for second in range(20):
                assert context.video.frames_at([float(second)]).seconds[0] == second
            said.append("read")
            go.wait(SOON)
            try:
                context.video.frames_at([1.0])
            except VideoError as error:
                said.append(str(error))

        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        while said.count("read") < 4:
            time.sleep(0.001)
        left_behind.extend(threads)
        return "enough"

    left_behind: list[threading.Thread] = []
    env = make(tools=[Reader(work)], call_timeout=SOON)
    env.reset()
    observation = env.step(UseTool("reader", {}))[0]
    assert observation["text"] == "enough"
    decoded = env.history.spent
    go.set()
    for thread in left_behind:
        thread.join(SOON)
    assert said[4:] == [said[4]] * 4 and "was for one call, which is over" in said[4]
    env.step(Skip(1.0))
    assert env.history.spent.decode_seconds == decoded.decode_seconds


@pytest.mark.parametrize("fails", [False, True])
def test_a_read_that_outlives_its_call_keeps_its_video_and_the_episode_gets_another(
    stuck, fails
) -> None:
    opened: list[MemoryVideo] = []
    got: list[int | str] = []
    left_behind: list[threading.Thread] = []

    def opener(path: Path) -> MemoryVideo:
        opened.append(stuck.open(path))
        return opened[-1]

    def read(video) -> None:
        try:
            got.append(len(video.frames_at([1.0])))
        except VideoError as error:
            got.append(str(error))

    def work(context) -> str:
        stuck.at = "read"
        left_behind.append(threading.Thread(target=read, args=(context.video,), daemon=True))
        left_behind[0].start()
        assert stuck.held.wait(SOON)
        stuck.at = ""
        return "too slow"

    env = make(opener=opener, tools=[Reader(work)], call_timeout=SOON)
    env.reset()
    env.step(UseTool("reader", {}))
    shown = env.step(Sample(0.0, 60.0, 4))[4]["frame_seconds"]
    assert len(shown) == 4 and len(opened) == 2 and not opened[0].closed
    seconds = env._viewer.decode_seconds
    stuck.error = ZeroDivisionError("torn") if fails else None
    stuck.gate.set()
    left_behind[0].join(SOON)
    stuck.error = None
    assert got == [1] if not fails else "torn" in got[0]
    assert opened[0].closed and not opened[1].closed and env._viewer.decode_seconds == seconds
    assert env.step(Sample(0.0, 60.0, 4))[4]["frame_seconds"] == shown
    env.close()
    assert opened[1].closed and len(opened) == 2


def test_a_video_that_was_closed_is_not_read_again() -> None:
    video = MemoryVideo(60.0)
    opened = OpenedVideo(video, Path("60.memory"), SOON)
    assert len(opened.frames_at([1.0], None, None, {})) == 1
    opened.close()
    with pytest.raises(VideoError, match="60.memory: .*it was closed by another thread"):
        opened.frames_at([1.0], None, None, {})


def test_closing_while_a_tool_reads_ends_the_read_and_nothing_else() -> None:
    seen: list[Exception] = []

    def work(context) -> str:
        closer = threading.Thread(target=env.close)
        closer.start()
        closer.join(SOON)
        for _ in range(2):
            try:
                context.video.frames_at([1.0])
            except VideoError as error:
                seen.append(error)
        raise seen[0]

    env = make(tools=[Reader(work)], call_timeout=SOON)
    env.reset()
    with pytest.raises(ToolError):
        env.step(UseTool("reader", {}))
    assert len(seen) == 2
    env.reset()
    assert env.step(Answer("x"))[1] == 1.0


@pytest.mark.parametrize("seconds", [0, -1.0, float("nan"), True, "10"])
def test_the_deadline_is_seconds_above_0(seconds) -> None:
    with pytest.raises(ValueError, match="call_timeout must be seconds above 0 or None"):
        make(call_timeout=seconds)
    with pytest.raises(ValueError, match="call_timeout must be seconds above 0 or None"):
        VideoQAVectorEnv(1, dataset=ITEMS, call_timeout=seconds)


def test_a_deadline_that_no_timer_can_hold_is_a_long_one() -> None:
    for seconds in (float("inf"), 1e300, 10**400 // 10**350):
        env = make(call_timeout=seconds, tools=[Echo()])
        env.reset()
        assert env.step(UseTool("echo", {"text": "a"}))[0]["text"] == "a"


def test_without_a_deadline_calls_are_made_in_the_thread_of_step() -> None:
    threads: set[int] = set()

    def reward(item, action, history):
        threads.add(threading.get_ident())
        return {"r": 0.0}

    env = make(tools=[Reader(lambda _: threads.add(threading.get_ident()))], call_timeout=None)
    env.reset()
    env.step(UseTool("reader", {}))
    env = make(reward=reward, call_timeout=None)
    env.reset()
    env.step(Answer("x"))
    assert threads == {threading.get_ident()}


def test_rewards_of_ours_need_no_thread_and_others_do() -> None:
    for ours in ("answer", "sage", "efficient", efficient(0.1), sage(early=0.1)):
        assert find_reward(ours, 1.0) is find_reward(ours)
    asking = sage(reasonable=lambda *_: True)
    assert find_reward(asking, 1.0) is not asking and find_reward(asking, None) is asking
    env = make(reward=asking)
    env.reset()
    assert pickle.dumps(find_reward(np.sum, 1.0))
    assert env.step(Sample(0.0, 10.0, 2))[1] == pytest.approx(0.15)


def test_side_by_side_one_that_hangs_ends_alone(stuck) -> None:
    items = [QAItem(str(n), Path(f"{60 + n}.memory"), "Q?", answer="x") for n in range(2)]

    def opener(path: Path) -> MemoryVideo:
        return stuck.open(path) if path.stem == "61" else open_memory(path)

    stuck.at = "read"
    envs = VideoQAVectorEnv(
        2, dataset=items, opener=opener, frame_size=(8, 8), call_timeout=0.4,
        autoreset_mode="Disabled",
    )  # fmt: skip
    began = time.monotonic()
    _, infos = envs.reset(options={"index": [0, 1]})
    assert infos["error"][0] is None and "DecodeTimeout: 61.memory" in infos["error"][1]
    _, rewards, terminated, truncated, _ = envs.step([Answer("x"), Answer("x")])
    assert rewards[0] == 1.0 and np.isnan(rewards[1])
    assert terminated.tolist() == [True, False] and truncated.tolist() == [False, True]
    envs.close()
    assert time.monotonic() - began < SOON
