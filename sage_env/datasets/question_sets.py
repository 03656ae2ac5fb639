"""Sets of questions in Parquet, as `sage-vqa data distill` writes them: videos known by content.

A row has the attributes of `QAItem` as columns, and `video_id`, the content id of its video. Rows
may have other columns, which are not read here: an episode of the question, how hard it is. Of the
rows of one question the first counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, overload

from sage_env.datasets.item import QAItem
from sage_env.datasets.json_lines import items_of_rows
from sage_env.errors import DatasetError
from sage_env.lazy_exports import needs_extra
from sage_env.storage.content_id import content_id

SET_SUFFIX = ".parquet"
"""What the name of a set ends in."""
VIDEO_ID = "video_id"
"""The column with the content id of a video."""
SET_KEY = b"sage_video_qa"
"""Key of a file's metadata; what it holds is JSON."""
QUESTION_COLUMNS = (*(attribute.name for attribute in fields(QAItem)), VIDEO_ID)
"""The columns that a question is read from."""


class QuestionSet(Sequence[QAItem]):
    """The questions of a set; a video that is not the one they were made of is an error.

    Attributes:
        video_ids: the content id of each video, by its path.
        frame_size: as the dataset had it that the set was made of; only where it had one.
    """

    def __init__(
        self, items: Sequence[QAItem], video_ids: Mapping[Path, str], about: Mapping[str, Any]
    ) -> None:
        """Take the questions, and what the file says of all of them."""
        self._items, self.video_ids = items, dict(video_ids)
        if about.get("frame_size"):
            height, width = about["frame_size"]
            self.frame_size = int(height), int(width)

    def prepare(self, item: QAItem) -> None:
        """Check the video of an item, before it is opened.

        Raises:
            DatasetError: if it is another video than the set was made of.
        """
        known = self.video_ids.get(item.video)
        if known is None or not item.video.is_file():  # opening it says what is wrong
            return
        try:
            found = content_id(item.video)
        except OSError as error:
            raise DatasetError(f"{item.video} cannot be read: {error}") from error
        if found != known:
            raise DatasetError(
                f"{item.video} has changed: its content is {found}, and the set was made of "
                f"{known}: bring that video back, or make the set anew"
            )

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


def read_question_set(
    path: Path, root: Path | None = None, *, allow_outside: bool = False
) -> QuestionSet:
    """Read the questions of a set.

    Args:
        path: of the Parquet file.
        root: the folder of the videos; by default that of the file.
        allow_outside: whether videos may lie elsewhere.

    Raises:
        DatasetError: if the file is no set, or a question cannot be asked; names it.
        MissingExtra: without pyarrow.
    """
    rows, about = read_set(path, QUESTION_COLUMNS)
    first: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for place, row in rows.items():
        first.setdefault(str(row["id"]), (place, row))
    asked = {place: _question(row) for place, row in first.values()}
    items = items_of_rows(asked, path.parent if root is None else root, allow_outside=allow_outside)
    ids = [row.get(VIDEO_ID) for _, row in first.values()]
    known = {item.video: str(one) for item, one in zip(items, ids, strict=True) if one}
    return QuestionSet(items, known, about)


def read_question_sets(
    paths: Sequence[Path], root: Path | None = None, *, allow_outside: bool = False
) -> QuestionSet:
    """Read the questions of several sets as one; a question that is in several counts once.

    Args:
        paths: of the Parquet files.
        root: see `read_question_set`, and likewise the next.
        allow_outside: whether videos may lie elsewhere.

    Raises:
        DatasetError: as `read_question_set`, and if one id stands for two questions.
    """
    read = [read_question_set(path, root, allow_outside=allow_outside) for path in paths]
    items: dict[str, QAItem] = {}
    for path, one in zip(paths, read, strict=True):
        for item in one:
            if items.setdefault(item.id, item) != item:
                raise DatasetError(f"{path}: the id {item.id!r} is of another question elsewhere")
    known = {video: one_id for one in read for video, one_id in one.video_ids.items()}
    return QuestionSet(list(items.values()), known, {"frame_size": _frame_size(read)})


def _frame_size(sets: Sequence[QuestionSet]) -> Any:
    return next((one.frame_size for one in sets if hasattr(one, "frame_size")), None)


def read_set(
    path: Path, columns: Sequence[str] | None = None
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the rows of a set by where they stand, and what the file says of all of them.

    Args:
        path: of the Parquet file.
        columns: those that are needed; by default all are read, and none is.

    Raises:
        DatasetError: if it cannot be read, or lacks a column.
        MissingExtra: without pyarrow.
    """
    with needs_extra(f"{path}", "data"):
        import pyarrow
        from pyarrow import parquet
    try:
        with parquet.ParquetFile(path) as file:
            there, schema = file.schema_arrow.names, file.schema_arrow
            if lost := [name for name in columns or () if name not in there]:
                raise DatasetError(
                    f"{path} is no set of `sage-vqa data distill`: it has no column {lost[0]!r}"
                )
            table = file.read(columns=None if columns is None else list(columns))
        about = json.loads((schema.metadata or {}).get(SET_KEY, b"{}"))
        rows = table.to_pylist()
    except (OSError, ValueError, pyarrow.ArrowException) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} cannot be read as Parquet: {error}") from error
    if not rows:
        raise DatasetError(f"{path} holds no row: nothing was left when the set was made")
    return {f"{path}, row {number}": row for number, row in enumerate(rows, 1)}, about


def _question(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row as `items_of_rows` takes it: what is not known is left out."""
    found = {name: row[name] for name in QUESTION_COLUMNS if name != VIDEO_ID}
    found = {name: value for name, value in found.items() if value is not None}
    if isinstance(found.get("group"), list):  # Parquet has mappings as lists of pairs
        found["group"] = dict(found["group"])
    return found
