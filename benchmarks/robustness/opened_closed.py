"""Environments opened and closed, well and badly: nothing is left behind and no frame is wrong.

Each case makes one environment over a video file or a video in memory, plays some turns, and ends
it in one of `ENDS`: closed, closed twice, dropped, copied, with a plug-in that hangs, with a thread
of a tool that still reads. Frames that are shown must be those that their times say. All cases of a
worker run in one process, whose open files, threads, child processes and memory are compared now
and then with what they were after the first ones.
"""

from __future__ import annotations

import copy
import pickle
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.video.stream import VideoStream

from benchmarks.robustness.held_resources import HeldResources
from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome
from sage_env import Answer, QAItem, SageEnvError, Sample, ToolContext, UseTool, VideoQAEnv
from sage_env.errors import VideoError
from sage_env.testing import MemoryVideo, open_memory
from sage_env.vector import VideoQAVectorEnv
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import open_video

CLIPS = {"a.mp4": "libx264", "b.mkv": "libx264", "c.ts": "libx264", "d.avi": "mpeg4"}
"""Files that are written once: their names and codecs."""
BROKEN = ("missing.mp4", "text.mp4", "cut.mp4")
"""Files that cannot be opened."""
_FRAMES, _RATE = 24, 4
_STEP, _OFF = 9, 4  # grey levels between two frames; most that a codec may be off
_OPTIONS = {"g": "6", "bf": "0", "qmin": "2", "qmax": "4"}  # of both encoders: nearly lossless
_SETTLE = 5.0  # seconds for threads that were left behind to end, and for what they close
_READS_ON = "reads on"  # names the threads that a tool leaves behind
_HANG = 0.02  # seconds that a plug-in gets before it counts as hanging


@dataclass(frozen=True)
class Case:
    """One environment.

    Attributes:
        number: of the case.
        seed: of its choices.
        video: path of its video, or seconds of one in memory, as `60.memory`.
        end: a key of `ENDS`.
    """

    number: int
    seed: int
    video: str
    end: str


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Open and close environments.

    Args:
        tries: how many.
        seed: of all choices.
        folder: for the clips.
    """
    write_clips(folder)
    return run_isolated(attempt, cases(tries, seed, folder), seconds=60.0)


def cases(tries: int, seed: int, folder: Path) -> Iterator[Case]:
    """Yield the cases: every end with every kind of video, in random order."""
    random = np.random.default_rng(seed)
    videos = [str(folder / name) for name in (*CLIPS, *BROKEN)]
    videos += ["6.memory", "60.memory", "3600.memory", "broken.memory"]
    ends = list(ENDS)
    for number in range(tries):
        video, end = videos[random.integers(len(videos))], ends[number % len(ends)]
        yield Case(number, int(random.integers(2**31)), video, end)


def write_clips(folder: Path) -> None:
    """Write the files: frame i of a clip is grey all over, `16 + _STEP * i`."""
    for name, codec in CLIPS.items():
        with av.open(str(folder / name), "w") as container:
            stream = container.add_stream(codec, rate=_RATE, options=_OPTIONS)
            assert isinstance(stream, VideoStream)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for number in range(_FRAMES):
                grey = np.full((48, 64, 3), 16 + _STEP * number, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(grey)))
            container.mux(stream.encode(None))
    (folder / "text.mp4").write_text("no video\n" * 99)
    (folder / "cut.mp4").write_bytes((folder / "a.mp4").read_bytes()[:2000])


def attempt(case: Case) -> tuple[str, str]:
    """Make and end one environment; see `Outcome.add` for what is returned."""
    try:
        end, fault = "as it should", ENDS[case.end](case)
    except SageEnvError as error:
        end, fault = type(error).__name__, ""
        sound = "memory" in case.video or Path(case.video).name in CLIPS
        if sound and not case.video.startswith("broken"):
            fault = f"a sound video gave {type(error).__name__}: {error}"
        _videos.clear()
    return end, fault or _still_open(case) or _held.left_behind()


_held = HeldResources()  # of the worker
_videos: list[MemoryVideo] = []  # that the case has opened


def _open(path: Path) -> MemoryVideo:
    _videos.append(open_memory(path))
    return _videos[-1]


def _still_open(case: Case) -> str:
    """Return how many videos in memory an environment has left open that was closed, or ""."""
    opened, until = list(_videos), time.monotonic() + _SETTLE
    _videos.clear()
    if case.end in ("dropped", "side by side"):
        return ""
    while (left := sum(not video.closed for video in opened)) and time.monotonic() < until:
        time.sleep(0.005)
    return f"{left} of {len(opened)} videos are open" if left else ""


def _make(case: Case, **arguments: Any) -> VideoQAEnv:
    items = [QAItem("q", Path(case.video), "Q?", answer="x")]
    opener = _open if case.video.endswith(".memory") else None
    options = {"opener": opener, "frame_size": (12, 16), "overview_frames": 4, "max_turns": 9}
    return VideoQAEnv(dataset=items, **{**options, **arguments})


def _play(case: Case, env: VideoQAEnv) -> str:
    """Play a few looks; return what was wrong with the frames, or ""."""
    random = np.random.default_rng(case.seed)
    observation, _ = env.reset(seed=case.seed)
    fault = _wrong(case, observation)
    for _ in range(int(random.integers(3))):
        start, end = sorted(random.random(2) * float(observation["duration"]))
        look = Sample(start, max(end, start + 0.1), int(random.integers(1, 6)))
        fault = fault or _wrong(case, env.step(look)[0])
    return fault


def _wrong(case: Case, observation: dict[str, Any]) -> str:
    """Return which frame is not the one that its time says, or ""."""
    count = observation["num_frames"]
    for picture, second in zip(
        observation["frames"][:count], observation["seconds"][:count].tolist(), strict=True
    ):
        level = picture[6, 8].astype(int)
        if case.video.endswith(".memory"):
            number = round(second * 2)
            sound = (level[0], level[1]) == (number // 256 % 256, number % 256)
        else:
            sound = abs(level.mean() - 16 - _STEP * round(second * _RATE)) <= _OFF
        if not sound:
            return f"the frame of {second} s has the levels {level.tolist()}"
    return ""


# How environments end. Each plays, and returns what was wrong.


def _closed(case: Case) -> str:
    env = _make(case)
    try:
        return _play(case, env)
    finally:
        env.close()
        if case.seed % 2:
            env.close()


def _dropped(case: Case) -> str:
    env = _make(case)
    env.circle = env  # type: ignore[attr-defined]  # only the garbage collector finds it
    return _play(case, env)


def _answered(case: Case) -> str:
    env = _make(case, render_mode="rgb_array")
    fault = _play(case, env)
    env.step(Answer("x"))
    picture = env.render()
    env.close()
    return fault or ("" if picture is not None and picture.any() else "nothing was drawn")


def _copied(case: Case) -> str:
    env = _make(case)
    fault = _play(case, env)
    made = [copy.copy(env), copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    seen = [each.step(Sample(0.0, 6.0, 3))[0]["seconds"].tolist() for each in [env, *made]]
    for each in (env, *made):
        each.close()
    return fault or ("" if all(each == seen[0] for each in seen) else f"copies saw {seen}")


def _side_by_side(case: Case) -> str:
    opener = open_memory if case.video.endswith(".memory") else None
    items = [QAItem(str(n), Path(case.video), "Q?", answer="x") for n in range(3)]
    envs = VideoQAVectorEnv(2, dataset=items, opener=opener, frame_size=(12, 16))
    envs.reset(seed=case.seed)
    envs.step([Sample(0.0, 6.0, 3)] * 2)
    if case.seed % 2:
        envs.close()
    return ""


class _ToolOf:
    """A tool whose work is a function of its context."""

    name, description = "tool", "Works."
    parameters: dict[str, Any] = {"type": "object", "properties": {}}

    def __init__(self, work: Callable[[ToolContext], object]) -> None:
        self.work = work

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        return str(self.work(context))


def _with_tool(case: Case, work: Callable[[ToolContext], object], *, hangs: bool = False) -> str:
    """Have a tool work in the middle of an episode, which then goes on.

    Args:
        case: which.
        work: what the tool does.
        hangs: whether it never ends by itself.
    """
    env = _make(case, tools=[_ToolOf(work)], call_timeout=30.0)
    fault = _play(case, env)
    if hangs:
        env._viewer.timeout = _HANG
    threads = set(threading.enumerate())
    late = "late" in env.step(UseTool("tool", {}))[4]["tool_calls"]
    env._viewer.timeout = 30.0
    for thread in set(threading.enumerate()) - threads:
        if thread.name == _READS_ON:  # its video has ended with the call
            thread.join(_SETTLE)
            fault = fault or ("a thread of the tool still reads" if thread.is_alive() else "")
    fault = fault or _wrong(case, env.step(Sample(0.0, 6.0, 3))[0])
    env.close()
    return fault if late == hangs else f"the call of the tool was late: {late}"


def _read_on(context: ToolContext, times: int = 10**9) -> None:
    random = np.random.default_rng(times)
    for _ in range(times):
        context.video.frames_at((random.random(3) * 6).tolist(), size=(12, 16))


def _thread_reads_on(context: ToolContext) -> None:
    def read() -> None:
        try:
            _read_on(context)
        except SageEnvError:  # at the first read after the call
            pass

    threads = [threading.Thread(target=read, name=_READS_ON, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    threads[0].join(0.005)


def _loop(context: ToolContext) -> None:
    while True:
        pass


def _closed_by_another(case: Case) -> str:
    env = _make(case)
    fault = _play(case, env)
    closing = threading.Thread(target=env.close)
    try:
        for number in range(4):
            env.step(Sample(0.0, 6.0, 5))
            if number == 1:
                closing.start()
    except SageEnvError:  # closed meanwhile, or no episode any more
        pass
    closing.join()
    return fault


def _shared_by_threads(case: Case) -> str:
    """Let threads read one file, not through an environment, while it is closed again and again."""
    if case.video.endswith(".memory"):
        return _closed(case)
    faults: list[str] = []
    video = open_video(case.video, cache=FrameCache(0))

    def read(seed: int) -> None:
        random = np.random.default_rng(seed)
        for _ in range(6):
            try:
                batch = video.frames_at((random.random(3) * 6).tolist(), size=(12, 16))
            except VideoError:  # closed meanwhile
                continue
            shown = {"frames": batch.pixels, "seconds": batch.seconds, "num_frames": len(batch)}
            faults.append(_wrong(case, shown))

    threads = [threading.Thread(target=read, args=(case.seed + n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        video.close()
        time.sleep(0.002)
    video.close()
    return next(filter(None, faults), "")


ENDS: dict[str, Callable[[Case], str]] = {
    "closed": _closed,
    "dropped": _dropped,
    "drawn and answered": _answered,
    "copied": _copied,
    "side by side": _side_by_side,
    "a tool reads": lambda case: _with_tool(case, partial(_read_on, times=5)),
    "a tool's thread reads on": lambda case: _with_tool(case, _thread_reads_on),
    "a tool hangs in a loop": lambda case: _with_tool(case, _loop, hangs=True),
    "a tool reads for ever": lambda case: _with_tool(case, _read_on, hangs=True),
    "closed by another thread": _closed_by_another,
    "shared by threads": _shared_by_threads,
}
"""How environments end, by what is said of it."""
