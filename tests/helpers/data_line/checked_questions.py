"""Questions about painted videos, and answerers whose right verdicts are known by construction.

A video is grey, but for stretches in one colour. Its name says all: `600_red@100-103.mp4` has 600
seconds and is red from 100 to 103.
"""

from __future__ import annotations

import re
from collections.abc import Hashable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from algos.data_pipeline.questions.generated_question import GeneratedQuestion, QuestionSource
from algos.data_pipeline.questions.question_files import GENERATED
from algos.runs.append_log import AppendLog
from policies.base import Decision, Observation
from sage_env.actions.action import Answer
from sage_env.frames import FrameBatch

COLOURS = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250), "teal": (0, 250, 250)}
GREY = (90, 90, 90)
FPS = 4.0


class Coloured:
    """The video that a name says."""

    fps = FPS

    def __init__(self, path: Path) -> None:
        seconds, *stretches = path.stem.split("_")
        self.duration = float(seconds)
        self.stretches = [
            (match[1], float(match[2]), float(match[3]))
            for one in stretches
            if (match := re.fullmatch(r"([a-z]+)@([0-9.]+)-([0-9.]+)", one))
        ]
        self.asked: list[float] = []

    def frames_at(self, seconds, *, size=None, box=None):
        last = int(np.ceil(self.duration * FPS)) - 1
        index = np.floor(np.sort(np.asarray(seconds, float)) * FPS + 1e-6).clip(0, last)
        times = index / FPS
        colours = np.array([self.colour(t) for t in times], np.uint8).reshape(-1, 1, 1, 3)
        pixels = np.broadcast_to(colours, (len(times), *(size or (8, 8)), 3))
        return FrameBatch(np.ascontiguousarray(pixels), times)

    def colour(self, second: float) -> tuple[int, int, int]:
        """Return what is on screen."""
        for name, start, end in self.stretches:
            if start <= second < end:
                return COLOURS[name]
        return GREY

    def close(self) -> None:
        """Nothing is held."""


def generated(name: str, video: str, **changes: Any) -> GeneratedQuestion:
    """Return a question about a video; the answer is `red` unless it is told."""
    told: dict[str, Any] = {
        "question": f"Which colour is shown in {name}?",
        "choices": tuple(COLOURS),
        "answer": "red",
        "kind": "mcq",
        "modality": "visual",
        "difficulty": "medium",
        "evidence": ((100.0, 103.0),),
        "duration": changes.get("duration") or float(video.partition("_")[0]),
        "percent_video_parsed": 10.0,
        "rationale": {},
        "source": QuestionSource(model="test/writer", prompt="abc", reply="r0", position=0),
    }
    return GeneratedQuestion(id=name, video=video, **(told | changes))


def write_generated(folder: Path, questions: Iterable[GeneratedQuestion]) -> Path:
    """Write questions as `data generate` does, and empty files for their videos."""
    log = AppendLog(folder / GENERATED)
    for one in questions:
        log.append(one.to_json())
        (folder / one.video).touch()
    log.close()
    return folder


class _Answerer:
    """Answers at once; subclasses say what."""

    env_options: Mapping[str, Any] = {"frame_size": (32, 32)}

    def __init__(self) -> None:
        self._seed = 0
        self.seen: list[tuple[str, list[float]]] = []

    def reset(self, *, seed: int | None = None) -> None:
        self._seed = seed or 0

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        return [
            Decision(Answer(self.answer(one, str(name))))
            for one, name in zip(observations, episodes, strict=True)
        ]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Nothing is held."""

    def answer(self, observation: Observation, episode: str) -> str:
        raise NotImplementedError

    def guess(self, observation: Observation, episode: str) -> str:
        """Return a choice by its position, drawn for the episode."""
        choices = str(observation["choices"]).split("\n")
        words = [self._seed, *episode.encode()]
        return choices[int(np.random.default_rng(words).integers(len(choices)))]


class SeesColours(_Answerer):
    """Names the colour that it is shown, and guesses where all is grey."""

    def answer(self, observation: Observation, episode: str) -> str:
        count = int(observation["num_frames"])
        self.seen.append((episode, observation["seconds"][:count].tolist()))
        for frame in observation["frames"][:count]:
            for name, colour in COLOURS.items():
                if (frame[16, 16] == colour).all():
                    return name
        return self.guess(observation, episode)


class Knows(_Answerer):
    """Knows the answers of some questions by heart, and guesses the others."""

    def __init__(self, by_heart: Mapping[str, str]) -> None:
        super().__init__()
        self.by_heart = by_heart

    def answer(self, observation: Observation, episode: str) -> str:
        question = str(observation["question"])
        known = [answer for text, answer in self.by_heart.items() if question.startswith(text)]
        return known[0] if known else self.guess(observation, episode)


class Guesses(_Answerer):
    """Guesses."""

    def answer(self, observation: Observation, episode: str) -> str:
        return self.guess(observation, episode)


class Hears(_Answerer):
    """Names the first colour that is told behind the question, and guesses where none is."""

    def answer(self, observation: Observation, episode: str) -> str:
        _, _, told = str(observation["question"]).partition("\n\n")
        heard = [name for name in COLOURS if f"It was {name}" in told]
        return heard[0] if heard else self.guess(observation, episode)
