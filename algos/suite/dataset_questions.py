"""The questions of an evaluation: chosen, sharded, changed by a control, and with videos there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.runs.evaluation_manifest import questions_digest
from algos.suite.entries import Control
from algos.suite.question_choice import ChoiceError, Shard
from sage_env.datasets.item import QAItem


@dataclass(frozen=True, eq=False)
class Questions:
    """What an evaluation asks.

    Attributes:
        dataset: all of its questions; it may make its videos, see `load_dataset`.
        chosen: those that are asked, of all shards together, in the dataset's order.
        name: of the dataset, for tables.
        shard: the part that is played here; `None` for all.
        settings: how the dataset and the questions were chosen, for the manifest.
        official: how many questions the benchmark counts officially; `None` where nobody says.
    """

    dataset: Sequence[QAItem]
    chosen: Sequence[QAItem]
    name: str = ""
    shard: Shard | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    official: int | None = None

    def positions(self) -> list[int]:
        """Return the places, among those chosen, of the questions that are played here.

        Raises:
            ChoiceError: if there are fewer videos than shards.
        """
        if self.shard is None:
            return list(range(len(self.chosen)))
        return self.shard.positions(self.chosen)

    def asked(self, control: Control | None, seed: int) -> tuple[Sequence[QAItem], list[QAItem]]:
        """Return the dataset and the questions played here, as a control asks them.

        Args:
            control: `None` leaves them as they are.
            seed: of the evaluation.

        Raises:
            ChoiceError: if the control loses a question.
        """
        whole = _changed(self.dataset, control, seed)
        by_id = {item.id: item for item in whole}
        return whole, [by_id[self.chosen[place].id] for place in self.positions()]

    def described(self) -> dict[str, Any]:
        """Return what the manifest says of the questions: those of all shards together."""
        return {
            **self.settings,
            "digest of the questions": questions_digest(self.chosen),
            "shard": None if self.shard is None else str(self.shard),
        }


def _changed(dataset: Sequence[QAItem], control: Control | None, seed: int) -> Sequence[QAItem]:
    if control is None or control.transform is None:
        return dataset
    found = list(control.transform(dataset, seed))
    if [item.id for item in found] != [item.id for item in dataset]:
        raise ChoiceError(
            f"the control {control.name!r} must keep every question, in order: it gave {len(found)}"
        )
    return ChangedDataset(found, dataset)


class ChangedDataset(list[QAItem]):
    """Questions of a control; videos are still made by the dataset that they come from.

    Args:
        items: the questions.
        dataset: where they come from.
    """

    def __init__(self, items: Iterable[QAItem], dataset: Sequence[QAItem]) -> None:
        """Take what the dataset suggests, and its way to make videos if it has one."""
        super().__init__(items)
        self.frame_size = getattr(dataset, "frame_size", None)
        self._make = getattr(dataset, "prepare", None)
        if self._make is not None:
            self._owners = {item.video: item for item in dataset}
            self.prepare = self._prepare

    def _prepare(self, item: QAItem) -> None:
        """Have the dataset make the video of an item, whichever question it was made for."""
        assert self._make is not None
        self._make(self._owners.get(item.video, item))


def missing_videos(items: Iterable[QAItem], dataset: Sequence[QAItem]) -> set[str]:
    """Return the ids of questions whose video file is not there.

    Args:
        items: the questions.
        dataset: they come from; one that makes its videos has all of them.
    """
    if getattr(dataset, "prepare", None) is not None:
        return set()
    there: dict[Path, bool] = {}
    lost = set()
    for item in items:
        if item.video not in there:
            there[item.video] = item.video.exists()
        if not there[item.video]:
            lost.add(item.id)
    return lost
