"""One question of a stored evaluation: what was asked, what was played, and under what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import read_settings
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import load_stored
from algos.verify.verify_evaluation import moved_below
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import find_item, load_dataset, prepare_item
from sage_env.errors import DatasetError, SageEnvError


class ReplayError(SageEnvError):
    """A recorded question cannot be played again in this way; the message says what can be done."""


@dataclass(frozen=True, eq=False)
class RecordedEpisode:
    """One question of a run, as its folder has it.

    Attributes:
        item: what was asked.
        trajectory: what was played; without tokens.
        settings: what the run depended on, from its manifest.
    """

    item: QAItem
    trajectory: Trajectory
    settings: Mapping[str, Any]

    @property
    def environment(self) -> dict[str, Any]:
        """Return the arguments of its environment; frames have the size that they had."""
        given: Mapping[str, Any] = self.settings.get("environment") or {}
        found = {name: _tuples(value) for name, value in given.items()}
        pixels = self.settings.get("pixels") or {}
        if "frame_size" not in found and "frame_pixels" not in found and pixels:
            found["frame_size"] = int(pixels["height"]), int(pixels["width"])
        return found


def recorded_episode(
    folder: RunFolder, question: str, *, root: Path | None = None
) -> RecordedEpisode:
    """Read one question of a finished evaluation.

    Args:
        folder: of one entry, that `sage-vqa eval` wrote.
        question: its id.
        root: folder of the videos, where they are not where the run had them.

    Raises:
        RunFolderError: if the folder holds no finished evaluation.
        DatasetError: if it has no question of that id, naming near ones.
        ReplayError: if the episode failed, or its question was not asked as it stands.
    """
    settings, result = read_settings(folder), load_stored(folder)
    if settings.get("control") is not None:
        raise ReplayError(
            f"{folder.path} was played under the control {settings['control']!r}, which changes "
            "what is asked: replay an entry without one"
        )
    number = find_item({item.id: place for place, item in enumerate(result.items)}, question)
    item, trajectory = result.items[number], result.trajectories[number]
    if trajectory.error is not None:
        raise ReplayError(
            f"the episode of {question!r} failed ({trajectory.error}), and there is nothing to "
            "replay: run the same `sage-vqa eval` again, which plays it anew"
        )
    item = item if root is None else moved_below(item, root)
    _prepare(item, settings)
    return RecordedEpisode(item, trajectory, settings)


def _prepare(item: QAItem, settings: Mapping[str, Any]) -> None:
    """Have a dataset that makes its videos make this one, if it is gone."""
    if item.video.exists():
        return
    try:
        source = load_dataset(str(settings.get("dataset")), split=str(settings.get("split")))
    except DatasetError:
        return  # the video is missed when it is opened, which names it
    known = {one.id: one for one in source}.get(item.id)
    if known is not None and known == replace(item, video=known.video):
        prepare_item(source, item)


def _tuples(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
