"""Laws of `benchmarks.robustness.isolated`: a crash, a hang, an error are faults of a case."""

from __future__ import annotations

import os
import time

from benchmarks.robustness.isolated import run_isolated
from benchmarks.robustness.outcome import Outcome


def attempt(case: str) -> tuple[str, str]:
    match case:
        case "die":
            os.kill(os.getpid(), 11)
        case "hang":
            time.sleep(60)
        case "raise":
            raise ValueError("of the case")
        case "hoard":
            return "kept", str(len(bytearray(1 << 30)))
    return "fine", ""


def test_each_case_ends_alone() -> None:
    cases = ["fine", "die", "fine", "hang", "raise", "hoard", "fine"]
    outcome = run_isolated(attempt, cases, seconds=2.0, memory=1 << 28)
    assert outcome.ends == {"fine": 3, "died": 1, "hung": 1, "raised": 2}
    assert [fault.split(":")[0] for fault in outcome.faults] == [
        "'die'",
        "'hang'",
        "'raise'",
        "'hoard'",
    ]
    assert "-11" in outcome.faults[0] and "MemoryError" in outcome.faults[3]


def test_outcomes_add_up() -> None:
    one, other = Outcome(), Outcome()
    one.add("served")
    other.add("served", fault="wrong frame")
    one.merge(other)
    assert (one.tries, one.ends["served"], one.faults) == (2, 2, ["wrong frame"])
