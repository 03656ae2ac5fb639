"""A benchmark: what is known of it, how its files are read, and the questions of one of its splits.

An adapter is one `Benchmark`, with a function that makes an item of a row. What is the same for
all is here: finding the files, naming the row in every message, leaving out what cannot be asked.
"""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from string import ascii_uppercase
from typing import overload

from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import DATASETS
from sage_env.datasets.native.annotations import find_files, read_rows
from sage_env.datasets.native.rows import Row
from sage_env.datasets.native.video_files import SUBTITLE_SUFFIXES, VIDEO_SUFFIXES, FilesByStem
from sage_env.datasets.validation import validate
from sage_env.errors import DatasetError
from sage_env.object_reference import load_object

OTHER_NAMES = {"val": "validation", "dev": "validation"}
"""Names that benchmarks have for splits, and ours."""


@dataclass(frozen=True)
class Source:
    """What an adapter reads from.

    Attributes:
        root: the folder that the benchmark lies in.
        split: the one asked for, under our name.
        files: its annotation files.
        expected_in: folder below `root` where a video that is not there is expected.
        not_in: names of folders in which no video is looked for.
    """

    root: Path
    split: str
    files: tuple[Path, ...]
    expected_in: str = "videos"
    not_in: tuple[str, ...] = ()

    @cached_property
    def videos(self) -> FilesByStem:
        """The videos below the root."""
        return FilesByStem(self.root, VIDEO_SUFFIXES, folder=self.expected_in, not_in=self.not_in)

    @cached_property
    def subtitles(self) -> FilesByStem:
        """The subtitles below the root; `find` gives `None` where a video has none."""
        return FilesByStem(self.root, SUBTITLE_SUFFIXES, leave_out=self.files)

    def video(self, row: Row, *names: str) -> Path:
        """Return the first file that is there under the value of a column, else where it should be.

        Args:
            row: of the question.
            names: columns with an id, a file name, a path or an address.

        Raises:
            DatasetError: if no column names a file.
        """
        values = [row.text(name) for name in names if row.get(name) is not None]
        found = [path for path in map(self.videos.find, values) if path is not None]
        return found[0] if found else self.videos.path(row.text(*names))

    def subtitle(self, row: Row, *names: str) -> Path | None:
        """Return the subtitles that a column names, as `video`; `None` where there are none."""
        values = [row.text(name) for name in names if row.get(name) is not None]
        return next((path for path in map(self.subtitles.find, values) if path is not None), None)


def rows_of_files(source: Source) -> Iterator[Row]:
    """Yield the rows of all annotation files: how most benchmarks are read."""
    for path in source.files:
        yield from read_rows(path)


@dataclass(frozen=True)
class Benchmark:
    """A benchmark, and the function `(root, split, annotations)` that returns its questions.

    Attributes:
        name: in `DATASETS`.
        title: as its authors write it.
        files: patterns of its annotation files by split, the official spelling first; see
            `annotations.find_files`.
        item: makes the item of a row; it raises `DatasetError` for a row that cannot be one, and
            returns `None` for one that is not of the split.
        hub: its dataset id on the Hugging Face hub; "" where it has none.
        licence: its identifier, or in words.
        gated: whether its files are given only to who accepts its terms.
        access: one sentence: how to get annotations and videos, and what may be done with them.
        questions: official number of questions by split; a split without is left out.
        videos: official number of videos by split.
        rule: the rule of its score, see `algos.metrics`; `accuracy` is the share of right answers.
        rows: yields the rows of its files.
        expected_in: folder below the root where a video that is not there is expected.
        not_in: names of folders in which no video is looked for, such as clips of single clues.
    """

    name: str
    title: str
    files: Mapping[str, tuple[str, ...]]
    item: Callable[[Row, Source], QAItem | None]
    hub: str
    licence: str
    gated: bool
    access: str
    questions: Mapping[str, int] = field(default_factory=dict)
    videos: Mapping[str, int] = field(default_factory=dict)
    rule: str = "accuracy"
    rows: Callable[[Source], Iterable[Row]] = rows_of_files
    expected_in: str = "videos"
    not_in: tuple[str, ...] = ()

    def __call__(
        self,
        root: Path | str | None = None,
        split: str = "test",
        annotations: Path | str | None = None,
    ) -> NativeDataset:
        """Return the questions of a split.

        Args:
            root: the folder with the annotations and the videos, however they lie in it; by default
                that of `annotations`.
            split: one of `files`; `val` and `dev` are `validation`.
            annotations: the annotation file, or the folder of several, where it does not lie below
                `root` or has another name.

        Raises:
            DatasetError: if nothing is found, a file cannot be read, or no row of it can be asked.
        """
        split = OTHER_NAMES.get(split, split)
        if split not in self.files:
            raise DatasetError(f"{self.name} has the splits {', '.join(self.files)}, not {split!r}")
        named = None if annotations is None else Path(annotations)
        if root is None and named is None:
            raise DatasetError(f"{self.name} needs root=FOLDER (--root), where it lies. {self.how}")
        files = self._files(None if root is None else Path(root), split, named)
        folder = Path(root) if root is not None else files[0].parent
        source = Source(folder, split, tuple(files), self.expected_in, self.not_in)
        items, unusable = self._items(source)
        return NativeDataset(self, split, tuple(files), items, unusable)

    @property
    def how(self) -> str:
        """How to get it, in a sentence or two."""
        command = f"sage-vqa data download {self.name} --root FOLDER"
        return f"{self.access} ({command})" if self.hub else self.access

    def _files(self, root: Path | None, split: str, named: Path | None) -> list[Path]:
        """Return the annotation files of a split."""
        if named is not None and not named.exists():
            raise DatasetError(f"the annotations {named} of {self.name} are not there")
        if named is not None and not named.is_dir():
            return [named]
        place = named or root
        assert place is not None
        found = find_files(place, self.files[split])
        if not found:
            wanted = ", ".join(self.files[split])
            raise DatasetError(
                f"no annotation file of {self.name}, {split}, lies below {place}: looked for "
                f"{wanted}; name it with annotations=FILE (--annotations). {self.how}"
            )
        return found

    def _items(self, source: Source) -> tuple[list[QAItem], dict[str, str]]:
        """Return the questions that can be asked, and why others cannot, by place."""
        items: list[QAItem] = []
        unusable: dict[str, str] = {}
        ids: set[str] = set()
        for row in self.rows(source):
            try:
                item = self.item(row, source)
                if item is None:
                    continue
                item = _askable(item, row.place)
                if item.id in ids:
                    raise DatasetError(f"{row.place}: the id {item.id!r} was used before")
            except DatasetError as error:
                unusable[row.place] = str(error).removeprefix(f"{row.place}: ")
                continue
            ids.add(item.id)
            items.append(item)
        if not items:
            place, why = next(iter(unusable.items()), (str(source.files[0]), "it holds no row"))
            raise DatasetError(
                f"{place}: {why}. No row can be read as {self.name}, {source.split}: is it the "
                "right file?"
            )
        return items, unusable


def _askable(item: QAItem, place: str) -> QAItem:
    """Return an item that passes `validate`.

    Where two choices cannot be told apart by their texts, each gets its letter back.

    Raises:
        DatasetError: if it cannot be asked.
    """
    try:
        validate([item], places=[place])
    except DatasetError:
        if not 1 < len(item.choices) <= len(ascii_uppercase) or item.answer not in item.choices:
            raise
        pairs = zip(ascii_uppercase, item.choices, strict=False)
        lettered = tuple(f"{letter}. {choice}" for letter, choice in pairs)
        answer = lettered[item.choices.index(item.answer)]
        item = replace(item, choices=lettered, answer=answer)
        validate([item], places=[place])
    return item


def benchmark_named(name: str) -> Benchmark | None:
    """Return what is known of a benchmark; `None` where a dataset of another kind has the name."""
    if name not in DATASETS:
        return None
    found = load_object(DATASETS[name], "the dataset", DatasetError)
    return found if isinstance(found, Benchmark) else None


class NativeDataset(Sequence[QAItem]):
    """The questions of a split of a benchmark.

    Attributes:
        benchmark: what is known of it.
        split: under our name.
        annotations: the files that it was read from.
        unusable: why rows are no questions, by where they stand.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        split: str,
        annotations: tuple[Path, ...],
        items: list[QAItem],
        unusable: Mapping[str, str],
    ) -> None:
        """Take what was read; that rows cannot be asked is told in a warning.

        Args:
            benchmark: what is known of it.
            split: under our name.
            annotations: the files that it was read from.
            items: the questions.
            unusable: why rows are none, by where they stand.
        """
        self.benchmark, self.split, self.annotations = benchmark, split, annotations
        self.unusable, self._items = unusable, items
        if unusable:
            place, why = next(iter(unusable.items()))
            warnings.warn(
                f"{benchmark.name}: {len(unusable)} of {len(unusable) + len(items)} rows are left "
                f"out, they cannot be asked; the first: {place}: {why}",
                stacklevel=4,
            )

    @cached_property
    def digest(self) -> str:
        """16 hexadecimal digits for the bytes of the annotation files (BLAKE2b)."""
        digest = hashlib.blake2b(digest_size=8)
        for path in self.annotations:
            digest.update(path.read_bytes())
        return digest.hexdigest()

    @property
    def official_questions(self) -> int | None:
        """How many questions the split officially has; `None` if that is not known."""
        return self.benchmark.questions.get(self.split)

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
