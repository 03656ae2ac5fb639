"""By how much one entry of a run is more accurate than another, paired by question."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import combinations, pairwise

from algos.evaluation.cluster_intervals import difference_interval
from algos.viewer.view_data import DifferenceView, EntryView, RunView

_ALL_PAIRS = 12
"""With more entries than this, only those pairs have an interval that a reader meets first."""


def with_differences(run: RunView) -> RunView:
    """Return a run whose entries are compared: it reads all rows once.

    Intervals are over videos, as those of `sage-vqa compare`; without the `video` of every row
    there are none.
    """
    places = {entry.key: place for place, entry in enumerate(run.entries)}
    judged: list[dict[str, float]] = [{} for _ in run.entries]
    videos: dict[str, str | None] = {}
    names: dict[str, str] = {}
    for row in run.rows():
        place = places.get(str(row.get("entry")))
        if place is None:
            continue
        name, video = str(row["id"]), row.get("video")
        name = names.setdefault(name, name)  # one text for all of its rows
        videos.setdefault(name, None if video is None else str(video))
        if isinstance(row.get("verdict"), bool):
            judged[place].setdefault(name, float(row["verdict"]))
    found = [
        _difference(run.entries[a].key, run.entries[b].key, judged[a], judged[b], videos)
        for a, b in _pairs(run)
    ]
    return replace(run, differences=[one for one in found if one is not None])


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


def _pairs(run: RunView) -> list[tuple[int, int]]:
    """Return places of the entries that are compared: all pairs, or those met first."""
    count = len(run.entries)
    if count <= _ALL_PAIRS:
        return list(combinations(range(count), 2))
    return list(dict.fromkeys(_first_pairs(run.entries, run.shown, run.before)))


def _first_pairs(
    entries: Sequence[EntryView], shown: str, before: str | None
) -> Iterator[tuple[int, int]]:
    for place, entry in enumerate(entries):
        if entry.key in (shown, before):
            yield from ((place, k) for k in range(len(entries)) if k != place)
    updates = [place for place, entry in enumerate(entries) if entry.update is not None]
    yield from pairwise(sorted(updates, key=lambda place: entries[place].update or 0))
