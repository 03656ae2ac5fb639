"""The report of the line: `results.json` for programs, `report.html` for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html import escape
from pathlib import Path
from typing import Any

from algos.data_pipeline.auditing.caught import caught
from algos.data_pipeline.line.settings import LineSettings
from algos.data_pipeline.line.stages import Result, seconds_of
from algos.data_pipeline.questions.ledger import paid_replies, spent_on
from algos.data_pipeline.questions.question_files import LEDGER, rejections
from algos.data_pipeline.stand_in.planted import planted_questions
from algos.evaluation.tables import Cells
from algos.report.page import facts, page, table
from algos.runs.evaluation_manifest import this_session
from algos.runs.json_files import write_json
from sage_env.storage.atomic_file import atomic_write

RESULTS, REPORT = "results.json", "report.html"
SHOWN = 60
"""Rejections that the page shows; the file has all."""


def write_report(settings: LineSettings, results: Mapping[str, Result]) -> Path:
    """Write both files; return the path of the page.

    Args:
        settings: of the line.
        results: of its stages, by name.
    """
    found = collect(settings, results)
    write_json(settings.out / RESULTS, found)
    path = settings.out / REPORT
    atomic_write(path, page("Data pipeline", facts(_about(settings, found)), _sections(found)))
    return path


def collect(settings: LineSettings, results: Mapping[str, Result]) -> dict[str, Any]:
    """Return everything that the report says, as plain JSON data."""
    folder = settings.question_folder
    log = rejections(folder)
    lines = paid_replies(folder / LEDGER)
    stages = dict.fromkeys(line.stage for line in lines)
    planted = None
    if settings.offline:
        report = caught(folder, planted_questions(settings.private / "planted.jsonl"))
        planted = report.to_json()
    return {
        "settings": settings.described(),
        "stages": {name: dict(result) for name, result in results.items()},
        "seconds": seconds_of(settings.out),
        "planted": planted,
        "rejected": {
            "by check": dict(Counter(one.check for one in log).most_common()),
            "log": [
                {"id": one.id, "video": one.video, "check": one.check, "reason": one.reason}
                for one in log
            ],
        },
        "ledger": {
            "all": asdict(spent_on(lines)),
            "stages": {
                stage: asdict(spent_on(one for one in lines if one.stage == stage))
                for stage in stages
            },
            "models": sorted({line.model for line in lines}),
        },
        "made by": this_session(),
    }


def _about(settings: LineSettings, found: Mapping[str, Any]) -> dict[str, str]:
    stages, session = found["stages"], found["made by"]
    seconds = sum(one["seconds"] for one in found["seconds"].values())
    return {
        "service": settings.service,
        "videos": f"{stages['videos']['videos']} {stages['videos']['note']}".strip(),
        "questions": f"{stages['checks']['questions']} of sound form, {stages['checks']['kept']} "
        "kept by the checks",
        "held out": f"{stages['eval']['videos']} videos, of which nothing was learned or chosen",
        "seed": str(settings.seed),
        "time": f"{seconds / 60:.1f} minutes",
        "commit": str(session["commit"]),
    }


def _sections(found: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    stages = found["stages"]
    sections = [("learned", "What was learned", _learned(stages["eval"]))]
    sections.append(("tools", "What a tool is worth", _tools(stages["tools"])))
    if found["planted"] is not None:
        sections.append(("planted", "Planted errors, and good questions lost", _planted(found)))
    sections += [
        ("checks", "Checks", f"<pre>{escape(stages['checks']['told'])}</pre>"),
        ("rejected", "Rejection log", _rejected(found["rejected"])),
        ("sets", "Episodes and sets", _sets(stages)),
        ("ledger", "Ledger", _ledger(found["ledger"])),
        ("time", "Time of each stage", _times(found["seconds"])),
    ]
    return sections


def _learned(result: Result) -> str:
    gains = [
        (name, str(one["questions"]), _points(one["mean"], one["interval"]))
        for name, one in result["gains"].items()
    ]
    groups = [
        (group, *(f"{right}/{count}" for right, count in own.values()))
        for group, own in result["families"].items()
    ]
    header = ("difficulty", *next(iter(result["families"].values())))
    note = (
        f"<p>{result['videos']} held-out videos; greedy decoding, the same questions and budgets. "
        "Brackets are 95 % intervals over videos; differences are paired by question.</p>"
    )
    gained = table("Gains", ("gain", "questions", "points of accuracy"), gains)
    return note + _policies(result["lines"]) + gained + table("Groups", header, groups)


def _policies(lines: Mapping[str, Any]) -> str:
    cells = [
        (
            name,
            str(one["questions"]),
            _percent(one["accuracy"]),
            _number(one["frames"]["mean"]),
            _number(one["turns"]["mean"], 2),
        )
        for name, one in lines.items()
    ]
    return table("Policies", ("policy", "questions", "accuracy, %", "frames", "turns"), cells)


def _tools(result: Result) -> str:
    note = f"<p>{escape(result['note'])}</p>"
    return note + (_policies(result["lines"]) if "lines" in result else "")


def _planted(found: Mapping[str, Any]) -> str:
    cells: list[Cells] = [
        (
            line["kind"],
            str(line["questions"]),
            str(line["rejected"]),
            str(line["kept"]),
            ", ".join(f"{name} {n}" for name, n in line["first"].items()) or "-",
        )
        for line in found["planted"]["lines"]
    ]
    header = ("planted", "questions", "rejected", "kept", "rejected first by")
    note = (
        "<p>The stand-in errs on purpose and keeps a record for itself, which no check reads. The "
        "line <b>good</b> has the questions in which nothing was planted: those rejected are lost, "
        "mostly because the answerer cannot see what they ask for.</p>"
    )
    return note + table("Planted errors", header, cells)


def _rejected(rejected: Mapping[str, Any]) -> str:
    counts = [(name, str(count)) for name, count in rejected["by check"].items()]
    log = rejected["log"]
    rows = [(one["check"], one["video"], one["reason"]) for one in log[:SHOWN]]
    more = f"<p>{len(log) - SHOWN} more are in rejected.jsonl.</p>" if len(log) > SHOWN else ""
    listed = table("Log", ("check", "video", "reason"), rows)
    return (
        table("By check", ("check", "rejected"), counts)
        + f"<details><summary>The log</summary>{listed}{more}</details>"
    )


def _sets(stages: Mapping[str, Result]) -> str:
    counts = stages["distill"]
    cells = [
        (name, *(str(one[key]) for key in ("episodes", "failed", "right", "kept")))
        for name, one in counts["by policy"].items()
    ]
    sft, rl = counts["sft"], counts["rl"]
    told = {
        "SFT": f"{sft['episodes']} episodes, {sft['direct']} direct, "
        f"{sft['state-action pairs']} state-action pairs of {sft['questions']} questions",
        "left out": ", ".join(f"{n} {why}" for why, n in sft["left out"].items()) or "none",
        "DPO": ", ".join(f"{n} {rule}" for rule, n in counts["dpo"].items()) or "no pairs",
        "RL": f"{rl['questions']} questions, {rl['direct']} direct",
        "not in RL": ", ".join(f"{n} {why}" for why, n in rl["left out"].items()) or "none",
        "fine-tuning": f"step {stages['sft']['step']} of {stages['sft']['steps']} is kept",
        "PPO": f"update {stages['ppo']['update']} of {stages['ppo']['updates']} is kept",
    }
    header = ("teacher", "episodes", "failed", "right", "kept")
    return table("Teachers", header, cells) + facts(told)


def _ledger(ledger: Mapping[str, Any]) -> str:
    cells = [
        (
            name,
            str(one["replies"]),
            f"{one['prompt']:,}",
            f"{one['completion']:,}",
            f"{one['dollars']:.4f}",
            str(one["unknown"]),
        )
        for name, one in (*ledger["stages"].items(), ("all", ledger["all"]))
    ]
    header = ("stage", "replies", "prompt tokens", "tokens made", "dollars", "cost not known")
    models = f"<p>Models: {escape(', '.join(ledger['models']) or 'none')}, at dated prices.</p>"
    return models + table("Ledger", header, cells)


def _times(seconds: Mapping[str, Mapping[str, float]]) -> str:
    cells = [
        (name, f"{one['seconds']:.1f}", f"{one['processor']:.1f}", f"{one['calls']:.0f}")
        for name, one in seconds.items()
    ]
    header = ("stage", "seconds", "processor seconds of the main process", "calls")
    return table("Times", header, cells)


def _percent(estimate: Mapping[str, Any]) -> str:
    if estimate["mean"] is None:
        return "-"
    ends: Sequence[float] | None = estimate["interval"]
    told = f"{100 * estimate['mean']:.1f}"
    return told if ends is None else f"{told} [{100 * ends[0]:.1f}, {100 * ends[1]:.1f}]"


def _points(mean: float | None, interval: Sequence[float] | None) -> str:
    if mean is None:
        return "-"
    told = f"{100 * mean:+.1f}"
    if interval is None:
        return told
    return f"{told} [{100 * interval[0]:+.1f}, {100 * interval[1]:+.1f}]"


def _number(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"
