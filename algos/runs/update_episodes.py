"""Episodes by the update that they were played after or for, as a training goes on.

```
validation_episodes.jsonl   after each validated update, the episode of each validation question
tokens.jsonl                for each update, a sample of the episodes that it learned from, with the
                            text and the numbers of their sampled tokens
```

A line is one episode: `{"update": 4, "id": QUESTION, "item": ITEM, "trajectory": TRAJECTORY}`, the
trajectory without token ids; in `tokens.jsonl` also `"turns"`, a record per turn
(`algos.runs.token_records`). Update 0 is the state before learning. Lines are appended as episodes
end; those of updates after the newest checkpoint are dropped when a run goes on, because it plays
them again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.append_log import AppendLog, LogError
from algos.runs.json_files import item_from_json, item_to_json
from algos.runs.line_index import line_places, parsed
from algos.runs.run_folder import without_tokens
from algos.runs.token_records import TurnRecord, read_records, record_json
from sage_env.datasets.item import QAItem
from sage_env.storage.atomic_file import atomic_path

_log = logging.getLogger(__name__)
MOST_BYTES = 1 << 28
"""Of one of these files; what comes after is left out, and the run goes on."""


@dataclass(frozen=True, eq=False)
class UpdateEpisode:
    """One episode of an update.

    Attributes:
        update: after which it was played as a validation, or which learned from it.
        trajectory: without token ids; its rewards are those that were learned from.
        item: the question; `None` where it was not written down.
        turns: the tokens of each turn; `None` as a whole where they were not recorded.
    """

    update: int
    trajectory: Trajectory
    item: QAItem | None = None
    turns: Sequence[TurnRecord | None] | None = None


class UpdateEpisodes:
    """The episodes of a file, found by question; each is read from the disk when it is asked for.

    Args:
        path: `RunFolder.validation_episodes` or `RunFolder.tokens`; there may be none.

    Attributes:
        ids: of the questions, in the order in which they first come.
        updates: that have episodes, ascending.

    Raises:
        LogError: if the file cannot be read, or a line is no episode; names it.
    """

    def __init__(self, path: Path) -> None:
        """Find the lines; a torn last one counts as never written."""
        self.path = path
        self._places: dict[str, list[tuple[int, int, int]]] = {}
        updates = set()
        for number, (start, line) in enumerate(line_places(path), 1):
            row = parsed(line, path, number)
            if not _is_episode(row):
                raise LogError(f"{path}, line {number} is not an episode of an update")
            self._places.setdefault(row["id"], []).append((number, start, len(line)))
            updates.add(row["update"])
        self.ids: Sequence[str] = list(self._places)
        self.updates: Sequence[int] = sorted(updates)

    def __len__(self) -> int:
        """Return how many episodes there are."""
        return sum(map(len, self._places.values()))

    def of(self, item_id: str) -> list[UpdateEpisode]:
        """Return the episodes of a question in the order of the updates; none of one unknown.

        Raises:
            LogError: if a line of them is damaged.
        """
        found = []
        places = self._places.get(item_id, [])
        if places:
            with self.path.open("rb") as file:
                for number, start, length in places:
                    file.seek(start)
                    found.append(self._read(file.read(length), number))
        return sorted(found, key=lambda episode: episode.update)  # stable: as they were played

    def _read(self, line: bytes, number: int) -> UpdateEpisode:
        row = parsed(line, self.path, number)
        try:
            item = None if row.get("item") is None else item_from_json(row["item"])
            turns = None if row.get("turns") is None else read_records(row["turns"])
            return UpdateEpisode(
                row["update"], Trajectory.from_json(row["trajectory"]), item, turns
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise LogError(
                f"{self.path}, line {number} is not an episode of an update: {error!r}"
            ) from error


class UpdateEpisodeLog:
    """A file of episodes by update, open for writing at its end.

    Args:
        path: of the file, which is made where it is missing; one process at a time.
        keep_through: lines of later updates are dropped: a resumed run plays them again.
        items: the questions by id, as far as they are to be written down.
        most_bytes: of the file; episodes beyond are left out, which is logged once.

    Raises:
        LogError: if it cannot be read or written.
    """

    def __init__(
        self,
        path: Path,
        *,
        keep_through: int,
        items: Mapping[str, QAItem] | None = None,
        most_bytes: int = MOST_BYTES,
    ) -> None:
        """Drop what is about to be written again, and open the file."""
        self.path, self._items, self._most = path, items or {}, most_bytes
        _drop_later(path, keep_through)
        self._log = AppendLog(path)
        self._full = False

    def write(
        self,
        update: int,
        trajectory: Trajectory,
        turns: Sequence[TurnRecord | None] | None = None,
    ) -> None:
        """Append an episode.

        Args:
            update: see `UpdateEpisode`.
            trajectory: its token ids are left out.
            turns: the tokens of each turn.

        Raises:
            LogError: if it cannot be written.
        """
        if self._full or self.path.stat().st_size >= self._most:
            if not self._full:
                _log.warning("%s has %d bytes: no more episodes are kept", self.path, self._most)
            self._full = True
            return
        item = self._items.get(str(trajectory.item_id))
        row = {
            "update": update,
            "id": str(trajectory.item_id),
            "item": None if item is None else item_to_json(item),
            "trajectory": without_tokens(trajectory).to_json(),
        }
        self._log.append(row if turns is None else {**row, "turns": list(map(record_json, turns))})

    def close(self) -> None:
        """Close the file."""
        self._log.close()


def _drop_later(path: Path, keep_through: int) -> None:
    """Write a file anew without the lines of later updates, if it has any, and without damage."""
    kept = list(_kept(path, keep_through))
    if len(kept) < sum(1 for _ in line_places(path)):
        with atomic_path(path) as partial, path.open("rb") as old, partial.open("xb") as new:
            for start, length in kept:
                old.seek(start)
                new.write(old.read(length))


def _kept(path: Path, keep_through: int) -> Iterator[tuple[int, int]]:
    """Yield where the lines of updates up to `keep_through` begin, and how long they are."""
    for number, (start, line) in enumerate(line_places(path), 1):
        try:
            row = parsed(line, path, number)
        except LogError as error:
            _log.warning("%s: it is left out", error)
            continue
        if _is_episode(row) and row["update"] <= keep_through:
            yield start, len(line)


def _is_episode(row: Any) -> bool:
    """Return whether a line is of an episode, as far as its ends show."""
    if not (isinstance(row, dict) and isinstance(row.get("trajectory"), dict)):
        return False
    return isinstance(row.get("update"), int) and isinstance(row.get("id"), str)
