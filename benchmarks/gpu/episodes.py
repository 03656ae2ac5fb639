"""What the steps play: questions about painted videos, of any frame size, without a file."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from sage_env import QAItem, VideoQAEnv
from sage_env.actions.action import Action, Invalid
from sage_env.history import History
from sage_env.testing.memory_video import open_memory

SECONDS = 600
"""Length of the painted videos."""


def questions(count: int) -> list[QAItem]:
    """Return questions about videos in memory, all of another length, so that no two share one."""
    return [
        QAItem(f"q{k}", Path(f"{SECONDS + k}.memory"), f"What is shown at {k}?", answer="x")
        for k in range(count)
    ]


def by_chance(item: QAItem, action: Action | Invalid, history: History) -> Mapping[str, float]:
    """Pay 0 or 1 for the last action's own words: as good as chance, and the same when repeated."""
    text = f"{item.id} {action}"
    last = history.stop_reason is not None
    return {"chance": float(zlib.crc32(text.encode()) % 2) if last else 0.0}


def play(policy: Any, questions_: Sequence[QAItem], each: int, **options: Any) -> list[Trajectory]:
    """Play every question `each` times, all side by side.

    Args:
        policy: who plays, reset with seed 0.
        questions_: what is asked.
        each: episodes of each question.
        options: of the environment.

    Raises:
        RuntimeError: if an episode failed.
    """
    specs = [EpisodeSpec(item.id, 0) for item in questions_ for _ in range(each)]
    envs = [
        VideoQAEnv(dataset=questions_, opener=open_memory, reward=by_chance, **options)
        for _ in specs
    ]
    played = collect(envs, policy, specs, seed=0)
    for env in envs:
        env.close()
    failed = [episode.error for episode in played if episode.error is not None]
    if failed:
        raise RuntimeError(f"{len(failed)} of {len(played)} episodes failed: {failed[0]}")
    return played
