"""What `step` costs beside decoding: against a bare Gymnasium environment with the same spaces.

    python -m benchmarks.rollout.env_overhead [--rounds 400] [--out benchmarks/reports]

Both environments are played in turns, episode by episode, in one process. The video is one whose
pictures are in memory, so no time goes into decoding; the bare environment makes a new observation
of the same shapes, and copies as many pixels into it. Figures are medians over all steps.
"""

from __future__ import annotations

import os
import platform
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import tyro
from numpy.typing import NDArray

from algos.evaluation.tables import format_table
from benchmarks.provenance import commit
from sage_env.actions.action import Action, Answer, Sample, Skip, UseTool, Zoom
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.frames import Box, FrameBatch
from sage_env.observation import Observation
from sage_env.spaces import UnicodeText
from sage_env.tools.tool import ToolContext

SIZE, FRAMES, DURATION = (64, 64), 16, 3600.0
LIMIT_MS = 0.3
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


class MemoryVideo:
    """A video of pictures in memory, one a second; a read copies them, and does nothing else."""

    duration, fps = DURATION, 1.0

    def __init__(self, path: Path) -> None:
        """Make the pictures."""
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
    """The least that an environment with these spaces does: it makes new observations."""

    def __init__(self, observation_space: gym.Space[Any], action_space: gym.Space[Any]) -> None:
        """Take the spaces."""
        self.observation_space, self.action_space = observation_space, action_space
        self._pixels = MemoryVideo(Path()).frames_at(range(FRAMES)).pixels

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
    env = VideoQAEnv(dataset=[item], opener=MemoryVideo, frame_size=SIZE, tools=[HelloTool()])
    bare = BareEnv(env.observation_space, env.action_space)
    observation, _ = bare.reset(seed=0)
    assert observation in env.observation_space
    assert isinstance(env.observation_space, gym.spaces.Dict)
    assert all(isinstance(env.observation_space[key], UnicodeText) for key in ("text", "message"))
    names = ["reset, 16 frames", *STEPS]
    ours: dict[str, list[float]] = {name: [] for name in names}
    theirs: dict[str, list[float]] = {name: [] for name in names}
    for played in range(settings.rounds + 20):
        for timed, times in ((env, ours), (bare, theirs)):
            kept = times if played >= 20 else {name: [] for name in names}  # the rest is warm-up
            kept["reset, 16 frames"].append(_ms(lambda timed=timed: timed.reset()))  # type: ignore[misc]
            for name, action in STEPS.items():
                kept[name].append(_ms(lambda timed=timed, action=action: timed.step(action)))  # type: ignore[misc]
    text = report(settings, ours, theirs)
    print(text)
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "env_overhead.md").write_text(text, encoding="utf-8")


def _ms(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return 1e3 * (time.perf_counter() - began)


def report(settings: Settings, ours: dict[str, list[float]], theirs: dict[str, list[float]]) -> str:
    """Return the report as Markdown."""
    rows = []
    for name, times in ours.items():
        env, bare = statistics.median(times), statistics.median(theirs[name])
        tenth = statistics.quantiles(times, n=10)
        rows.append((name, f"{env:.3f}", f"{bare:.3f}", f"{env - bare:.3f}", f"{tenth[-1]:.3f}"))
    header = ("call", "VideoQAEnv", "bare", "difference", "VideoQAEnv, 90 %")
    worst = max(float(row[3]) for row in rows)
    verdict = "kept" if worst <= LIMIT_MS else "exceeded"
    lines = [
        "# Cost of the environment beside decoding",
        "",
        f"- command: `python -m benchmarks.rollout.env_overhead --rounds {settings.rounds} --out "
        "benchmarks/reports`",
        f"- commit: {commit()}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, numpy {np.__version__}, gymnasium {gym.__version__}",
        f"- {FRAMES} frames of {SIZE[0]}x{SIZE[1]} from memory; milliseconds, medians of "
        f"{settings.rounds} calls, interleaved",
        f"- limit of {LIMIT_MS} ms more than the bare environment: {verdict}, at most {worst:.3f}",
        "",
        "```",
        format_table(header, rows),
        "```",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main(tyro.cli(Settings))
