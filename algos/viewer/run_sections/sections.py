"""All sections of the run view that are drawn in advance, in the order of the page."""

from __future__ import annotations

from algos.viewer.run_sections.headline import headline_section
from algos.viewer.run_sections.outcome_evidence import outcome_section
from algos.viewer.run_sections.run_plays import RunPlays

Section = tuple[str, str, str]
"""Id, heading, and HTML of a section."""


def view_sections(plays: RunPlays) -> list[Section]:
    """Return the sections that have something to tell: `(id, heading, HTML)` each.

    The ids: `learned`, `frontier`, `effort`, `outcomes`, `flow`, `calibration`, `surprises`.
    """
    found = [
        ("learned", "What was learned", headline_section(plays)),
        ("outcomes", "Right or wrong, by what was seen", outcome_section(plays)),
    ]
    return [section for section in found if section[2]]
