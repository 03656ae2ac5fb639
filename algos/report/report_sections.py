"""The sections of a run that are drawn in advance: tables and charts of what was measured."""

from __future__ import annotations

from algos.report.measure_sections import (
    budget_section,
    evidence_section,
    floors_section,
    horizon_section,
    rule_section,
    spending_section,
)
from algos.report.report_data import ReportData
from algos.report.sections import (
    failed_section,
    group_section,
    learning_section,
    length_section,
    routing_section,
    summary_section,
    tool_section,
)


def report_sections(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the sections that have something to tell: `(id, heading, HTML)` each."""
    lines, shown = data.lines(), data.shown.title
    before = None if data.before is None else data.results[data.before]
    found = [
        ("summary", "Summary", summary_section(data)),
        ("length", "Accuracy and cost by length of the video", length_section(data)),
        ("groups", "Groups of questions", group_section(data)),
        ("floors", "Floors", floors_section(lines, shown)),
        ("rule", "By the rule of the dataset", rule_section(data.dataset, lines, data.official)),
        ("budgets", "Accuracy against frames", budget_section(lines)),
        ("stopping", "When it stops looking", horizon_section(lines, shown)),
        ("evidence", "Evidence", evidence_section(lines, shown)),
        ("cost", "Cost", spending_section(lines, shown)),
        ("tools", "Calls of tools", tool_section(data)),
        ("failed", "Questions that failed", failed_section(data)),
        ("routing", "Routing and skill", "" if before is None else routing_section(data, before)),
        ("learning", "Learning curve", learning_section(data.metrics) if data.metrics else ""),
    ]
    return [section for section in found if section[2]]
