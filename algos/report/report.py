"""The report of a run: what was measured, how it was learned, and examples of what was looked at.

One static HTML file. Everything that it shows lies in the run's folder, from which
`load_report` gets it back.
"""

from __future__ import annotations

from pathlib import Path

from algos.evaluation.measures import EvalResult
from algos.report.measure_sections import (
    budget_section,
    evidence_section,
    floors_section,
    horizon_section,
    rule_section,
    spending_section,
)
from algos.report.page import facts, page
from algos.report.report_data import ReportData, check_told
from algos.report.sections import (
    example_section,
    failed_section,
    group_section,
    learning_section,
    length_section,
    routing_section,
    summary_section,
    tool_section,
)
from algos.runs.joint_folder import entry_folder, is_joint
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder, RunFolderError, read_json, write_json
from algos.runs.stored_result import load_stored
from sage_env.storage.atomic_file import atomic_write


def write_report(path: Path, data: ReportData) -> None:
    """Write the report as one HTML file; frames are decoded from the videos, if they are there."""
    sections = [
        ("summary", "Summary", summary_section(data)),
        ("length", "Accuracy and cost by length of the video", length_section(data)),
        ("groups", "Groups of questions", group_section(data)),
    ]
    sections += _measured(data)
    if tools := tool_section(data):
        sections.append(("tools", "Calls of tools", tools))
    if failed := failed_section(data):
        sections.append(("failed", "Questions that failed", failed))
    if data.before is not None and (routing := routing_section(data, data.results[data.before])):
        sections.append(("routing", "Routing and skill", routing))
    if data.metrics:
        sections.append(("learning", "Learning curve", learning_section(data.metrics)))
    if data.examples > 0:
        sections.append(("examples", "Example episodes", example_section(data)))
    path.parent.mkdir(parents=True, exist_ok=True)
    # A lone surrogate of some reply has no place in UTF-8; the page is about the rest.
    text = page(data.title, facts(data.about), sections)
    atomic_write(path, text.encode("utf-8", "backslashreplace"))


def _measured(data: ReportData) -> list[tuple[str, str, str]]:
    """Return the sections beyond accuracy that have something to tell."""
    lines = data.lines()
    found = [
        ("floors", "Floors", floors_section(lines)),
        ("rule", "By the rule of the dataset", rule_section(data.dataset, lines, data.official)),
        ("budgets", "Accuracy against frames", budget_section(lines)),
        ("stopping", "When it stops looking", horizon_section(lines)),
        ("evidence", "Evidence", evidence_section(lines)),
        ("cost", "Cost", spending_section(lines)),
    ]
    return [section for section in found if section[2]]


def save_report(folder: RunFolder, data: ReportData) -> Path:
    """Write all results, what else the report needs, and the report; return its path."""
    for name, result in data.results.items():
        if result.results is None:  # else it was read from its files
            folder.save_result(name, result)
    settings = {
        "title": data.title,
        "about": dict(data.about),
        "results": list(data.results),
        "before": data.before,
        "after": data.after,
        "direct": data.direct,
        "frame_size": list(data.frame_size),
        "examples": data.examples,
        "only": dict(data.only),
        "beside": list(data.beside),
        "dataset": data.dataset,
        "official": data.official,
        "entries": {name: dict(told) for name, told in data.entries.items()},
    }
    write_json(folder.report_settings, settings)
    write_report(folder.report, data)
    return folder.report


def load_report(folder: RunFolder) -> ReportData:
    """Get back from a run's folder what `save_report` was given.

    Raises:
        RunFolderError: if the folder holds no evaluation, an unfinished one, or a file of it cannot
            be read.
    """
    if folder.manifest.exists() and not folder.report_settings.exists():
        raise RunFolderError(
            f"{folder.path} holds an unfinished evaluation: run the same `sage-vqa eval` again, "
            "which goes on with it and writes the report"
        )
    settings = read_json(folder.report_settings)
    metrics = read_metrics(folder.metrics)
    try:
        check_told(settings)
        results = {name: _load(folder, name) for name in settings["results"]}
        size = (int(settings["frame_size"][0]), int(settings["frame_size"][1]))
        tier = settings.pop("tier", None)  # as versions before this one wrote it
        settings.setdefault("only", {} if tier is None else {"tier": tier})
        rest = {**settings, "results": results, "metrics": metrics, "frame_size": size}
        return ReportData(**rest)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunFolderError(f"{folder.report_settings} is not complete: {error}") from error


def _load(folder: RunFolder, name: str) -> EvalResult:
    """Return a result of a run, by its key."""
    if is_joint(folder):
        return load_stored(entry_folder(folder.path, name))
    return load_stored(folder, name) if folder.manifest.exists() else folder.load_result(name)
