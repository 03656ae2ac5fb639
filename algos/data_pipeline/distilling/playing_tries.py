"""Every question played several times by one policy, each episode written as soon as it ends.

A file of JSON lines for each policy, one `Trajectory.to_json` without tokens a line. Killed at any
moment, the same call plays what is missing; an episode is decided by the seed, its question and its
number alone, so that what comes out is what would have come out. Episodes that failed on our side,
or in which a tool was late, are played again by the next call.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts, facts_of
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.telling import Telling
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog
from algos.runs.line_index import LineIndex
from algos.runs.run_folder import without_tokens
from algos.seeds import subseed
from algos.sft.environments import open_envs
from policies.registry import AnyPolicy
from policies.terminal_text import visible
from sage_env.datasets.item import QAItem

_WHAT = "an episode of a distillation"


@dataclass(frozen=True, eq=False)
class Teacher:
    """A policy that plays.

    Attributes:
        name: as `--policy` has it.
        policy: itself.
        tries: episodes of each question.
        env_options: arguments of its environment.
    """

    name: str
    policy: AnyPolicy
    tries: int
    env_options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def sure(self) -> bool:
        """Return whether it always plays in the same way, so that one try says all."""
        return getattr(self.policy, "temperature", None) == 0

    def specs(self, asked: Sequence[QAItem]) -> dict[str, tuple[QAItem, int]]:
        """Return the question and the number of every try, by the name that it is played under."""
        count = 1 if self.sure else self.tries
        return {f"{item.id}#{k}": (item, k) for item in asked for k in range(count)}


def play_tries(
    teacher: Teacher,
    items: Sequence[QAItem],
    asked: Sequence[QAItem],
    path: Path,
    *,
    seed: int,
    envs: int = 8,
    progress: bool = False,
) -> None:
    """Play what is missing.

    Args:
        teacher: who plays.
        items: the dataset, which may make its videos.
        asked: questions of it.
        path: of the teacher's file.
        seed: of environments and policy.
        envs: episodes that are played at the same time; changes the speed, not the result.
        progress: show a progress bar.

    Raises:
        SageEnvError: if the file cannot be read or written, or the teacher cannot play at all.
    """
    wanted = teacher.specs(asked)
    done: set[str] = set()
    _index(path, lambda name, row: (done.discard if _is_ours(row) else done.add)(name))
    specs = [
        EpisodeSpec(item.id, subseed(seed, "distill", item.id), name=name)
        for name, (item, _) in wanted.items()
        if name not in done
    ]
    if not specs:
        return
    bar = tqdm(
        total=len(wanted),
        initial=len(wanted) - len(specs),
        desc=visible(teacher.name),
        unit="episode",
        disable=not progress,
    )
    with bar, open_envs(items, teacher.env_options, min(envs, len(specs))) as made:
        with closing(AppendLog(path)) as log:

            def keep(trajectory: Trajectory) -> None:
                log.append(without_tokens(trajectory).to_json())
                bar.update()

            told = [Telling(env) for env in made]
            collect(told, teacher.policy, specs, seed=seed, progress=keep, isolate=True, keep=False)


class TryFile:
    """The episodes of one teacher, read from its file when they are asked for.

    Args:
        teacher: who played.
        asked: the questions.
        path: of the file.

    Raises:
        LogError: if the file cannot be read.
    """

    def __init__(self, teacher: Teacher, asked: Sequence[QAItem], path: Path) -> None:
        """Find the lines."""
        self._teacher, self._wanted = teacher, teacher.specs(asked)
        self._index = _index(path)

    def facts(self) -> list[EpisodeFacts]:
        """Return the facts of all tries, by question.

        Raises:
            LogError: if one is missing.
        """
        rows = self._index.contents(list(self._wanted))
        return [
            facts_of(self._teacher.name, attempt, item, Trajectory.from_json(row))
            for (item, attempt), row in zip(self._wanted.values(), rows, strict=True)
        ]

    def trajectory(self, facts: EpisodeFacts) -> Trajectory:
        """Return a whole episode."""
        name = f"{facts.item_id}#{facts.attempt}"
        return Trajectory.from_json(next(self._index.contents([name])))


def _index(path: Path, seen: Any = None) -> LineIndex:
    return LineIndex(path, _name, _WHAT, seen)


def _is_ours(row: Any) -> bool:
    """Return whether our side failed an episode, or was late with a tool's reply in it."""
    return Trajectory.from_json(row).hindered


def _name(row: Any) -> str | None:
    conditions = row.get("conditions") if isinstance(row, dict) else None
    name = conditions.get("episode") if isinstance(conditions, dict) else None
    return name if isinstance(name, str) else None
