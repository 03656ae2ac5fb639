"""One line of a run's table as its files have it: rows as a stream, episodes when asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.evaluation.sample_rows import sample_row
from algos.rollout.trajectory import Trajectory
from algos.runs.stored_result import stored_rows
from algos.runs.token_records import StoredTokens, TurnRecord, tokens_path
from sage_env.datasets.item import QAItem

Row = Mapping[str, Any]
Records = Sequence[TurnRecord | None]
"""The tokens of each turn of an episode."""


def _nothing(_: str) -> None:
    return None


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredEntry:
    """What one policy, or one state of it, played: see `view_data.EntryView`.

    Attributes:
        key: unique in the run.
        title: for people.
        ids: of its questions, in order.
        rows: reads its rows one after the other, as `samples.jsonl` has them; one that names an
            `entry` is of the entry with that key.
        episode: reads an episode by the question's id; `None` where there is none.
        row: reads a row by the question's id; `None`: it is made of item and episode.
        item: a question by its id; `None` where its text is not known.
        tokens: what was sampled in an episode, by the question's id; `None` where nothing is kept.
        update: of a training, after which it was played.
        told: `policy`, `control`, `budget`, `repeat`, `decoding`, where known.
        settings: what its episodes depend on, as far as that is written down.
        replay: arguments of `sage-vqa replay` that name the run; () where it can replay none.
    """

    key: str
    title: str
    ids: Sequence[str]
    rows: Callable[[], Iterator[Row]]
    episode: Callable[[str], Trajectory | None] = _nothing
    row: Callable[[str], Row | None] = _nothing
    item: Callable[[str], QAItem | None] = _nothing
    tokens: Callable[[str], Records | None] = _nothing
    update: int | None = None
    told: Mapping[str, str] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    replay: Sequence[str] = ()


def entry_of_result(
    key: str,
    result: EvalResult,
    samples: Path | None = None,
    *,
    tokens: Callable[[str], Records | None] = _nothing,
    told: Mapping[str, Any] | None = None,
    settings: Mapping[str, Any] | None = None,
    replay: Sequence[str] = (),
) -> StoredEntry:
    """Return an entry of a finished evaluation.

    Args:
        key: unique in the run.
        result: its episodes may be read when asked for.
        samples: file of its rows; they are made of the episodes where it has none of these.
        tokens: see `StoredEntry`.
        told: what the line is: policy, control and so on.
        settings: see `StoredEntry`.
        replay: see `StoredEntry`.
    """
    items = result.items
    places = {item.id: place for place, item in enumerate(items)}
    stored = _rows_of(samples, items)
    entry = {name: (told or {}).get(name) for name in ("policy", "control", "budget", "repeat")}

    def row_at(place: int) -> Row:
        if stored is not None:
            found: Row = stored[place]
            return found
        return sample_row(items[place], result.trajectories[place], entry)

    def rows() -> Iterator[Row]:
        if stored is not None:
            yield from stored
            return
        for item, trajectory in zip(items, result.trajectories, strict=True):
            yield sample_row(item, trajectory, entry)

    def at(name: str, read: Callable[[int], Any]) -> Any:
        place = places.get(name)
        return None if place is None else read(place)

    return StoredEntry(
        key=key,
        title=result.title,
        ids=list(places),
        rows=rows,
        episode=lambda name: at(name, lambda place: result.trajectories[place]),
        row=lambda name: at(name, row_at),
        item=lambda name: at(name, lambda place: items[place]),
        tokens=tokens,
        told=told_texts(told or {}, result.decoding),
        settings=settings or {},
        replay=replay,
    )


def told_texts(told: Mapping[str, Any], decoding: str = "") -> dict[str, str]:
    """Return what an entry is, as texts; what is not known is left out."""
    found = {key: told.get(key) for key in ("policy", "control", "budget", "repeat")}
    found["decoding"] = decoding
    return {key: str(value) for key, value in found.items() if value}


def tokens_beside(path: Path) -> Callable[[str], Records | None]:
    """Return what reads the sampled tokens of a file of trajectories, of those that have some.

    Raises:
        LogError: if their file cannot be read.
    """
    beside = tokens_path(path.with_suffix(".jsonl"))
    return StoredTokens(beside).of if beside.exists() else _nothing


def _rows_of(samples: Path | None, items: Sequence[QAItem]) -> Sequence[Row] | None:
    """Return the rows of a file, if they are those of these questions in their order."""
    if samples is None or not samples.exists():
        return None
    rows: Sequence[Row] = stored_rows(samples)
    ends = [0, len(rows) - 1] if items else []
    same = len(rows) == len(items) and all(rows[k].get("id") == items[k].id for k in ends)
    return rows if same else None
