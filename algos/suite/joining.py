"""The table of an evaluation: the report of each entry, and of all entries with floors beside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from algos.evaluation.measures import EvalResult, difference
from algos.report.report_data import ReportData
from algos.runs.joint_folder import read_entries
from algos.runs.run_folder import RunFolder, write_json
from algos.runs.stored_result import load_stored
from algos.suite.dataset_questions import Questions
from algos.suite.playing_entries import PlayedEntry
from algos.viewer.reading.report_files import save_report

CHARTED = 4
"""Entries that the charts and the table of groups take; the first table has all."""


def report_entry(
    played: PlayedEntry,
    about: Mapping[str, str],
    frame_size: tuple[int, int],
    questions: Questions,
) -> None:
    """Write the report of one entry into its folder.

    Args:
        played: the entry.
        about: what the page says at its top, beside policy and questions.
        frame_size: `(H, W)` of its frames.
        questions: what was asked.
    """
    result = played.result
    if not result.items:  # a shard none of whose videos are there
        return
    (name,) = played.folder.result_names()
    told = {
        "policy": result.title,
        "dataset": f"{about.get('dataset', questions.name)}, {len(result.items)} questions",
        "environment": ", ".join(f"{k}={v}" for k, v in played.options.items()) or "defaults",
        **{key: value for key, value in about.items() if key != "dataset"},
    }
    data = ReportData(
        f"{played.entry.title} on {questions.name}",
        told,
        {name: result},
        frame_size=frame_size,
        dataset=questions.name,
        official=questions.official,
        entries={name: asdict(played.entry)},
    )
    save_report(played.folder, data)


def join_results(
    folder: RunFolder,
    about: Mapping[str, str],
    frame_size: tuple[int, int],
    dataset: str,
    official: int | None = None,
) -> tuple[dict[str, EvalResult], list[str]]:
    """Write `results.json` and `report.html` of a joint folder, of the entries that are finished.

    Args:
        folder: of all entries.
        about: what the page says at its top.
        frame_size: `(H, W)` of the frames of its examples.
        dataset: name of it.
        official: how many questions it counts officially.

    Returns:
        The results by entry, in the order of the table, and the names of unfinished entries.
    """
    entries = read_entries(folder)
    results: dict[str, EvalResult] = {}
    for entry in entries:
        own = RunFolder(folder.path / entry["name"])
        if own.summary.exists() and len(own.result_names()) == 1:
            results[entry["name"]] = load_stored(own)
    unfinished = [entry["name"] for entry in entries if entry["name"] not in results]
    if any(result.items for result in results.values()):
        write_json(folder.summary, joined_summary(entries, results))
        first, *others = results
        policies = [e["name"] for e in entries if e.get("control") is None and e["name"] in others]
        beside = [*policies, *(name for name in others if name not in policies)][: CHARTED - 1]
        data = ReportData(
            f"{len(results)} entries on {dataset}",
            about,
            results,
            frame_size=frame_size,
            beside=beside,
            dataset=dataset,
            official=official,
            entries={entry["name"]: entry for entry in entries if entry["name"] in results},
        )
        save_report(folder, data)
    return results, unfinished


def joined_summary(
    entries: Sequence[Mapping[str, Any]], results: Mapping[str, EvalResult]
) -> dict[str, Any]:
    """Return what `results.json` of a joint folder holds: one line per entry, floors included.

    Each has its measures over all questions, and its difference from the first entry, paired by
    question.
    """
    first = next(iter(results))
    lines = []
    for entry in entries:
        if (result := results.get(entry["name"])) is None:
            continue
        gap = difference(result.episodes(), results[first].episodes())
        lines.append(
            {
                **entry,
                "title": result.title,
                "questions": len(result.items),
                "measures": asdict(result.measured[0].measures),
                "minus the first": None if entry["name"] == first else asdict(gap),
            }
        )
    return {"entries": lines}
