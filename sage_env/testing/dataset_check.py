"""`check_dataset`: what the environment asks of a dataset, and of its videos."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sage_env.argument_checks import is_whole
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import DatasetSource, load_dataset
from sage_env.openers import Opener, open_file
from sage_env.testing.laws import lawful, require

# Seconds by which a duration that is written down may differ from the file's: annotations round.
_SLACK = 1.0


def check_dataset(
    dataset: DatasetSource,
    *,
    root: str | Path | None = None,
    split: str = "train",
    videos: int = 1,
    opener: Opener | None = None,
) -> None:
    """Check the questions of a dataset and some of its videos.

    Every gold answer must score 1 by `match_answer`, and no other choice may.

    Args:
        dataset: as for `load_dataset`, and so the next two.
        root: the folder of the videos.
        split: the split.
        videos: how many questions, evenly spread, to prepare and open the videos of.
        opener: opens them; by default `sage_env.video.open_video`.

    Raises:
        AssertionError: with the law that was broken.
    """
    with lawful("a dataset must give questions that can be asked and are answered right"):
        items = load_dataset(dataset, root=root, split=split)
        again = load_dataset(dataset, root=root, split=split)
    require(
        list(items) == list(again),
        "a dataset must give the same questions in the same order each time it is loaded",
    )
    indexed = [items[index] for index in range(len(items))]
    require(indexed == list(items), "a dataset must give the same items by index and in turn")
    with lawful("a dataset must survive pickling, on its way to other processes"):
        copied = list(pickle.loads(pickle.dumps(items)))
    require(copied == indexed, "a dataset must be the same after pickling")
    _check_size(getattr(items, "frame_size", (1, 1)))
    for index in np.linspace(0, len(items) - 1, min(videos, len(items))).round().astype(int):
        _check_video(items, items[int(index)], opener or open_file)


def _check_size(size: Any) -> None:
    law = f"frame_size must be (H, W), whole numbers above 0, got {size!r}"
    require(isinstance(size, tuple) and len(size) == 2, law)
    require(all(is_whole(length) and length > 0 for length in size), law)


def _check_video(items: Sequence[QAItem], item: QAItem, opener: Opener) -> None:
    where = f"item {item.id!r}"
    prepare = getattr(items, "prepare", None)
    if prepare is not None:
        with lawful(f"prepare(item) must make the item's video, and may be called again: {where}"):
            prepare(item)
            prepare(item)
    with lawful(f"every item's video must open: {where}"):
        video = opener(item.video)
    duration = float(video.duration)
    video.close()
    if item.duration is not None:
        require(
            abs(item.duration - duration) <= _SLACK,
            f"an item's duration must be that of its video: {where} has {item.duration} s, "
            f"{item.video} has {duration:.2f} s",
        )
    for start, end in item.evidence:
        require(
            end <= duration + _SLACK and start < duration,
            f"evidence must lie inside the video: {where} has ({start}, {end}), {item.video} has "
            f"{duration:.2f} s",
        )
