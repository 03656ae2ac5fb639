"""The content of a report: results, labels, and the lines of the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.metrics.entry_lines import EntryLine
from algos.runs.joint_folder import is_entry

_TYPES: Mapping[str, Any] = {
    "title": str,
    "about": dict,
    "only": dict,
    "beside": list,
    "dataset": str,
    "official": int | None,
    "entries": dict,
}


def check_told(told: Mapping[str, Any]) -> None:
    """Refuse what no report was written with; what an older version lacks may be missing.

    Args:
        told: of `report.json`.

    Raises:
        ValueError: naming the key.
    """
    for key, kind in _TYPES.items():
        if key in told and not isinstance(told[key], kind):
            raise ValueError(f"{key} must not be {told[key]!r:.60}")
    for key in ("about", "only"):
        if not all(isinstance(value, str) for value in told.get(key, {}).values()):
            raise ValueError(f"{key} must hold texts, got {told[key]!r:.200}")
    for entry in told.get("entries", {}).values():
        if not is_entry({"name": "one", **entry} if isinstance(entry, dict) else entry):
            raise ValueError(f"an entry must say its policy and control, got {entry!r:.200}")


@dataclass(frozen=True, eq=False)
class ReportData:
    """Everything that the report shows.

    Attributes:
        title: of the page.
        about: what was run: labels and texts.
        results: the lines of the summary table in order, by file name.
        before: key of the result before learning; `None` if there is none.
        after: key of the result whose episodes are shown; `None` for the first.
        direct: key of the baseline that answers after one even look.
        beside: keys of others that are compared with the result whose episodes are shown.
        metrics: the lines of `metrics.jsonl`.
        frame_size: `(H, W)` at which the policy saw frames.
        only: the report keys of the items that the headline is about, e.g. `{"tier": "core"}`: of
            the first table, the differences and the charts. Other values of these keys get a table
            of their own. Empty: everything together.
        dataset: name of it, by which the rule of the score is chosen; "" for plain accuracy.
        official: how many questions the dataset has, where some could not be asked.
        entries: by key of a result, what its line is: `policy`, `control`, `budget`, `repeat`.
    """

    title: str
    about: Mapping[str, str]
    results: Mapping[str, EvalResult]
    before: str | None = None
    after: str | None = None
    direct: str | None = None
    metrics: Sequence[Mapping[str, Any]] = field(default_factory=list)
    frame_size: tuple[int, int] = (224, 224)
    only: Mapping[str, str] = field(default_factory=dict)
    beside: Sequence[str] = ()
    dataset: str = ""
    official: int | None = None
    entries: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse names that no result has."""
        if not self.results:
            raise ValueError("a report needs at least one result, got none")
        for role in ("before", "after", "direct"):
            name = getattr(self, role)
            if name is not None and name not in self.results:
                raise ValueError(f"{role} must be one of {list(self.results)}, got {name!r}")
        if unknown := set(self.beside) - set(self.results):
            raise ValueError(f"beside must be of {list(self.results)}, got {sorted(unknown)}")

    @property
    def shown(self) -> EvalResult:
        """Return the result whose episodes are shown."""
        return self.results[self.after or next(iter(self.results))]

    def compared(self) -> list[EvalResult]:
        """Return the results that are compared: after, before, direct, beside, where given."""
        names = [self.after or next(iter(self.results)), self.before, self.direct, *self.beside]
        return [self.results[name] for name in dict.fromkeys(names) if name is not None]

    def lines(self) -> list[EntryLine]:
        """Return the results as lines of a table, which know their policy, control and budget."""
        return [
            EntryLine(result.title, result.episodes(), **self._entry(name))
            for name, result in self.results.items()
        ]

    def _entry(self, name: str) -> dict[str, Any]:
        told = self.entries.get(name, {})
        return {key: told[key] for key in ("policy", "control", "budget", "repeat") if key in told}

    def headline(self, result: EvalResult) -> EvalResult:
        """Return the part of a result that the headline is about."""
        return result.only(self.only)
