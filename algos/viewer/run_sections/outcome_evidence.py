"""Right or wrong by whether the evidence was shown: four cells with a name each."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from algos.metrics.evidence import evidence_of
from algos.viewer.run_sections.drawing import Cell, linked_table, note
from algos.viewer.run_sections.links import filter_link
from algos.viewer.run_sections.run_plays import RunPlays

NAMES = ("grounded", "lucky", "misread", "missed")
"""Right and seen, right and not seen, wrong and seen, wrong and not seen."""
_MEANS = {
    "grounded": "right, and a frame of the evidence was shown",
    "lucky": "right without a frame of it",
    "misread": "wrong although one was shown",
    "missed": "wrong, and none was shown",
}


def outcome_section(plays: RunPlays) -> str:
    """Return the table of outcomes by evidence, with that before; "" where no evidence is known."""
    ours = evidence_of(plays.lines[plays.shown].episodes).counts
    if not sum(ours):
        return ""
    before = plays.before and evidence_of(plays.lines[plays.before].episodes).counts
    cells = [_cell(plays.shown, k, ours, before or None) for k in range(4)]
    lines = [("right", cells[0], cells[1]), ("wrong", cells[2], cells[3])]
    about = "; ".join(f"{name}: {_MEANS[name]}" for name in NAMES)
    return f'<div class="outcomes">{linked_table(_caption(plays), _HEADER, lines)}</div>' + note(
        f"{about[0].upper()}{about[1:]}. A cell leads to its questions."
    )


_HEADER = ("answer", "evidence shown", "evidence not shown")


def _caption(plays: RunPlays) -> str:
    return f"{plays.lines[plays.shown].title}: answers to questions with known evidence"


def _cell(entry: str, k: int, ours: Sequence[int], before: Sequence[int] | None) -> Cell:
    """Return a cell: its name, how many, what share, and how many it was before."""
    name, count = NAMES[k], ours[k]
    filters = f"entry:{entry} verdict:{'right' if k < 2 else 'wrong'} evidence:" + (
        "seen" if k % 2 == 0 else "unseen"
    )
    share = f"{100 * count / sum(ours):.0f} %"
    then = "" if before is None else f"<small>before: {before[k]}</small>"
    return (
        f'<span class="outcome o{k}">{filter_link(filters, name)} <b>{count}</b> '
        f"{escape(share)} {then}</span>"
    )
