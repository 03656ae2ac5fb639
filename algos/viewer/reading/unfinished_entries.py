"""Entries that are still being played, and entries of rows alone: found by where each line is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import LogError
from algos.runs.evaluation_run import row_index, trajectory_index
from algos.runs.line_index import LineIndex
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import TRAJECTORY
from algos.runs.token_records import SUFFIX
from algos.viewer.reading.stored_entries import Row, StoredEntry, tokens_beside, told_texts
from sage_env.datasets.item import QAItem

ItemOf = Callable[[str], QAItem | None]


def entry_of_rows(
    folder: RunFolder,
    key: str,
    title: str,
    *,
    told: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    beside: StoredEntry | None = None,
    item: ItemOf = lambda _: None,
) -> StoredEntry:
    """Return what a folder's `samples.jsonl` has so far; a torn last line counts as never written.

    Args:
        folder: of an evaluation or of scores.
        key: unique in the run.
        title: for people.
        told: what the line is.
        settings: what its episodes depend on.
        beside: where questions and episodes are, if not in this folder.
        item: a question by its id, where `beside` is not given.

    Raises:
        LogError: if a line is no row, or no trajectory.
    """
    names: dict[str, None] = {}
    rows = row_index(folder, lambda name, _: names.setdefault(name))
    played = [trajectory_index(folder, name) for name in _played(folder)]

    def episode(name: str) -> Trajectory | None:
        for index in played:
            if name in index:
                return read_trajectory(next(index.contents([name])), index.path)
        return None if beside is None else beside.episode(name)

    return StoredEntry(
        key=key,
        title=title,
        ids=list(names),
        rows=lambda: rows.contents(list(names)),
        episode=episode,
        row=lambda name: next(rows.contents([name])) if name in rows else None,
        item=item if beside is None else beside.item,
        told=told_texts(told or {}),
        settings=settings or {},
    )


def entry_of_trajectories(
    path: Path, key: str, title: str, item: ItemOf, *, told: Mapping[str, Any] | None = None
) -> StoredEntry:
    """Return the episodes of a file of trajectories, whose questions are known from elsewhere.

    Args:
        path: one `Trajectory.to_json` per line.
        key: unique in the run.
        title: for people.
        item: a question by its id; one that it does not know is shown without its text.
        told: what the line is.

    Raises:
        LogError: if a line is no trajectory.
    """
    names: dict[str, None] = {}
    index = LineIndex(path, _name, TRAJECTORY, lambda name, _: names.setdefault(name))

    def episode(name: str) -> Trajectory | None:
        return read_trajectory(next(index.contents([name])), path) if name in index else None

    def row(name: str) -> Row | None:
        played = episode(name)
        return None if played is None else row_of(item(name) or unknown_item(name), played, told)

    return StoredEntry(
        key=key,
        title=title,
        ids=list(names),
        rows=lambda: _present(row, list(names)),
        episode=episode,
        row=row,
        item=item,
        tokens=tokens_beside(path),
        told=told_texts(told or {}),
    )


def read_trajectory(data: Any, path: Path) -> Trajectory:
    """Return a trajectory of a file.

    Raises:
        LogError: if it is none.
    """
    try:
        return Trajectory.from_json(data)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise LogError(f"{path} holds a line that is no trajectory: {error!r}") from error


def unknown_item(name: str) -> QAItem:
    """Return a question of which nothing but the id is known."""
    return QAItem(name, Path(), "")


def row_of(item: QAItem, trajectory: Trajectory, told: Mapping[str, Any] | None = None) -> Row:
    """Return the flat row of an episode; of a question that is not known, without its texts."""
    row = sample_row(item, trajectory, told)
    unknown = {"question": None, "gold": None, "video": ""} if not item.question else {}
    return {**row, **unknown}


def _played(folder: RunFolder) -> list[str]:
    found = folder.evaluations.glob("*.jsonl")
    return sorted(path.stem for path in found if not path.name.endswith(SUFFIX))


def _present(row: Callable[[str], Row | None], names: Sequence[str]) -> Iterator[Row]:
    for name in names:
        found = row(name)
        if found is not None:
            yield found


def _name(row: Any) -> str | None:
    if not (isinstance(row, dict) and isinstance(row.get("turns"), list)):
        return None
    name = row.get("item_id")
    return name if isinstance(name, str) else None
