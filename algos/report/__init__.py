"""The HTML page of a run: one file, no script.

May not: compute a measure; it shows what `evaluation/` found.

Read in this order: `page` (the frame and its style), `charts`, `timeline_view`, `episode_view` (one
episode as a card), `example_choice` (which episodes are shown), `report_data` (what a report is
made of), `sections` (its parts), `measure_sections` (those beyond accuracy), `report` (writing,
saving and loading it).
"""

from algos.report.report import write_report

__all__ = ["write_report"]
