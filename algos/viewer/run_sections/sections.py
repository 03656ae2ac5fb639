"""All sections of the run view that are drawn in advance, in the order of the page."""

from __future__ import annotations

from dataclasses import replace

from algos.viewer.run_sections.action_flow import flow_section
from algos.viewer.run_sections.calibration import calibration_section
from algos.viewer.run_sections.effort import effort_section
from algos.viewer.run_sections.frontier import frontier_section
from algos.viewer.run_sections.headline import headline_section
from algos.viewer.run_sections.outcome_evidence import outcome_section
from algos.viewer.run_sections.run_plays import RunPlays, plays_of_rows
from algos.viewer.run_sections.surprises import surprises_section
from algos.viewer.view_data import RunView

Section = tuple[str, str, str]
"""Id, heading, and HTML of a section."""


def with_sections(run: RunView) -> RunView:
    """Return a run with the sections that follow from its rows, which are read once."""
    plays = plays_of_rows(run.entries, run.rows(), run.shown, run.before)
    return replace(run, sections=view_sections(plays))


def view_sections(plays: RunPlays) -> list[Section]:
    """Return the sections that have something to tell: `(id, heading, HTML)` each.

    The ids: `learned`, `frontier`, `outcomes`, `flow`, `effort`, `calibration`, `surprises`. Of a
    single question there are none: one answer is no statistic.
    """
    if all(len(line.episodes) <= 1 for line in plays.lines.values()):
        return []
    first = "In short" if plays.before is None else "What was learned"
    found = [
        ("learned", first, headline_section(plays)),
        ("frontier", "Accuracy against frames, each entry", frontier_section(plays)),
        ("outcomes", "Right or wrong, by what was seen", outcome_section(plays)),
        ("flow", "From the first look to the answer", flow_section(plays)),
        ("effort", "Looking, by length of the video", effort_section(plays)),
        ("calibration", "Belief and truth", calibration_section(plays)),
        ("surprises", "Questions to look at first", surprises_section(plays)),
    ]
    return [section for section in found if section[2]]
