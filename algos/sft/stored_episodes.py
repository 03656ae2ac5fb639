"""Episodes to learn from: read from files and folders, and chosen by what came of them. No torch.

| given | is read |
|---|---|
| a `.jsonl` file | one `Trajectory.to_json` per line |
| a `.parquet` file | an SFT set of `sage-vqa data distill`, see `episode_sets` |
| a folder of `sage-vqa eval` | its episodes, and with what settings they were played |
| a folder of `sage-vqa ask` | its one episode |
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import read_log
from algos.runs.evaluation_manifest import read_settings
from algos.runs.run_folder import RunFolder, item_from_json, read_json
from algos.sft.episode_sets import read_episode_set
from algos.sft.settings import FineTuningError
from sage_env.datasets.item import QAItem
from sage_env.datasets.question_sets import SET_SUFFIX


@dataclass(frozen=True, eq=False)
class StoredEpisode:
    """One episode that was played before.

    Attributes:
        trajectory: what happened; its tokens, if it has any, are another model's and not read.
        place: where it stands, for messages.
        env_options: what its environment was made with, as far as its folder says.
        item: its question as its folder has it; `None` where that does not say.
    """

    trajectory: Trajectory
    place: str = "an episode in memory"
    env_options: Mapping[str, Any] = field(default_factory=dict)
    item: QAItem | None = None

    @property
    def item_id(self) -> str:
        """Return the id of its question; "" where it has none."""
        return self.trajectory.item_id or ""


@dataclass(frozen=True, kw_only=True)
class EpisodeChoice:
    """Which episodes are learned from. Failed ones never are."""

    right_only: bool = False
    """Whether those with a wrong answer, or one that was not judged, are left out."""
    min_reward: float | None = None
    """Least sum of an episode's rewards."""
    limit: int | None = None
    """Most episodes, evenly spaced over those that are left; by default all."""

    def __post_init__(self) -> None:
        """Refuse numbers that choose nothing."""
        if self.limit is not None and self.limit < 1:
            raise FineTuningError(f"limit must be at least 1, got {self.limit}")
        if self.min_reward is not None and math.isnan(self.min_reward):
            raise FineTuningError("min_reward must be a number, got nan")

    def split(
        self, episodes: Sequence[StoredEpisode]
    ) -> tuple[list[StoredEpisode], dict[str, int]]:
        """Return the episodes to learn from, in order, and how many were left out for what."""
        kept: list[StoredEpisode] = []
        left_out: Counter[str] = Counter()
        for episode in episodes:
            if reason := self._reason(episode.trajectory):
                left_out[reason] += 1
            else:
                kept.append(episode)
        count = len(kept) if self.limit is None else min(self.limit, len(kept))
        if count < len(kept):
            left_out["beyond the limit"] = len(kept) - count
        return [kept[k * len(kept) // count] for k in range(count)], dict(left_out)

    def _reason(self, trajectory: Trajectory) -> str:
        """Return why an episode is left out, "" if it is not."""
        if trajectory.error is not None:
            return "failed"
        if trajectory.hindered:
            return "with a tool that was late"
        if not trajectory.turns or not trajectory.terminated:
            return "not played to the end"
        if self.right_only and trajectory.turns[-1].info.get("correct") is not True:
            return "without a right answer"
        if self.min_reward is not None and not trajectory.ret >= self.min_reward:
            return f"with a reward below {self.min_reward:g}"
        return ""


def read_episodes(paths: Sequence[Path]) -> list[StoredEpisode]:
    """Read the episodes of files and folders, in order.

    Raises:
        FineTuningError: if there is none, or a file or folder holds something else; names it.
        SageEnvError: if one cannot be read.
    """
    found = [episode for path in paths for episode in _read(path)]
    if not found:
        raise FineTuningError(
            f"no episodes in {', '.join(map(str, paths)) or 'nothing'}: give files of trajectories "
            "(.jsonl, .parquet), or folders that `sage-vqa eval` wrote"
        )
    return found


def _read(path: Path) -> Iterator[StoredEpisode]:
    if path.suffix == SET_SUFFIX:
        yield from (StoredEpisode(t, place, how) for place, t, how in read_episode_set(path))
        return
    if not path.is_dir():
        yield from _of_file(path, {}, {})
        return
    folder = RunFolder(path)
    if folder.trajectory.exists():
        yield from _of_file(folder.trajectory, {}, {})
        return
    files = sorted(folder.evaluations.glob("*.jsonl"))
    if len(files) != 1:
        held = f"holds {len(files)} evaluations" if files else "holds no episodes"
        raise FineTuningError(
            f"{path} {held}: give a file of trajectories (.jsonl), or a folder that "
            "`sage-vqa eval` or `sage-vqa ask` wrote"
        )
    options = read_settings(folder).get("environment") if folder.manifest.exists() else None
    yield from _of_file(files[0], options or {}, _items(files[0].with_suffix(".json")))


def _items(path: Path) -> dict[str, QAItem]:
    """Return the questions of an evaluation by id; none while it is unfinished."""
    if not path.exists():
        return {}
    try:
        rows = [item_from_json(row) for row in read_json(path)["items"]]
    except (KeyError, TypeError, ValueError) as error:
        raise FineTuningError(f"{path} is not a saved evaluation: {error}") from error
    return {item.id: item for item in rows}


def _of_file(
    path: Path, options: Mapping[str, Any], items: Mapping[str, QAItem]
) -> Iterator[StoredEpisode]:
    """Yield the episodes of one file; of a question that was played again, the last.

    Args:
        path: of the file.
        options: what its environment was made with.
        items: its questions by id; with them, a later line of a question is the same episode,
            played again after a failure.
    """
    if not path.is_file():
        raise FineTuningError(f"{path} is no file and no folder: give the path of episodes")
    found: dict[Any, StoredEpisode] = {}
    for number, row in enumerate(read_log(path), 1):
        place = f"{path}, line {number}"
        try:
            trajectory = Trajectory.from_json(row)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FineTuningError(f"{place} is not a trajectory: {error!r}") from error
        item = items.get(str(trajectory.item_id))
        key = str(trajectory.item_id) if items else number
        found[key] = StoredEpisode(trajectory, place, options, item)
    yield from found.values()
