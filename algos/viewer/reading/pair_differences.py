"""By how much one entry of a run is more accurate than another, paired by question."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, pairwise
from typing import Any

from algos.evaluation.cluster_intervals import difference_interval
from algos.viewer.view_data import DifferenceView, EntryView, RunView

_ALL_PAIRS = 12
"""With more entries than this, only those pairs have an interval that a reader meets first."""


class JudgedRows:
    """The verdicts of a run, as its rows pass by.

    Args:
        entries: of the run.
    """

    def __init__(self, entries: Sequence[EntryView]) -> None:
        """Begin without a row."""
        self._entries = entries
        self._places = {entry.key: place for place, entry in enumerate(entries)}
        self._judged: list[dict[str, float]] = [{} for _ in entries]
        self._videos: dict[str, str | None] = {}

    def passing(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
        """Yield rows as they come, and remember their verdicts."""
        names: dict[str, str] = {}
        for row in rows:
            place = self._places.get(str(row.get("entry")))
            if place is not None:
                name, video = str(row["id"]), row.get("video")
                name = names.setdefault(name, name)  # one text for all of its rows
                self._videos.setdefault(name, None if video is None else str(video))
                if isinstance(row.get("verdict"), bool):
                    self._judged[place].setdefault(name, float(row["verdict"]))
            yield row

    def differences(self, shown: str, before: str | None = None) -> list[DifferenceView]:
        """Return A minus B of pairs of entries.

        Intervals are over videos, as those of `sage-vqa compare`; without the `video` of every row
        there are none.

        Args:
            shown: key of the entry that is shown first.
            before: of that before learning.
        """
        found = [
            _difference(
                self._entries[a].key,
                self._entries[b].key,
                self._judged[a],
                self._judged[b],
                self._videos,
            )
            for a, b in _pairs(self._entries, shown, before)
        ]
        return [one for one in found if one is not None]


def with_differences(run: RunView) -> RunView:
    """Return a run whose entries are compared; all of its rows are read once."""
    judged = JudgedRows(run.entries)
    for _ in judged.passing(run.rows()):
        pass
    return replace(run, differences=judged.differences(run.shown, run.before))


def _difference(
    a: str,
    b: str,
    ours: dict[str, float],
    theirs: dict[str, float],
    videos: dict[str, str | None],
) -> DifferenceView | None:
    """Return A minus B over the questions that both are judged on; `None` without any.

    Args:
        a: key of the first entry.
        b: key of the second.
        ours: by question, 1 where the first is right and 0 where it is wrong.
        theirs: of the second.
        videos: of each question, where known.
    """
    both = [name for name in ours if name in theirs]
    if not both:
        return None
    gaps = [ours[name] - theirs[name] for name in both]
    clusters = [videos[name] for name in both]
    known = all(video is not None for video in clusters)
    return DifferenceView(
        a=a,
        b=b,
        questions=len(both),
        difference=sum(gaps) / len(gaps),
        interval=difference_interval(gaps, clusters) if known else None,
    )


def _pairs(entries: Sequence[EntryView], shown: str, before: str | None) -> list[tuple[int, int]]:
    """Return places of the entries that are compared: all pairs, or those met first."""
    if len(entries) <= _ALL_PAIRS:
        return list(combinations(range(len(entries)), 2))
    return list(dict.fromkeys(_first_pairs(entries, shown, before)))


def _first_pairs(
    entries: Sequence[EntryView], shown: str, before: str | None
) -> Iterator[tuple[int, int]]:
    for place, entry in enumerate(entries):
        if entry.key in (shown, before):
            yield from ((place, k) for k in range(len(entries)) if k != place)
    updates = [place for place, entry in enumerate(entries) if entry.update is not None]
    yield from pairwise(sorted(updates, key=lambda place: entries[place].update or 0))
