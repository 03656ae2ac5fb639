"""Cost of decoding when the rollouts of one question share a frame cache, against none.

    python -m benchmarks.rollout.shared_decoding [--quick] [--questions 5]
        [--out benchmarks/reports] [--focus 0.5 0.7 0.9 0.95]

Eight rollouts of a question about an hour of video play side by side, each in an environment of its
own: the overview of 32 frames, then five zooms of 16. The environments share one cache. With
snapped times (`snap=True`) it also prefetches: frames that decoding reaches anyway, and that a
closer look would ask for, are cached too. Each request is decoded again, right after, by a cold
reader without a cache; there is one per rollout. CPU time is that of the whole process within
`frames_at`, with one decoding thread.

No large model chooses the windows, so their distribution is assumed: 10 to 300 s long
(log-uniform), times rounded to a tenth of a second. A share of the windows (the focus) contains one
event of the question, anywhere inside; the others lie anywhere in the video. What rollouts can
share depends on the focus above all, so it is varied. Beside each figure stands its limit: decoding
each packet once. Seeds are fixed.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
import tyro

import sage_env  # noqa: F401  # registers the environment
from algos.evaluation.tables import format_table
from benchmarks.frame_access.clips import LONG, LONG_QUICK, make_clip
from benchmarks.provenance import header, publish, versions
from benchmarks.timing import median_ratio
from sage_env.actions.action import Answer, Zoom
from sage_env.datasets.item import QAItem
from sage_env.frames import Box, FrameBatch
from sage_env.video.cache.frame_cache import FrameCache
from sage_env.video.video_file import open_video

ROLLOUTS, OVERVIEW, ZOOMS, FRAMES = 8, 32, 5, 16
SIZE = (224, 224)
SHORTEST, LONGEST = 10.0, 300.0  # seconds of a window
LIMIT = 4.0  # bar: times less CPU for decoding than cold
AS_ASKED, SNAPPED = "as asked", "snapped"
CACHE_BYTES = 512 * 2**20  # four times the frames of a group: nothing is evicted, prefetched or not
QUICK = replace(LONG_QUICK[0], name="60 min 320x180, short unit", height=180, width=320)


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One question, and a clip of small pictures that is made in seconds."""
    questions: int = 5
    """Groups of rollouts; figures are medians over them."""
    focus: tuple[float, ...] = (0.5, 0.7, 0.9, 0.95)
    """Shares of the windows that contain the event."""
    out: Path | None = None
    """Folder to write the report to."""


class Request(NamedTuple):
    """The arguments of one call of `frames_at`."""

    seconds: tuple[float, ...]
    size: tuple[int, int] | None
    box: Box | None


class MeteredVideo:
    """A video file that records requests and the CPU time of answering them.

    Attributes:
        cpu: CPU seconds within `frames_at`, of all threads of the process.
    """

    def __init__(
        self, path: Path, cache: FrameCache, requests: list[Request], *, prefetch: bool = False
    ) -> None:
        """Open a file.

        Args:
            path: the file.
            cache: of frames, perhaps shared.
            requests: gets each request.
            prefetch: cache frames that decoding reaches anyway.
        """
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
        """Return the number of frames that came out of the decoder."""
        return self._video.stats.decoded

    def close(self) -> None:
        """Close the file."""
        self._video.close()


class DecodingCost(NamedTuple):
    """What the decoding of one group of rollouts costs.

    Attributes:
        shared: CPU seconds with the shared cache.
        cold: CPU seconds of the cold readers.
        decoded_shared: frames out of the decoders with the shared cache.
        decoded_cold: frames out of the decoders of the cold readers.
        hit_rate: share of the pictures asked for that came from the cache.
        most: limit of the ratio: packets of all requests one by one, over distinct packets.
    """

    shared: float
    cold: float
    decoded_shared: int
    decoded_cold: int
    hit_rate: float
    most: float


def windows(duration: float, focus: float, seed: int) -> list[list[Zoom]]:
    """Return the zooms of each rollout of a question.

    Args:
        duration: of the video, in seconds.
        focus: share of the zooms that contain the event.
        seed: of the question.
    """
    rng = np.random.default_rng(seed)
    event = rng.uniform(0.05, 0.95) * duration
    return [[_window(duration, event, focus, rng) for _ in range(ZOOMS)] for _ in range(ROLLOUTS)]


def _window(duration: float, event: float, focus: float, rng: np.random.Generator) -> Zoom:
    """Draw a zoom, with probability `focus` one that contains the time `event` (seconds)."""
    length = float(np.exp(rng.uniform(np.log(SHORTEST), np.log(LONGEST))))
    focused = rng.uniform() < focus
    start = event - rng.uniform() * length if focused else rng.uniform(0, duration - length)
    start = round(min(max(0.0, start), duration - length), 1)
    return Zoom(start, min(round(start + length, 1), duration), FRAMES)


def measure(path: Path, zooms: list[list[Zoom]], snap: bool) -> DecodingCost:
    """Play the rollouts of one question side by side, and decode each request cold as well.

    Args:
        path: the video file.
        zooms: of each rollout.
        snap: the environments snap times, and the cache prefetches.
    """
    cache = FrameCache(CACHE_BYTES)
    requests: list[list[Request]] = [[] for _ in zooms]
    videos: list[MeteredVideo] = []

    def opener_of(rollout: int) -> Callable[[Path], MeteredVideo]:
        def opened(path: Path) -> MeteredVideo:
            videos.append(MeteredVideo(path, cache, requests[rollout], prefetch=snap))
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
    cold = [MeteredVideo(path, FrameCache(0), []) for _ in zooms]
    for env, asked, reader in zip(envs, requests, cold, strict=True):
        env.reset(seed=0)
        _decode_cold(reader, asked[-1])
    for turn in range(ZOOMS):
        for env, actions, asked, reader in zip(envs, zooms, requests, cold, strict=True):
            env.step(actions[turn])
            _decode_cold(reader, asked[-1])
    for env, reader in zip(envs, cold, strict=True):
        env.step(Answer("this"))
        env.close()
        reader.close()
    stats = cache.stats
    return DecodingCost(
        shared=sum(video.cpu for video in videos),
        cold=sum(video.cpu for video in cold),
        decoded_shared=sum(video.decoded for video in videos),
        decoded_cold=sum(video.decoded for video in cold),
        hit_rate=(stats.hits + stats.coalesced) / (stats.hits + stats.coalesced + stats.misses),
        most=_most(path, [request for each in requests for request in each]),
    )


def _most(path: Path, requests: list[Request]) -> float:
    """Return the packets of all requests one by one, over distinct packets.

    Two requests that decode packets 0 to 9 and 0 to 4 of one group of pictures: 15 over 10, 1.5.
    """
    apart, ends = 0, dict[int, int]()
    with open_video(path) as video:
        for request in requests:
            for job in video.plan(request.seconds).jobs:
                apart += job.packets
                ends[job.start] = max(ends.get(job.start, 0), job.stop)
    return apart / sum(stop - start for start, stop in ends.items())


def _decode_cold(reader: MeteredVideo, request: Request) -> None:
    """Decode a request by a reader without a cache."""
    reader.frames_at(request.seconds, size=request.size, box=request.box)


def main(settings: Settings) -> None:
    """Measure, print, and write the report if a folder is given."""
    clip = make_clip(QUICK if settings.quick else LONG[0])
    questions = 1 if settings.quick else settings.questions
    costs: dict[tuple[float, str], list[DecodingCost]] = {}
    for focus in settings.focus:
        for seed in range(questions):
            zooms = windows(clip.duration, focus, seed)
            for name in (AS_ASKED, SNAPPED):
                found = costs.setdefault((focus, name), [])
                found.append(measure(clip.path, zooms, name == SNAPPED))
    publish(report(clip.recipe.name, costs), settings.out, "rollout_access.md")


def report(clip: str, costs: Mapping[tuple[float, str], Sequence[DecodingCost]]) -> str:
    """Return the report as Markdown.

    Args:
        clip: its name.
        costs: of each question, by focus and by `AS_ASKED` or `SNAPPED`.
    """
    columns = ("focus", "times", "cold", "shared", "ratio", "limit", "hit rate", "frames", "bar")
    rows = []
    for (focus, name), found in costs.items():
        shared, cold, _, _, hits, most = (
            statistics.median(column) for column in zip(*found, strict=True)
        )
        decoded = median_ratio((c.decoded_cold for c in found), (c.decoded_shared for c in found))
        ratio = median_ratio((c.cold for c in found), (c.shared for c in found))
        verdict = "" if name != SNAPPED else "met" if ratio >= LIMIT else "NOT MET"
        numbers = (f"{cold:.2f}", f"{shared:.2f}", f"{ratio:.2f}", f"{most:.2f}", f"{hits:.2f}")
        rows.append((f"{focus:.0%}", name, *numbers, f"{decoded:.2f}", verdict))
    questions = len(next(iter(costs.values())))
    lines = [
        *header(
            "Decoding for a group of rollouts",
            "benchmarks.rollout.shared_decoding",
            libraries=versions("av", "gymnasium"),
        ),
        f"- {clip}; {ROLLOUTS} rollouts, each an overview of {OVERVIEW} frames and {ZOOMS} zooms "
        f"of {FRAMES}, {SIZE[0]}x{SIZE[1]}; windows of {SHORTEST:.0f} to {LONGEST:.0f} s, a share "
        "of them around one event (focus, assumed)",
        f"- CPU seconds of a group, medians of {questions} questions; frames: the ratio of what",
        "  came out of the decoders",
        f"- bar: {LIMIT:.0f} times less CPU than cold; limit: each packet decoded once",
        "",
        "```",
        format_table(columns, rows),
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(Settings))
