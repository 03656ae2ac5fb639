"""Entries of a training: what each validation played, and some of what was learned from.

A question over the updates of a training is one question with an episode in each of these entries.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path

from algos.rollout.trajectory import Trajectory
from algos.runs.run_folder import RunFolder
from algos.runs.update_episodes import UpdateEpisode, UpdateEpisodes
from algos.viewer.reading.stored_entries import Records, Row, StoredEntry
from algos.viewer.reading.unfinished_entries import ItemOf, row_of, unknown_item
from sage_env.datasets.item import QAItem

_VALIDATED = "validated-"


def update_entries(folder: RunFolder, item: ItemOf) -> list[StoredEntry]:
    """Return an entry for each update that has episodes, validations first.

    Args:
        folder: of a training.
        item: a question by its id, where the files of the updates do not have it.

    Raises:
        LogError: if a file cannot be read.
    """
    validated = _entries(folder.validation_episodes, _VALIDATED, "Validation, update", item)
    learned = _entries(folder.tokens, "learned-", "Learned from, update", item)
    return [*validated, *learned]


def newest_update(entries: Sequence[StoredEntry]) -> StoredEntry | None:
    """Return the newest validation, else the newest update that was learned from; `None` of none.

    What was learned from are a few questions of the training split: no state is judged by them.
    """
    updates = [entry for entry in entries if entry.update is not None]
    validated = [entry for entry in updates if entry.key.startswith(_VALIDATED)]
    found = validated or updates
    return found[-1] if found else None


def first_validation(entries: Sequence[StoredEntry]) -> StoredEntry | None:
    """Return the oldest validation: the state before, on the questions of the newest one."""
    validated = [one for one in entries if one.key.startswith(_VALIDATED)]
    return min(validated, key=lambda one: one.update or 0, default=None)


def _entries(path: Path, start: str, title: str, item: ItemOf) -> list[StoredEntry]:
    stored = UpdateEpisodes(path)
    of = lru_cache(maxsize=1)(stored.of)  # all updates of one question are asked for in a row

    def known(name: str) -> QAItem | None:
        found = next((one.item for one in of(name) if one.item is not None), None)
        return item(name) if found is None else found

    def rows() -> Iterator[Row]:
        for name in stored.ids:
            asked = known(name) or unknown_item(name)
            last = {one.update: one.trajectory for one in of(name)}
            for update, trajectory in last.items():
                yield {**row_of(asked, trajectory), "entry": f"{start}{update}"}

    def at(name: str, update: int) -> UpdateEpisode | None:
        return next((one for one in reversed(of(name)) if one.update == update), None)

    def entry(update: int, *, first: bool) -> StoredEntry:
        def episode(name: str) -> Trajectory | None:
            found = at(name, update)
            return None if found is None else found.trajectory

        def tokens(name: str) -> Records | None:
            found = at(name, update)
            return None if found is None else found.turns

        return StoredEntry(
            key=f"{start}{update}",
            title=f"{title} {update}",
            ids=stored.ids,
            rows=rows if first else lambda: iter(()),  # all of them are read once, together
            episode=episode,
            item=known,
            tokens=tokens,
            update=update,
        )

    return [entry(update, first=not k) for k, update in enumerate(stored.updates)]
