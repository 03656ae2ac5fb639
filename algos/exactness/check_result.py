"""The result of one exactness check: metrics for the log, a verdict, the first offence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sage_env.errors import SageEnvError

Verdict = Literal["ok", "FAILED", "not measured"]


class ExactnessError(SageEnvError):
    """A run is not exact: what was sampled is not what is learned from, or not with its weights."""


@dataclass(frozen=True)
class CheckResult:
    """The result of one check.

    Attributes:
        name: what was checked, in a few words.
        measured: what was measured, for a table; "" when there was nothing to check.
        problem: the first offence with its context, a sentence; "" if there is none.
        metrics: the numbers by metric name; None where not measured.
    """

    name: str
    measured: str = ""
    problem: str = ""
    metrics: Mapping[str, float | None] = field(default_factory=dict)

    @property
    def verdict(self) -> Verdict:
        """Return `FAILED` if there is a problem, else `ok`, or `not measured` without a measure."""
        if self.problem:
            return "FAILED"
        return "ok" if self.measured else "not measured"


def require_all(results: Iterable[CheckResult]) -> dict[str, float | None]:
    """Return the metrics of all results, which are computed one by one.

    Raises:
        ExactnessError: with the problem of the first that failed; later checks do not run.
    """
    metrics: dict[str, float | None] = {}
    for result in results:
        if result.problem:
            raise ExactnessError(result.problem)
        metrics |= result.metrics
    return metrics
