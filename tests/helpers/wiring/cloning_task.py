"""Four clips, six questions and a demonstrator of fixed habits, for tests of fine-tuning."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from algos.sft.demonstrating import demonstrate
from algos.sft.stored_episodes import StoredEpisode
from policies.base import Decision
from sage_env import Answer, Invalid, QAItem, Zoom, format_action
from tests.helpers.clips import Picture, numbered, write_clip

ENV: dict[str, Any] = {"max_turns": 3, "max_frames": 8, "overview_frames": 2, "frames_per_turn": 3}
ENV |= {"frame_size": (64, 64)}
VIDEOS = ("a", "b", "c", "d")


def write_items(folder: Path) -> list[QAItem]:
    """Write the clips, of 20 frames at irregular times, and return the questions about them."""
    for number, name in enumerate(VIDEOS):
        ticks = [25 * i + number * (i % 3) for i in range(20)]
        pictures = partial(_of_video, 50 * number)
        write_clip(folder / f"{name}.mp4", ticks, draw=pictures)
    videos = (*VIDEOS, "a", "b")
    return [
        QAItem(
            id=f"q{k}",
            video=folder / f"{video}.mp4",
            question=f"what colour is star {k}?",
            choices=("red", "blue"),
            answer="blue" if k == 1 else "red",
            kind="mcq",
        )
        for k, video in enumerate(videos)
    ]


def _of_video(first: int, number: int, height: int, width: int) -> Picture:
    return numbered(first + number, height, width)


class Hasty:
    """Answers `red` at once, in words that the small model knows."""

    env_options: dict[str, Any] = ENV

    def reset(self, *, seed: int | None = None) -> None:
        pass

    def act(self, observation: Any) -> Decision:
        return Decision(Answer("red"), format_action(Answer("red"), "red empty"))


class Demonstrator:
    """Zooms once with a thought, and answers `red`; on the questions named, says nonsense first."""

    env_options: dict[str, Any] = ENV

    def __init__(self, nonsense: Sequence[str] = ()) -> None:
        self.nonsense = nonsense
        self.played: list[str] = []

    def reset(self, *, seed: int | None = None) -> None:
        self.turn = 0

    def act(self, observation: Any) -> Decision:
        self.turn += 1
        question = str(observation["question"])
        if self.turn == 1:
            self.played.append(question)
            if any(word in question for word in self.nonsense):
                return Decision(Invalid("let me see", "no object"), "let me see")
            action = Zoom(2.0, 9.0, 3)
            return Decision(action, format_action(action, "look for the star"))
        return Decision(Answer("red"), format_action(Answer("red")))


def demonstrations(folder: Path, items: Sequence[QAItem], **given: Any) -> list[StoredEpisode]:
    """Play all questions with the demonstrator, into a file of the folder."""
    return demonstrate(Demonstrator(**given), items, folder / "shown.jsonl", envs=2)
