"""What decoding costs when several rollouts of one question share frames, against each for itself.

    python -m benchmarks.rollout.shared_decoding [--quick] [--questions 5]
        [--out benchmarks/reports] [--focus 0.5 0.7 0.9 0.95]

Eight rollouts of a question about an hour of video play side by side on one environment each: the
overview of 32 frames, then five zooms of 16. The environments share one cache; where times are
snapped, it also keeps what decoding passes for closer looks, as it does with `snap=True`. Each
request is also decoded cold, right after: by one reader per rollout that keeps no picture. CPU time
is that of the whole process within `frames_at`, on one decoding thread.

No large model chooses the windows, so their spread is assumed: 10 to 300 s long (log-uniform),
times rounded to a tenth of a second, a share of them (the focus) around one event per question,
which lies anywhere in the window, the others anywhere in the video. What rollouts can share depends
on that share above all: it is varied, and the limit stands beside each figure, which is decoding
each packet once. Seeds are fixed.
"""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import av
import gymnasium as gym
import numpy as np
import tyro

import sage_env  # noqa: F401  # registers the environment
from algos.evaluation.tables import format_table
from benchmarks.frame_access.clips import LONG, LONG_QUICK, make_clip
from benchmarks.provenance import commit
from sage_env.actions.action import Answer, Zoom
from sage_env.datasets.item import QAItem
from sage_env.frames import Box, FrameBatch
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import open_video

ROLLOUTS, OVERVIEW, ZOOMS, FRAMES = 8, 32, 5, 16
SIZE = (224, 224)
SHORTEST, LONGEST = 10.0, 300.0  # seconds of a window
LIMIT = 4.0  # times less decoding
AS_ASKED, SNAPPED = "as asked", "snapped"
CACHE_BYTES = 512 * 2**20
QUICK = replace(LONG_QUICK[0], name="60 min 320x180, short unit", height=180, width=320)


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One question, and a clip of small pictures that is made in seconds."""
    questions: int = 5
    """Groups of rollouts; figures are medians over them."""
    focus: tuple[float, ...] = (0.5, 0.7, 0.9, 0.95)
    """Shares of the windows around the event."""
    out: Path | None = None
    """Folder to write the report to."""


class Request(NamedTuple):
    """What one `frames_at` was asked for."""

    seconds: tuple[float, ...]
    size: tuple[int, int] | None
    box: Box | None


class Metered:
    """A video file that notes what it is asked for, and the CPU time that the answers take."""

    def __init__(
        self, path: Path, cache: FrameCache, requests: list[Request], *, prefetch: bool = False
    ) -> None:
        """Open a file; `requests` is appended to."""
        self._video = open_video(path, cache=cache, threads=1, prefetch=prefetch)
        self._requests = requests
        self.duration, self.fps, self.cpu = self._video.duration, self._video.fps, 0.0

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times."""
        self._requests.append(Request(tuple(seconds), size, box))
        began = time.process_time()
        batch = self._video.frames_at(seconds, size=size, box=box)
        self.cpu += time.process_time() - began
        return batch

    @property
    def decoded(self) -> int:
        """Return the frames that came out of the decoder."""
        return self._video.stats.decoded

    def close(self) -> None:
        """Close the file."""
        self._video.close()


class Cost(NamedTuple):
    """What one group of rollouts costs: CPU seconds, decoded frames, and those of it from cache.

    `most` is how many times less packets there are if each is decoded once.
    """

    shared: float
    cold: float
    decoded_shared: int
    decoded_cold: int
    hit_rate: float
    most: float


def windows(duration: float, focus: float, seed: int) -> list[list[Zoom]]:
    """Return the zooms of each rollout of a question."""
    rng = np.random.default_rng(seed)
    event = rng.uniform(0.05, 0.95) * duration
    return [[_window(duration, event, focus, rng) for _ in range(ZOOMS)] for _ in range(ROLLOUTS)]


def _window(duration: float, event: float, focus: float, rng: np.random.Generator) -> Zoom:
    length = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    focused = rng.uniform() < focus
    start = event - rng.uniform() * length if focused else rng.uniform(0, duration - length)
    start = round(min(max(0.0, start), duration - length), 1)
    return Zoom(start, min(round(start + length, 1), duration), FRAMES)


def measure(path: Path, zooms: list[list[Zoom]], snap: bool) -> Cost:
    """Play the rollouts of one question side by side, and decode each request cold as well."""
    cache = FrameCache(CACHE_BYTES)
    requests: list[list[Request]] = [[] for _ in zooms]
    videos: list[Metered] = []

    def opener_of(rollout: int) -> Callable[[Path], Metered]:
        def opened(path: Path) -> Metered:
            videos.append(Metered(path, cache, requests[rollout], prefetch=snap))
            return videos[-1]

        return opened

    item = QAItem("q", path, "What happens?", ("this", "that"), "this", "mcq")
    arguments: dict[str, Any] = {"dataset": [item], "frame_size": SIZE, "snap": snap}
    arguments |= {
        "overview_frames": OVERVIEW,
        "frames_per_turn": FRAMES,
        "max_frames": OVERVIEW + ZOOMS * FRAMES,
    }
    envs = [
        gym.make("SageVideoQA-v0", opener=opener_of(rollout), **arguments)
        for rollout in range(len(zooms))
    ]
    cold = [Metered(path, FrameCache(0), []) for _ in zooms]
    for env, asked, reader in zip(envs, requests, cold, strict=True):
        env.reset(seed=0)
        _again(reader, asked[-1])
    for turn in range(ZOOMS):
        for env, actions, asked, reader in zip(envs, zooms, requests, cold, strict=True):
            env.step(actions[turn])
            _again(reader, asked[-1])
    for env, reader in zip(envs, cold, strict=True):
        env.step(Answer("this"))
        env.close()
        reader.close()
    stats = cache.stats
    return Cost(
        shared=sum(video.cpu for video in videos),
        cold=sum(video.cpu for video in cold),
        decoded_shared=sum(video.decoded for video in videos),
        decoded_cold=sum(video.decoded for video in cold),
        hit_rate=(stats.hits + stats.coalesced) / (stats.hits + stats.coalesced + stats.misses),
        most=_most(path, [request for each in requests for request in each]),
    )


def _most(path: Path, requests: list[Request]) -> float:
    """Return the packets that the requests need one by one, over those that they need together."""
    apart, ends = 0, dict[int, int]()
    with open_video(path) as video:
        for request in requests:
            for job in video.plan(request.seconds).jobs:
                apart += job.packets
                ends[job.start] = max(ends.get(job.start, 0), job.stop)
    return apart / sum(stop - start for start, stop in ends.items())


def _again(reader: Metered, request: Request) -> None:
    """Answer a request once more, by a reader that keeps nothing."""
    reader.frames_at(request.seconds, size=request.size, box=request.box)


def main(settings: Settings) -> None:
    """Measure, print, and write the report if a folder is given."""
    clip = make_clip(QUICK if settings.quick else LONG[0])
    questions = 1 if settings.quick else settings.questions
    costs: dict[tuple[float, str], list[Cost]] = {}
    for focus in settings.focus:
        for seed in range(questions):
            zooms = windows(clip.duration, focus, seed)
            for name in (AS_ASKED, SNAPPED):
                found = costs.setdefault((focus, name), [])
                found.append(measure(clip.path, zooms, name == SNAPPED))
    text = report(settings, clip.recipe.name, costs)
    print(text)
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "rollout_access.md").write_text(text, encoding="utf-8")


def report(settings: Settings, clip: str, costs: Mapping[tuple[float, str], Sequence[Cost]]) -> str:
    """Return the report as Markdown: a line for each focus and way of choosing times."""
    header = ("focus", "times", "cold", "shared", "ratio", "limit", "hit rate", "frames", "bar")
    rows = []
    for (focus, name), found in costs.items():
        shared, cold, _, _, hits, most = (
            statistics.median(column) for column in zip(*found, strict=True)
        )
        decoded = statistics.median(cost.decoded_cold / cost.decoded_shared for cost in found)
        ratio = statistics.median(cost.cold / cost.shared for cost in found)
        verdict = "" if name != SNAPPED else "met" if ratio >= LIMIT else "NOT MET"
        numbers = (f"{cold:.2f}", f"{shared:.2f}", f"{ratio:.2f}", f"{most:.2f}", f"{hits:.2f}")
        rows.append((f"{focus:.0%}", name, *numbers, f"{decoded:.2f}", verdict))
    questions = len(next(iter(costs.values())))
    lines = [
        "# Decoding for a group of rollouts",
        "",
        f"- command: `python -m benchmarks.rollout.shared_decoding {shlex.join(sys.argv[1:])}`",
        f"- commit: {commit()}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, PyAV {av.__version__}, gymnasium {gym.__version__}",
        f"- {clip}; {ROLLOUTS} rollouts, each an overview of {OVERVIEW} frames and {ZOOMS} zooms "
        f"of {FRAMES}, {SIZE[0]}x{SIZE[1]}; windows of {SHORTEST:.0f} to {LONGEST:.0f} s, a share "
        "of them around one event (focus, assumed)",
        f"- CPU seconds of a group, medians of {questions} questions; frames: the ratio of what",
        "  came out of the decoders",
        f"- bar: {LIMIT:.0f} times less CPU than cold; limit: each packet decoded once",
        "",
        "```",
        format_table(header, rows),
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(Settings))
