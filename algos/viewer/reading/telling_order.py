"""Which questions are shown first: those that tell most of what was learned, and what still fails.

First those whose verdict changed by learning, or differs between entries; then those that failed on
our side, wrong ones, right ones that never saw the evidence, and the rest. Within each, one after
another group and length, so that the first dozen are of many kinds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from algos.viewer.reading.table_rows import GROUP
from sage_env.datasets.duration_buckets import bucket_of

FLIPPED, FAILED, WRONG, LUCKY, UNJUDGED, REST = range(6)
"""Why a question is shown, in this order."""


@dataclass(slots=True)
class _Seen:
    """What is known of a question when all rows have passed."""

    kind: str = ""
    shown: bool | None = None
    before: bool | None = None
    verdicts: int = 0  # bit 1: some entry was right, bit 2: some was wrong
    lucky: bool = False
    failed: bool = False
    played: bool = False


class TellingOrder:
    """Puts the questions of a run in order while their rows pass.

    Args:
        shown: key of the entry that is shown first.
        before: key of that before learning; `None`: entries are compared with each other.
        controls: keys of entries that are no policies: floors say nothing of a question.
    """

    def __init__(self, shown: str, before: str | None = None, controls: Iterable[str] = ()) -> None:
        """Know none."""
        self._entry, self._before, self._controls = shown, before, frozenset(controls)
        self._seen: dict[str, _Seen] = {}

    def passing(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield rows as they come, and remember what they tell."""
        for row in rows:
            self._note(row)
            yield row

    def order(self) -> list[str]:
        """Return the ids of all questions, the most telling first."""
        shelves: dict[int, dict[str, list[str]]] = {}
        for name, seen in self._seen.items():
            shelf = shelves.setdefault(self._reason(seen), {})
            shelf.setdefault(seen.kind, []).append(name)
        return [name for reason in sorted(shelves) for name in _in_turns(shelves[reason])]

    def _note(self, row: Mapping[str, Any]) -> None:
        seen = self._seen.get(row["id"])
        if seen is None:
            seen = self._seen[row["id"]] = _Seen(_kind(row))
        entry, verdict = row["entry"], row.get("verdict")
        if verdict is not None and entry not in self._controls:
            seen.verdicts |= 1 if verdict else 2
        if entry == self._before:
            seen.before = verdict
        if entry == self._entry:
            seen.played, seen.shown = True, verdict
            seen.failed = row.get("error") is not None
            seen.lucky = verdict is True and row.get("evidence_recall") == 0

    def _reason(self, seen: _Seen) -> int:
        if self._before is not None:
            flipped = None not in (seen.shown, seen.before) and seen.shown != seen.before
        else:
            flipped = seen.played and seen.verdicts == 3
        if flipped:
            return FLIPPED
        if seen.failed:
            return FAILED
        if seen.shown is False:
            return WRONG
        if seen.lucky:
            return LUCKY
        return UNJUDGED if seen.played and seen.shown is None else REST


def _kind(row: Mapping[str, Any]) -> str:
    """Return the group and length of a question, as one text."""
    group = next((str(value) for key, value in row.items() if key.startswith(GROUP)), "")
    return f"{group} {bucket_of(row.get('duration'))}"


def _in_turns(shelf: Mapping[str, list[str]]) -> Iterator[str]:
    """Yield one of each kind, then the next of each."""
    longest = max(map(len, shelf.values()), default=0)
    for place in range(longest):
        for names in shelf.values():
            if place < len(names):
                yield names[place]
