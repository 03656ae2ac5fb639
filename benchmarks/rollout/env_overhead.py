"""Overhead of `step` beside decoding: our environment against a bare one with the same spaces.

    python -m benchmarks.rollout.env_overhead [--rounds 400] [--out benchmarks/reports]

Both environments are played in one process, episode by episode in turns. The pictures of the video
are in memory, so that no time goes into decoding. The bare Gymnasium environment makes a new
observation of the same shapes and copies as many pixels into it. Figures are medians of wall-clock
time over all calls of a kind, after warm-up episodes.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray

from algos.evaluation.tables import format_table
from benchmarks.provenance import header, publish, versions
from sage_env.actions.action import Action, Answer, Sample, Skip, UseTool, Zoom
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.frames import Box, FrameBatch
from sage_env.observation import Observation
from sage_env.spaces import UnicodeText
from sage_env.tools.tool import ToolContext

SIZE, FRAMES, DURATION = (64, 64), 16, 3600.0
WARM_UP = 20  # episodes before the figures: caches and the processor's clock settle
LIMIT_MS = 0.3  # bar: milliseconds that a call may cost more than the bare environment's
STEPS: dict[str, Action] = {
    "skip": Skip(100.0),
    "sample, 16 frames": Sample(0.0, 3000.0, FRAMES),
    "zoom, 16 frames": Zoom(200.0, 400.0, FRAMES, (0.0, 0.0, 0.5, 0.5)),
    "tool": UseTool("hello", {"name": "you"}),
    "answer": Answer("star"),
}


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    rounds: int = 400
    """Episodes that each environment plays."""
    out: Path | None = None
    """Folder to write the report to."""


class LoopedVideo:
    """A video with one picture a second in memory; reading copies pictures, and that is all."""

    duration, fps = DURATION, 1.0

    def __init__(self, path: Path) -> None:
        """Draw 64 random pictures, which repeat for an hour; the path is not used."""
        self._pictures = np.random.default_rng(0).integers(0, 256, (64, *SIZE, 3), np.uint8)

    def frames_at(
        self,
        seconds: Sequence[float],
        *,
        size: tuple[int, int] | None = None,
        box: Box | None = None,
    ) -> FrameBatch:
        """Return the frames on screen at the given times."""
        numbers = np.sort(np.asarray(seconds)).astype(np.int64)
        return FrameBatch(self._pictures[numbers % 64], numbers.astype(np.float64))

    def close(self) -> None:
        """Do nothing."""


class HelloTool:
    """A tool that costs nothing."""

    name = "hello"
    description = "Greets."
    parameters = {
        "type": "object",
        "properties": {"name": {"type": "string"}},
        "required": ["name"],
    }

    def __call__(self, arguments: dict[str, Any], context: ToolContext) -> str:
        """Return a greeting."""
        return f"Hello {arguments['name']}"


class BareEnv(gym.Env[Observation, Action]):
    """The least work of an environment with these spaces: it makes a new observation per call."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Take the spaces."""
        self.observation_space, self.action_space = observation_space, action_space
        self._pixels = LoopedVideo(Path()).frames_at(range(FRAMES)).pixels

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Return an observation."""
        super().reset(seed=seed)
        return self._observe(True), {}

    def step(self, action: Action) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """Return an observation, with pictures if the action looks."""
        ended = isinstance(action, Answer)
        return self._observe(isinstance(action, Sample | Zoom)), 0.0, ended, False, {}

    def _observe(self, looks: bool) -> Observation:
        frames: NDArray[np.uint8] = np.zeros((FRAMES, *SIZE, 3), np.uint8)
        if looks:
            frames[:] = self._pixels
        texts = {key: "" for key in ("question", "choices", "message", "text")}
        number = np.array(0.0, np.float32)
        return {
            "frames": frames,
            "picture": np.zeros((FRAMES, 4), np.int32),
            "seconds": np.full(FRAMES, -1.0, np.float32),
            "num_frames": FRAMES if looks else 0,
            "cursor": number,
            "duration": number.copy(),
            "turns_left": 9,
            "frames_left": 100,
            **texts,
        }


def main(settings: Settings) -> None:
    """Measure, print, and write the report if a folder is given."""
    item = QAItem("q", Path("memory"), "Which symbol?", ("moon", "star"), "star", "mcq")
    env = VideoQAEnv(dataset=[item], opener=LoopedVideo, frame_size=SIZE, tools=[HelloTool()])
    bare = BareEnv(env.observation_space, env.action_space)
    observation, _ = bare.reset(seed=0)
    assert observation in env.observation_space
    assert isinstance(env.observation_space, gym.spaces.Dict)
    assert all(isinstance(env.observation_space[key], UnicodeText) for key in ("text", "message"))
    names = ["reset, 16 frames", *STEPS]
    ours: dict[str, list[float]] = {name: [] for name in names}
    theirs: dict[str, list[float]] = {name: [] for name in names}
    for played in range(settings.rounds + WARM_UP):
        for timed, times in ((env, ours), (bare, theirs)):
            kept = times if played >= WARM_UP else {name: [] for name in names}
            kept["reset, 16 frames"].append(_ms(timed.reset))
            for name, action in STEPS.items():
                kept[name].append(_ms(partial(timed.step, action)))
    publish(report(settings, ours, theirs), settings.out, "env_overhead.md")


def _ms(call: Callable[[], object]) -> float:
    """Return the wall-clock milliseconds of a call."""
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def report(settings: Settings, ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    """Return the report as Markdown.

    Args:
        settings: of the benchmark.
        ours: milliseconds of each call of our environment, by kind of call.
        theirs: those of the bare one.
    """
    rows = []
    for name, times in ours.items():
        env, bare = statistics.median(times), statistics.median(theirs[name])
        tenth = statistics.quantiles(times, n=10)
        rows.append((name, f"{env:.3f}", f"{bare:.3f}", f"{env - bare:.3f}", f"{tenth[-1]:.3f}"))
    columns = ("call", "VideoQAEnv", "bare", "difference", "VideoQAEnv, 90 %")
    worst = max(float(row[3]) for row in rows)
    verdict = "kept" if worst <= LIMIT_MS else "exceeded"
    lines = [
        *header(
            "Cost of the environment beside decoding",
            "benchmarks.rollout.env_overhead",
            libraries=versions("numpy", "gymnasium"),
        ),
        f"- {FRAMES} frames of {SIZE[0]}x{SIZE[1]} from memory; milliseconds, medians of "
        f"{settings.rounds} calls, interleaved",
        f"- limit of {LIMIT_MS} ms more than the bare environment: {verdict}, at most {worst:.3f}",
        "",
        "```",
        format_table(columns, rows),
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(Settings))
