"""The plan of a SageSynth video: what happens in it, decided before any pixel is drawn.

A video of `D` seconds holds a few coloured *scenes* on a grey filler. A scene is long enough that
twelve evenly spaced frames of the video always show it (`>= D / 12`), and inside it there is

* `stay`: a symbol that is there from its first to its last frame, or
* `flash`: one or more symbols shown for about `0.45 * sqrt(D)` seconds each: 1.4 s in a video of
  10 s (one seventh of it), 38 s in two hours (one in 190), so that uniform frames find it in short
  videos and miss it in long ones, or
* `mark`: a symbol too small to be read unless a corner of the picture is enlarged.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sage_env.synth.symbols import COLOURS, CORNERS, SYMBOLS

VERSION = 1
"""Raise it when a seed comes to mean another video: it is in the seeds and in the folder's name."""
SPLITS = {"train": 0, "validation": 1, "test": 2}
"""The number of each split in the seeds of its videos."""
STREAMS = {**SPLITS, "bench": 3}
"""The same, with that of `sage-synth-bench`, whose videos are in no split whatever the seed."""
DURATION_RANGES: tuple[tuple[int, int], ...] = (
    (10, 60),
    (60, 180),
    (180, 300),
    (300, 600),
    (600, 1200),
    (1200, 2400),
    (2400, 7200),
)
"""Seconds, one range for each bucket of `sage_env.datasets.duration_buckets`, in their order."""
OVERVIEW = 12
"""Evenly spaced frames of a video that always show each of its scenes."""


@dataclass(frozen=True)
class Event:
    """A symbol that is visible during `[start, end)`; `corner` is set for a small mark."""

    symbol: str
    start: float
    end: float
    corner: str | None = None


@dataclass(frozen=True)
class Scene:
    """A stretch `[start, end)` with one backdrop; `colour` is `None` for grey filler."""

    start: float
    end: float
    colour: str | None
    kind: str
    events: tuple[Event, ...]
    seed: int


@dataclass(frozen=True, eq=False)
class VideoPlan:
    """A whole video: every frame time and everything that is shown.

    Attributes:
        name: `split/index`, unique within a seed.
        times: float64 `(N,)`, presentation times in seconds, from 0, whole milliseconds.
        duration: seconds; the last frame lasts until then.
        scenes: in time order, without gaps.
        keyframe_interval: largest distance between keyframes, in frames.
        variable_rate: whether frame intervals vary.
    """

    name: str
    times: NDArray[np.float64]
    duration: float
    scenes: tuple[Scene, ...]
    keyframe_interval: int
    variable_rate: bool

    def scene_at(self, second: float) -> Scene:
        """Return the scene on screen at a time inside the video."""
        for scene in self.scenes:
            if second < scene.end:
                return scene
        return self.scenes[-1]


def plan_video(split: str, index: int, seed: int = 0) -> VideoPlan:
    """Plan one video.

    Args:
        split: `train`, `validation` or `test`, or another of `STREAMS`.
        index: from 0; the duration bucket is `index % 7`.
        seed: of the whole set. Everything but the bucket is drawn from (`VERSION`, seed, split,
            index), so that a video is the same whatever else is planned.

    Raises:
        ValueError: if the split has another name.
    """
    if split not in STREAMS:
        raise ValueError(f"split must be one of {sorted(STREAMS)}, got {split!r}")
    rng = np.random.Generator(np.random.Philox([VERSION, seed, STREAMS[split], index]))
    low, high = DURATION_RANGES[index % len(DURATION_RANGES)]
    target = math.exp(rng.uniform(math.log(low * 1.02), math.log(high * 0.97)))
    variable = bool(rng.random() < 0.35)
    times, duration = _frame_times(target, variable, rng)
    scenes = _scenes(times, duration, rng)
    interval = int(rng.choice([12, 30, 60, 120, 250]))
    return VideoPlan(f"{split}/{index:04d}", times, duration, scenes, interval, variable)


def _frame_times(
    target: float, variable: bool, rng: np.random.Generator
) -> tuple[NDArray[np.float64], float]:
    """Choose a frame rate that suits the length, and the times of all frames."""
    rates = (
        [8, 10] if target < 60 else [5, 8] if target < 300 else [2, 4] if target < 1200 else [1, 2]
    )
    step = 1000 // int(rng.choice(rates))
    count = int(target * 1000) // step
    steps = np.full(count, step, dtype=np.int64)
    if variable:
        steps = rng.integers(int(step * 0.5), int(step * 1.5) + 1, size=count)
    ends = np.cumsum(steps)
    return (ends - steps) / 1000.0, float(ends[-1]) / 1000.0


def _scenes(
    times: NDArray[np.float64], duration: float, rng: np.random.Generator
) -> tuple[Scene, ...]:
    count = int(rng.integers(4, 6 if duration < 60 else 7))
    widths = np.full(count, 3.6 * math.sqrt(duration)) * rng.uniform(0.9, 1.25, size=count)
    # Snapping to frame times may take one interval from a scene: leave room for two.
    least = duration / OVERVIEW + 2 * float(np.diff(times).max())
    widths = np.clip(widths, least, 0.82 * duration / count)
    gaps = rng.dirichlet(np.ones(count + 1)) * (duration - widths.sum())
    colours = rng.permutation(list(COLOURS))[:count]
    symbols = iter(rng.permutation(list(SYMBOLS)))
    kinds = _kinds(count, rng)
    scenes: list[Scene] = []
    clock = 0.0
    for i in range(count):
        start, end = _snap(times, clock + gaps[i]), _snap(times, clock + gaps[i] + widths[i])
        if start > clock:
            scenes.append(_filler(clock, start, rng))
        events = _events(kinds[i], start, end, duration, symbols, times, rng)
        scenes.append(
            Scene(start, end, str(colours[i]), kinds[i], events, int(rng.integers(1 << 31)))
        )
        clock = end
    if clock < duration:
        scenes.append(_filler(clock, duration, rng))
    return tuple(scenes)


def _kinds(count: int, rng: np.random.Generator) -> list[str]:
    kinds = ["stay", "stay", "flash", "flash"]
    extra = ["mark", "flashes"] if count == 6 else [str(rng.choice(["mark", "flashes"]))]
    return [str(kind) for kind in rng.permutation((kinds + extra)[:count])]


def _snap(times: NDArray[np.float64], second: float) -> float:
    """Return the first frame time at or after a time, so that spans are exact."""
    return float(times[min(int(np.searchsorted(times, second)), len(times) - 1)])


def _filler(start: float, end: float, rng: np.random.Generator) -> Scene:
    events: tuple[Event, ...] = ()
    if rng.random() < 0.2:
        events = (Event(str(rng.choice(list(SYMBOLS))), start, end),)
    return Scene(start, end, None, "filler", events, int(rng.integers(1 << 31)))


def _events(
    kind: str,
    start: float,
    end: float,
    duration: float,
    symbols: Iterator[str],
    times: NDArray[np.float64],
    rng: np.random.Generator,
) -> tuple[Event, ...]:
    name = str(next(symbols))
    if kind == "stay":
        return (Event(name, start, end),)
    if kind == "mark":
        return (Event(name, start, end, str(rng.choice(list(CORNERS)))),)
    width = end - start
    length = min(0.45 * math.sqrt(duration) * rng.uniform(0.9, 1.1), width / 3)
    if kind == "flash":
        middle = start + width * rng.uniform(0.25, 0.75)
        return (Event(name, *frame_span(times, middle, length)),)
    count = int(rng.integers(2, 5))
    length = min(length, 0.5 * width / count)
    centres = start + width * (np.arange(count) + 0.5 + rng.uniform(-0.15, 0.15, count)) / count
    return tuple(Event(name, *frame_span(times, c, length)) for c in centres)


def frame_span(times: NDArray[np.float64], middle: float, length: float) -> tuple[float, float]:
    """Return a span of about `length` around `middle` that starts and ends on frame times.

    Args:
        times: float64 `(N,)`, of all frames, seconds.
        middle: seconds.
        length: seconds; the span has at least one frame.
    """
    first = int(np.searchsorted(times, middle - length / 2))
    last = max(int(np.searchsorted(times, middle + length / 2)), first + 1)
    return float(times[first]), float(times[min(last, len(times) - 1)])
