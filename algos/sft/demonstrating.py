"""Episodes of a demonstrator, written to a file as they are played. No torch.

Any policy demonstrates: one with rules, a served model, the oracle, or the student itself, whose
right answers are then learned (filtered cloning: the rejection sampling of arXiv 2308.01825, with
whole episodes in place of solutions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from gymnasium import Env
from tqdm import tqdm

from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.runs.run_folder import without_tokens
from algos.seeds import subseed
from algos.sft.environments import open_envs
from algos.sft.stored_episodes import StoredEpisode, read_episodes
from policies.base import BatchPolicy, Policy
from sage_env.datasets.item import QAItem


def demonstrate(
    teacher: Policy | BatchPolicy,
    items: Sequence[QAItem],
    path: Path,
    *,
    asked: Sequence[QAItem] | None = None,
    env_options: Mapping[str, Any] | None = None,
    repeats: int = 1,
    seed: int = 0,
    envs: int = 8,
    progress: bool = False,
) -> list[StoredEpisode]:
    """Play every question, and keep each episode in a file as soon as it has ended.

    Called again, it plays what is missing. What an episode is depends on the seed, its question
    and its number alone. One that fails is kept as failed, and is not played again.

    Args:
        teacher: who plays.
        items: the questions.
        asked: those that are played; by default all.
        path: of the file, JSON lines of `Trajectory.to_json` without tokens.
        env_options: of `gym.make`; the teacher's own go before them.
        repeats: episodes of each question: 1 of a teacher that is sure, more of one that samples.
        seed: of the teacher and the environments.
        envs: episodes that are played at the same time; changes the speed, not the result.
        progress: show a progress bar.

    Returns:
        The episodes, by question.

    Raises:
        SageEnvError: if the file cannot be read or written, or the teacher cannot play at all.
    """
    options = {**(env_options or {}), **getattr(teacher, "env_options", {})}
    specs = [
        EpisodeSpec(item.id, subseed(seed, "demonstration", item.id), name=f"{item.id}#{k}")
        for item in (items if asked is None else asked)
        for k in range(repeats)
    ]
    done = {episode.trajectory.conditions.episode: episode for episode in _written(path)}
    missing = [spec for spec in specs if spec.name not in done]
    if missing:
        bar = tqdm(
            total=len(specs),
            initial=len(specs) - len(missing),
            desc="demonstrations",
            unit="episode",
            disable=not progress,
        )
        with bar, open_envs(items, options, min(envs, len(missing))) as made:
            _play(made, teacher, missing, seed, path, bar)
        done = {episode.trajectory.conditions.episode: episode for episode in _written(path)}
    return [done[str(spec.name)] for spec in specs]


def _play(
    envs: Sequence[Env[Any, Any]],
    teacher: Policy | BatchPolicy,
    specs: Sequence[EpisodeSpec],
    seed: int,
    path: Path,
    bar: tqdm[Any],
) -> None:
    """Play episodes, and write each to the file when it ends."""
    with closing(AppendLog(path)) as log:

        def keep(trajectory: Trajectory) -> None:
            log.append(without_tokens(trajectory).to_json())
            bar.update()

        collect(envs, teacher, specs, seed=seed, progress=keep, isolate=True)


def _written(path: Path) -> list[StoredEpisode]:
    """Return the episodes of a file so far."""
    whole = path.exists() and path.read_bytes().rfind(b"\n") >= 0
    return read_episodes([path]) if whole else []
