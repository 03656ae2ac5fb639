"""The three splits of a dataset: as it has them, or held out by video."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import DatasetSource, has_splits, load_dataset
from sage_env.errors import DatasetError

NAMES = ("train", "validation", "test")
HOLD_OUT = (0.1, 0.2)
"""Shares of the videos for validation and test, where a dataset has no splits of its own."""


@dataclass(frozen=True, eq=False)
class Splits:
    """The questions of a training, of its validation, and of what is published.

    Attributes:
        train: learned from.
        validation: chooses among the updates.
        test: measured before and after; nothing is chosen on it.
        how: where they come from, by split: `given`, or `held out by video, seed 0`.
    """

    train: Sequence[QAItem]
    validation: Sequence[QAItem]
    test: Sequence[QAItem]
    how: Mapping[str, str]

    def __post_init__(self) -> None:
        """Refuse a video that is in two of them.

        Raises:
            DatasetError: naming the video.
        """
        owner: dict[object, str] = {}
        for name, items in self.parts().items():
            for video in dict.fromkeys(item.video for item in items):
                other = owner.setdefault(_identity(video), name)
                if other != name:
                    raise DatasetError(
                        f"the video {video} is in {other} and in {name}: what is learned would be "
                        "seen again where it is measured; leave its questions in one split"
                    )

    def parts(self) -> dict[str, Sequence[QAItem]]:
        """Return the questions by the names of the splits."""
        return {"train": self.train, "validation": self.validation, "test": self.test}

    def ids(self) -> dict[str, list[str]]:
        """Return the ids of the questions by the names of the splits."""
        return {name: [item.id for item in items] for name, items in self.parts().items()}

    def without(self, videos: Iterable[Path]) -> Splits:
        """Return the splits without the questions about some videos."""
        lost = set(videos)
        kept = {
            name: part_of(items, [k for k, item in enumerate(items) if item.video not in lost])
            for name, items in self.parts().items()
        }
        return Splits(**kept, how=self.how)


class Part(Sequence[QAItem]):
    """Some questions of a dataset, with what the dataset has beside them.

    Attributes are those of the dataset: `prepare`, `frame_size`, and others where it has them.
    """

    def __init__(self, dataset: Sequence[QAItem], places: Sequence[int]) -> None:
        """Take the questions at some places of a dataset, in this order."""
        self.dataset, self._items = dataset, [dataset[place] for place in places]

    def __getattr__(self, name: str) -> object:
        """Return what the dataset has under a name."""
        if name.startswith("_") or name == "dataset":  # while it is copied, there is none yet
            raise AttributeError(name)
        return getattr(self.dataset, name)

    def __len__(self) -> int:
        """Return the number of questions."""
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> QAItem: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[QAItem]: ...

    def __getitem__(self, index: int | slice) -> QAItem | Sequence[QAItem]:
        """Return one question, or several."""
        return self._items[index]


def part_of(items: Sequence[QAItem], places: Sequence[int]) -> Sequence[QAItem]:
    """Return the questions at some places; all of them as they are, where none is left out."""
    return items if list(places) == list(range(len(items))) else Part(items, places)


def load_splits(
    dataset: DatasetSource,
    *,
    root: str | Path | None = None,
    validation: DatasetSource | None = None,
    test: DatasetSource | None = None,
    hold_out: tuple[float, float] = HOLD_OUT,
    seed: int = 0,
    allow_outside: bool = False,
) -> Splits:
    """Return the three splits of a dataset; a missing one is held out *by video*.

    A dataset with splits of its own has to have all three, unless another stands in for one. One
    without is divided: the videos are ordered by a hash of the seed and of their place below the
    folder that they share, and the first ones are held out. So it depends neither on where that
    folder lies nor on the order of the questions.

    Args:
        dataset: see `load_dataset`, as for `root` and `allow_outside`.
        root: the folder of the videos, of all that are named here.
        validation: stands in for the validation split.
        test: stands in for the test split.
        hold_out: shares of the videos for validation and test; each gets one video at least.
        seed: of what is held out.
        allow_outside: whether a file may name videos that do not lie under `root`.

    Raises:
        DatasetError: if a split is missing, empty, or shares a video with another; or if there are
            too few videos to divide.
    """

    def load(source: DatasetSource, split: str) -> Sequence[QAItem]:
        return load_dataset(source, root=root, split=split, allow_outside=allow_outside)

    others = {"validation": validation, "test": test}
    given = {name: load(source, name) for name, source in others.items() if source is not None}
    if has_splits(dataset):
        given["train"] = load(dataset, "train")
        for name in others:
            if name not in given:
                given[name] = _own(dataset, name, load)
        return Splits(**given, how=dict.fromkeys(NAMES, "given"))
    items = load(dataset, "train")
    wanted = [name for name in others if name not in given]
    shares = dict(zip(others, hold_out, strict=True))
    parts = hold_out_videos(items, {name: shares[name] for name in wanted}, seed)
    held = f"held out by video, seed {seed}"
    how = {name: held if name in wanted else "given" for name in NAMES}
    return Splits(**{**given, **parts}, how=how)


def _own(
    dataset: DatasetSource, name: str, load: Callable[[DatasetSource, str], Sequence[QAItem]]
) -> Sequence[QAItem]:
    try:
        return load(dataset, name)
    except DatasetError as error:
        raise DatasetError(
            f"{error}; or name the questions of the split {name} (--{name})"
        ) from error


def hold_out_videos(
    items: Sequence[QAItem], shares: Mapping[str, float], seed: int
) -> dict[str, Sequence[QAItem]]:
    """Divide questions by their videos; what no share asks for is `train`.

    Args:
        items: of one split.
        shares: of the videos, by the name of a split, each in (0, 1).
        seed: decides which videos.

    Returns:
        The questions of each split, in their order.

    Raises:
        DatasetError: if a share is none, or if no video would be left to train on.
    """
    for name, share in shares.items():
        if not 0 < share < 1:
            raise DatasetError(f"the share of {name} must be in (0, 1), got {share}")
    names: dict[object, Path] = {}  # of one file that has several, the first
    for video in dict.fromkeys(item.video for item in items):
        names.setdefault(_identity(video), video)
    videos = _in_order(list(names.values()), seed)
    counts = {name: max(1, round(share * len(videos))) for name, share in shares.items()}
    if sum(counts.values()) >= len(videos):
        told = " and ".join(f"{count} for {name}" for name, count in counts.items())
        raise DatasetError(
            f"the dataset has {len(videos)} videos, too few to hold out {told}: name those "
            "splits by files of their own (--validation, --test), or add videos"
        )
    owner = dict.fromkeys(videos, "train")
    first = 0
    for name, count in counts.items():
        owner |= dict.fromkeys(videos[first : first + count], name)
        first += count
    whose = {video: owner[names[_identity(video)]] for video in {item.video for item in items}}
    return {
        name: part_of(items, [k for k, item in enumerate(items) if whose[item.video] == name])
        for name in ("train", *counts)
    }


def _in_order(videos: Sequence[Path], seed: int) -> list[Path]:
    """Return the videos, ordered by a hash of the seed and of their place below what they share."""
    shared = os.path.commonpath([os.path.abspath(video.parent) for video in videos])

    def rank(video: Path) -> bytes:
        place = Path(os.path.relpath(os.path.abspath(video), shared)).as_posix()
        return hashlib.sha256(f"{seed}:{place}".encode("utf-8", "surrogateescape")).digest()

    return sorted(videos, key=rank)


def _identity(video: Path) -> object:
    """Return what two names of one file have in common; before it is made, its place."""
    try:
        status = video.stat()
    except OSError:
        return os.path.realpath(video)
    return status.st_dev, status.st_ino
