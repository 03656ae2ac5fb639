"""All of a run as the page shows it, from the entries in its files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algos.viewer.reading.pair_differences import with_differences
from algos.viewer.reading.question_views import QuestionReader
from algos.viewer.reading.stored_entries import StoredEntry
from algos.viewer.reading.table_rows import SeenKeys, flat_row
from algos.viewer.reading.telling_order import TellingOrder
from algos.viewer.run_sections.run_plays import plays_of_rows
from algos.viewer.run_sections.sections import view_sections
from algos.viewer.view_data import EntryView, RunView

Section = tuple[str, str, str]
NO_PICTURES = (
    "No frames are in this page: the licence of the dataset does not let them be published."
)


@dataclass(frozen=True, eq=False, kw_only=True)
class StoredRun:
    """A run, as its files have it.

    Attributes:
        title, about, before, frame_size, live, curves: see `view_data.RunView`.
        entries: one at least, in the order of the tables.
        shown: key of the entry whose episodes are shown first; `None` for the first.
        pictures: whether frames may be put into a page.
        notes: what the page does not show.
        sections: drawn in advance; `None`: those that follow from the rows.
    """

    title: str
    about: Mapping[str, str]
    entries: Sequence[StoredEntry]
    shown: str | None = None
    before: str | None = None
    frame_size: tuple[int, int] | None = None
    pictures: bool = True
    live: bool = False
    notes: Sequence[str] = ()
    sections: Sequence[Section] | None = None
    curves: Sequence[Mapping[str, Any]] = field(default_factory=list)


def run_view(run: StoredRun) -> RunView:
    """Return a run as the page shows it; its rows are read once here, and again by the page.

    Raises:
        LogError: if a file of the run cannot be read.
    """
    views = [_entry_view(entry) for entry in run.entries]
    shown = run.shown or run.entries[0].key
    controls = [one.key for one in run.entries if one.told.get("control")]
    keys, telling = SeenKeys(), TellingOrder(shown, run.before, controls)
    count = 0
    for _ in telling.passing(keys.passing(_rows(run.entries))):
        count += 1
    reader = QuestionReader(entries=run.entries, frame_size=run.frame_size, pictures=run.pictures)
    sections = run.sections
    if sections is None:
        sections = view_sections(plays_of_rows(views, _whole_rows(run.entries), shown, run.before))
    view = RunView(
        title=run.title,
        about=run.about,
        entries=views,
        shown=shown,
        before=run.before,
        columns=keys.columns(),
        rows=lambda: _rows(run.entries),
        count=count,
        order=telling.order(),
        question=reader.read,
        frame_size=run.frame_size or (224, 224),
        live=run.live,
        notes=[*run.notes, *([] if run.pictures else [NO_PICTURES])],
        sections=sections,
        curves=run.curves,
    )
    return with_differences(view) if len(views) > 1 else view


def _entry_view(entry: StoredEntry) -> EntryView:
    return EntryView(key=entry.key, title=entry.title, update=entry.update, told=entry.told)


def _rows(entries: Sequence[StoredEntry]) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        for row in entry.rows():
            yield flat_row(row, entry.key)


def _whole_rows(entries: Sequence[StoredEntry]) -> Iterator[Mapping[str, Any]]:
    for entry in entries:
        for row in entry.rows():
            yield {"entry": entry.key, **row}
