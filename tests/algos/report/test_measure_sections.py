"""Laws of `algos.report.measure_sections`: measures beyond accuracy on the page, of rows alone."""

from __future__ import annotations

from dataclasses import replace

from algos.metrics.entry_lines import EntryLine
from algos.report.measure_sections import (
    budget_section,
    evidence_section,
    horizon_section,
    rule_section,
    spending_section,
)
from algos.report.report_data import ReportData
from algos.runs.run_folder import RunFolder
from algos.viewer.reading.report_files import load_report, save_report
from tests.helpers.handmade import asked, item, result, trajectory

NASTY = "<b>agent</b>"


def lines():
    looked = [
        asked(f"q{k}", k < 3, f"v{k}", turns=1 + k % 2, frames=16, evidence_seen=k < 2,
              evidence_recall=float(k < 2), spent={"tokens": 7}, group={"duration": "short"})
        for k in range(6)
    ]  # fmt: skip
    at_once = [
        asked(f"q{k}", k < 2, f"v{k}", frames=8, group={"duration": "short"}) for k in range(6)
    ]
    return [
        EntryLine(NASTY, looked, "agent", budget=16),
        EntryLine("agent, 8 frames", at_once, "agent", budget=8),
        EntryLine("direct", at_once, "uniform:8:agent"),
        EntryLine("blind", at_once, "agent", control="blind"),
    ]


def test_every_section_tells_its_measures_and_no_markup_of_others() -> None:
    told = {
        rule_section("video-mme", lines(), 9): ("by the rule accuracy", "duration: short", "blind"),
        horizon_section(lines()): ("beside direct", "gain of looking"),
        evidence_section(lines()): ("right, and seen (grounded)", "evidence recall"),
        spending_section(lines()): ("tokens", "per right answer"),
        budget_section(lines()): ("<svg", "undominated", "Areas"),
    }
    for section, words in told.items():
        assert all(word in section for word in words), words
        assert NASTY not in section and "None" not in section and "nan" not in section
    assert rule_section("video-mme", lines()).count("by the rule") == 3, "a floor has no score"


def test_what_is_not_known_has_no_section() -> None:
    plain = [EntryLine("a", [asked("q", None, turns=2)])]
    assert evidence_section(plain) == spending_section(plain) == budget_section(plain) == ""
    assert horizon_section([EntryLine("b", [], control="blind")]) == ""


def test_a_report_is_kept_with_its_dataset_and_its_entries(tmp_path) -> None:
    played = result((item("q"), trajectory("q", True, looks=((12.0,),))))
    entries = {"one": {"policy": "agent", "control": None, "budget": 8, "repeat": 0, "name": "x"}}
    data = ReportData("t", {}, {"one": played}, dataset="lvbench", official=3, entries=entries)
    folder = RunFolder(tmp_path)
    page = save_report(folder, data).read_text("utf-8")
    assert "When it stops looking" in page and "By the rule of the dataset" in page
    assert "Accuracy against frames" not in page
    again = load_report(folder)
    assert (again.dataset, again.official, again.entries) == ("lvbench", 3, entries)
    (line,) = again.lines()
    assert (line.policy, line.budget, line.control, line.repeat) == ("agent", 8, None, 0)
    (bare,) = replace(again, entries={}).lines()
    assert (bare.policy, bare.budget) == ("", None)
