"""What the sections of the run view are made of: the lines of the table, and how episodes went."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algos.evaluation.measures import MeasureRow
from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.metrics.entry_lines import EntryLine, direct_frames
from algos.report.report_data import ReportData
from algos.rollout.trajectory import Trajectory
from algos.viewer.view_data import EntryView
from sage_env.datasets.report_keys import each_value

MOST_PATHS = 5_000
"""Episodes whose actions are read for the flow of actions: each is a trajectory to parse.

A choice: shares of 5,000 episodes are known to a point and a half, and reading them takes seconds.
"""
PATH = "path"
"""Key of a flat row that tells the actions of its episode in order, with spaces between them."""
_GROUP = "group."
_UNKNOWN: Mapping[str, Any] = {
    "video": "",
    "verdict": None,
    "frames": None,
    "turns": 0,
    "prediction": None,
    "error": None,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class RunPlays:
    """All plays of a run.

    Attributes:
        lines: of the table, by key of the entry.
        shown: key of the entry that the sections are about.
        before: key of what it is compared with: the same before learning; `None` without one.
        baselines: keys of those that answer after one even look; a curve of reference.
        only: report keys that the headline is about, e.g. `{"tier": "core"}`; empty: everything.
        paths: of the entry that is shown, by question: the names of its actions in order, the
            overview first where there was one.
        questions: texts of the questions by id, where they are known.
        measured: the measures of the entry that is shown, where they were taken; else empty.
    """

    lines: Mapping[str, EntryLine]
    shown: str
    before: str | None = None
    baselines: frozenset[str] = frozenset()
    only: Mapping[str, str] = field(default_factory=dict)
    paths: Mapping[str, Sequence[str]] = field(default_factory=dict)
    questions: Mapping[str, str] = field(default_factory=dict)
    measured: Sequence[MeasureRow] = ()

    def __post_init__(self) -> None:
        """Refuse names that no line has."""
        for role, key in (("shown", self.shown), ("before", self.before)):
            if key is not None and key not in self.lines:
                raise ValueError(f"{role} must be one of {list(self.lines)}, got {key!r}")

    def headline(self, key: str) -> list[EpisodeResult]:
        """Return the episodes of an entry that the headline is about."""
        episodes = self.lines[key].episodes
        return [e for e in episodes if self._is_headline(e)] if self.only else list(episodes)

    def _is_headline(self, e: EpisodeResult) -> bool:
        return all(value in each_value(e.group.get(key)) for key, value in self.only.items())


def plays_of_report(data: ReportData) -> RunPlays:
    """Return the plays of a run from the content of its report; reads trajectories of one entry."""
    shown = data.shown
    key = next(name for name, result in data.results.items() if result is shown)
    lines = dict(zip(data.results, data.lines(), strict=True))
    played = zip(shown.items[:MOST_PATHS], shown.trajectories, strict=False)
    return RunPlays(
        lines=lines,
        shown=key,
        before=data.before,
        baselines=_baselines(lines) | ({data.direct} if data.direct else set()),
        only=data.only,
        paths={item.id: path_of(trajectory) for item, trajectory in played},
        questions={item.id: item.question for item in shown.items},
        measured=shown.measured,
    )


def plays_of_rows(
    entries: Sequence[EntryView], rows: Iterable[Mapping[str, Any]], shown: str, before: str | None
) -> RunPlays:
    """Return the plays of a run from its flat rows; what they do not tell is not known.

    Args:
        entries: of the run, in the order of its tables.
        rows: one for each entry and question.
        shown: key of the entry that the sections are about.
        before: key of what it is compared with.
    """
    found: dict[str, dict[str, EpisodeResult]] = {entry.key: {} for entry in entries}
    paths: dict[str, Sequence[str]] = {}
    questions: dict[str, str] = {}
    for row in rows:
        key, name = row["entry"], row["id"]
        if key not in found:
            continue
        found[key][name] = result_of_row({**_UNKNOWN, "group": _group(row), **row})
        if text := row.get("question"):
            questions[name] = text
        if key == shown and (path := row.get(PATH)):
            paths[name] = str(path).split()
    lines = {e.key: _line(e, list(found[e.key].values())) for e in entries}
    return RunPlays(
        lines=lines,
        shown=shown,
        before=before,
        baselines=_baselines(lines),
        paths=paths,
        questions=questions,
    )


def path_of(trajectory: Trajectory) -> tuple[str, ...]:
    """Return the names of an episode's actions in order, the overview first if there was one."""
    first = ("overview",) if trajectory.start_info.get("frame_seconds") else ()
    return (*first, *(str(turn.info.get("action") or "invalid") for turn in trajectory.turns))


def _group(row: Mapping[str, Any]) -> dict[str, str]:
    found = {key.removeprefix(_GROUP): row[key] for key in row if key.startswith(_GROUP)}
    return {key: str(value) for key, value in found.items() if value not in (None, "")}


def _line(entry: EntryView, episodes: Sequence[EpisodeResult]) -> EntryLine:
    told = entry.told
    return EntryLine(
        entry.title,
        episodes,
        policy=told.get("policy", ""),
        control=told.get("control") or None,
    )


def _baselines(lines: Mapping[str, EntryLine]) -> frozenset[str]:
    """Return the keys of entries that answer after one even look, by policy or by their name."""
    return frozenset(
        key
        for key, line in lines.items()
        if direct_frames(line.policy) is not None or key.startswith("direct-")
    )
