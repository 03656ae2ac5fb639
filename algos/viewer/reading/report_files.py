"""`report.html` of a run: the page of what its folder holds, and what it is written anew from."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.report.report_data import ReportData, check_told
from algos.report.report_sections import report_sections
from algos.runs.joint_folder import entry_folder
from algos.runs.json_files import RunFolderError, read_json, write_json
from algos.runs.metrics import read_metrics
from algos.runs.rare_collections import rare_collections
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import load_stored
from algos.viewer.reading.question_views import known_item
from algos.viewer.reading.run_facts import (
    config_of,
    dataset_of,
    is_joint_folder,
    manifest_of,
    playing_facts,
    session_facts,
    settings_of,
    training_facts,
)
from algos.viewer.reading.run_views import Section, StoredRun, run_view
from algos.viewer.reading.stored_entries import StoredEntry, entry_of_result, tokens_beside
from algos.viewer.reading.update_entries import update_entries
from algos.viewer.run_sections.run_plays import plays_of_report
from algos.viewer.run_sections.sections import view_sections
from algos.viewer.view_data import RunView
from algos.viewer.writing.view_file import WriteSettings, Written, write_view
from sage_env.datasets.native.frame_licences import may_show_frames

FIRST = (
    "learned",
    "summary",
    "learning",
    "frontier",
    "outcomes",
    "surprises",
    "flow",
    "effort",
    "length",
    "groups",
)
"""Sections that come first, in this order."""
FLOOR_PICTURED = 12
"""Questions with pictures in the page of a floor: of these an evaluation has many."""


def write_report(path: Path, data: ReportData) -> Written:
    """Write the page of a run as one HTML file; frames are decoded from the videos that are there.

    Args:
        path: of the file, in the run's folder.
        data: what the run measured.

    Raises:
        RunFolderError: if a file of the run cannot be read.
        LogError: if a line of one cannot be.
        OSError: if the page cannot be written.
    """
    folder = RunFolder(path.parent)
    settings = WriteSettings(more=f"{opening(folder)} --serve")
    if data.entries and all(told.get("control") for told in data.entries.values()):
        settings = replace(settings, pictured=FLOOR_PICTURED)
    return write_view(report_view(folder, data), path, settings)


def opening(folder: RunFolder) -> str:
    """Return the command that opens the page of a run, for a shell."""
    return f"sage-vqa view {shlex.quote(str(folder.path))}"


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
        settings.pop("examples", None)  # of pages that showed some questions, and not all
        rest = {**settings, "results": results, "metrics": metrics, "frame_size": size}
        return ReportData(**rest)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise RunFolderError(f"{folder.report_settings} is not complete: {error}") from error


@rare_collections()
def report_view(folder: RunFolder, data: ReportData, *, pictures: bool | None = None) -> RunView:
    """Return a finished run as the page shows it.

    Args:
        folder: of the run; what it holds beside the results is shown too.
        data: what it measured.
        pictures: whether frames are shown; by default where the dataset's licence lets them be.

    Raises:
        RunFolderError: if a file of the run cannot be read.
        LogError: if a line of one cannot be.
    """
    entries = [_entry(folder, name, result, data) for name, result in data.results.items()]
    own = next(iter(data.results)) if is_joint_folder(folder) else None
    manifest = manifest_of(folder if own is None else RunFolder(folder.path / own))
    dataset = data.dataset or dataset_of(folder, entries)
    entries += update_entries(folder, lambda name: known_item(entries[: len(data.results)], name))
    return run_view(
        StoredRun(
            title=data.title,
            about={**data.about, **session_facts(manifest), **_time_taken(data)},
            entries=entries,
            shown=data.after,
            before=data.before,
            frame_size=data.frame_size,
            pictures=may_show_frames(dataset) if pictures is None else pictures,
            sections=all_sections(data),
            curves=data.metrics,
        )
    )


def _time_taken(data: ReportData) -> dict[str, str]:
    """Return how long a training learned, or the entry that is shown played."""
    return training_facts(data.metrics) or playing_facts(data.shown.episodes())


def all_sections(data: ReportData) -> list[Section]:
    """Return all sections of a finished run, the most telling first."""
    found = [*view_sections(plays_of_report(data)), *report_sections(data)]
    first = {name: place for place, name in enumerate(FIRST)}
    return sorted(found, key=lambda section: first.get(section[0], len(FIRST)))


def _entry(folder: RunFolder, name: str, result: EvalResult, data: ReportData) -> StoredEntry:
    """Return one line of the tables, with what its folder has beside the result."""
    joint = is_joint_folder(folder)
    own = RunFolder(folder.path / name) if joint else folder
    settings = settings_of(own)
    told = data.entries.get(name, {})
    replays = settings and "imported from" not in settings and not told.get("control")
    where = [str(folder.path), *(("--entry", name) if joint else ())]
    path = own.result_path(own.result_names()[0] if joint and own.result_names() else name)
    return entry_of_result(
        name,
        result,
        own.samples if settings else None,
        tokens=tokens_beside(path),
        told={**told, **({} if "policy" in told else _policy(settings))},
        settings=settings or _training_settings(folder),
        replay=where if replays else (),
    )


def _policy(settings: dict[str, Any]) -> dict[str, Any]:
    return {"policy": settings["policy"]} if settings.get("policy") else {}


def _training_settings(folder: RunFolder) -> dict[str, Any]:
    """Return what the settings of a training say of all its rows: the prompts of its model."""
    told = config_of(folder)
    if "checkpoint" not in told:
        return {}
    checkpoint = told["checkpoint"]
    return {"policy": f"sage-mm:{checkpoint}" if checkpoint else "sage-mm-tiny"}


def _load(folder: RunFolder, name: str) -> EvalResult:
    """Return a result of a run, by its key."""
    if is_joint_folder(folder):
        return load_stored(entry_folder(folder.path, name))
    return load_stored(folder, name) if folder.manifest.exists() else folder.load_result(name)
