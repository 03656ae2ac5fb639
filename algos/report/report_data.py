"""The content of a report: results, labels, and the lines of the learning curve."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algos.evaluation.measures import EvalResult


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
        frame_size: `(H, W)` at which the policy saw frames, and the report shows them.
        examples: how many example episodes to show, at most.
        only: the report keys of the items that the headline is about, e.g. `{"tier": "core"}`: of
            the first table, the differences and the charts. Other values of these keys get a table
            of their own. Empty: everything together.
    """

    title: str
    about: Mapping[str, str]
    results: Mapping[str, EvalResult]
    before: str | None = None
    after: str | None = None
    direct: str | None = None
    metrics: Sequence[Mapping[str, Any]] = field(default_factory=list)
    frame_size: tuple[int, int] = (224, 224)
    examples: int = 12
    only: Mapping[str, str] = field(default_factory=dict)
    beside: Sequence[str] = ()

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

    def headline(self, result: EvalResult) -> EvalResult:
        """Return the part of a result that the headline is about."""
        return result.only(self.only)
