"""SageSynth as a dataset: a sequence of questions whose video files are made when needed."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import overload

from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError
from sage_env.storage.cache_folder import cache_folder
from sage_env.synth.encode import encode_video
from sage_env.synth.plan import SPLITS, VERSION, VideoPlan, plan_video
from sage_env.synth.questions import ask
from sage_env.synth.render import SIZE

DEFAULT_COUNTS = {"train": 63, "validation": 21, "test": 42}
"""Videos of each split: multiples of 7, so that every duration bucket has equally many."""


class SageSynth(Sequence[QAItem]):
    """The questions of one split, video by video.

    Attributes:
        frame_size: `(64, 64)`, enough to read every symbol but the small marks.
        headline: `{"tier": "core"}`, the questions that 64 pixels suffice for.
        videos: the path of each video, in order; index i has duration bucket `i % 7`.
    """

    frame_size = (64, 64)
    headline: Mapping[str, str] = MappingProxyType({"tier": "core"})

    def __init__(
        self,
        folder: Path,
        split: str,
        count: int,
        seed: int,
        *,
        side: int = SIZE,
        aliases: Mapping[str, tuple[str, ...]] | None = None,
        ask: Callable[[VideoPlan, Path, int], list[QAItem]] = ask,
        encode: Callable[[VideoPlan, Path, int], None] = encode_video,
    ) -> None:
        """Name the files; nothing is written.

        Args:
            folder: of all splits.
            split: of the videos, one of `STREAMS`.
            count: videos.
            seed: of the whole set; see `plan_video`.
            side: of the pictures in the files, in pixels.
            aliases: other words for an answer to an open question.
            ask: returns the questions about a video of a path; the third argument is the seed.
            encode: writes the file of a video; the third argument is `side`.
        """
        self._ask, self._encode = ask, encode
        self.split, self.seed, self._side, self._aliases = split, seed, side, dict(aliases or {})
        self.videos = [folder / split / f"{index:04d}.mp4" for index in range(count)]

    @cached_property
    def _items(self) -> list[QAItem]:
        return [
            item if item.choices else replace(item, aliases=self._aliases.get(item.answer, ()))
            for index, path in enumerate(self.videos)
            for item in self._ask(plan_video(self.split, index, self.seed), path, self.seed)
        ]

    def prepare(self, item: QAItem) -> None:
        """Write the item's video file if it is not there yet (under two seconds for most)."""
        if not item.video.exists():
            plan = plan_video(self.split, int(item.video.stem), self.seed)
            try:
                self._encode(plan, item.video, self._side)
            except OSError as error:
                raise DatasetError(
                    f"cannot write {item.video} ({error}): set SAGE_ENV_CACHE or `root` to a "
                    "folder with free space"
                ) from error

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


def sage_synth(
    root: Path | str | None = None,
    split: str = "train",
    *,
    seed: int = 0,
    count: int | None = None,
) -> SageSynth:
    """Return the questions of a split. Its video files are written when they are needed.

    Args:
        root: cache folder; the default is `sage_env.storage.cache_folder.cache_folder()`.
        split: `train`, `validation` or `test`; no video is in two of them.
        seed: of the whole set: another seed gives other videos and questions.
        count: videos; 63, 21 or 42 by default. The first ones are the same whatever the count.

    Raises:
        DatasetError: if the split has another name.
    """
    check_split("sage-synth", split)
    folder = Path(root) if root is not None else cache_folder()
    size = DEFAULT_COUNTS[split] if count is None else count
    return SageSynth(folder / f"sage-synth-v{VERSION}-seed{seed}", split, size, seed)


def check_split(name: str, split: str) -> None:
    """Check that a dataset of generated videos has a split.

    Raises:
        DatasetError: if it does not, naming those that it has.
    """
    if split not in SPLITS:
        near = difflib.get_close_matches(str(split), SPLITS, n=1)
        meant = f": did you mean {near[0]!r}?" if near else ""
        raise DatasetError(f"{name} has the splits {', '.join(SPLITS)}, not {split!r}{meant}")
