"""The bars that our reader is held to, and whether a run of the benchmark met them."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeGuard

from benchmarks.frame_access.cases import ClipCase
from benchmarks.frame_access.ours import (
    AUTO,
    CACHED,
    COPY,
    EXACT,
    HALF_STEP,
    OURS,
    PROXY,
    TOLERANT,
    TWO_THREADS,
)
from benchmarks.frame_access.peers import DECORD, FLOOR, KEYS_FLOOR, TORCHCODEC_EXACT
from benchmarks.frame_access.worker import Failed, Measured
from sage_env.video.video_file import open_video


@dataclass(frozen=True, eq=False)
class CaseRounds:
    """What the rounds of one case gave.

    Attributes:
        case: the case.
        rounds: what each contestant's rounds gave.
    """

    case: ClipCase
    rounds: Mapping[str, list[Measured | Failed]] = field(default_factory=dict)

    def cpu_ms(self, contestant: str) -> float | None:
        """Return the median processor time in ms; `None` where nothing was measured."""
        times = [m.cpu_ms for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return statistics.median(times) if times else None

    def wall_ms(self, contestant: str) -> float | None:
        """Return the median time that passed in ms; `None` where nothing was measured."""
        times = [m.wall_ms for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return statistics.median(times) if times else None

    def ratio(self, over: str, under: str, *, wall: bool = False) -> float | None:
        """Return the median over turns of one contestant's time by another's in the same turn.

        A machine that is shared gets slower and faster by a quarter within seconds; what ran side
        by side was hit alike. Who took several turns a round counts with the median of them against
        who took one.
        """
        both = [
            [m.wall_ms if wall else m.cpu_ms for m in self.rounds.get(name, []) if _done(m)]
            for name in (over, under)
        ]
        turns = min(map(len, both))
        pairs = zip(*(_in_turns(times, turns) for times in both), strict=True)
        return statistics.median(a / b for a, b in pairs) if turns else None

    def best_ratio(self, over: str, under: str) -> float | None:
        """Return the least processor time of one contestant by another's: noise only adds."""
        least = [
            min(m.cpu_ms for m in done)
            for name in (over, under)
            if (done := [m for m in self.rounds.get(name, []) if _done(m)])
        ]
        return least[0] / least[1] if len(least) == 2 else None

    def wrong(self, contestant: str) -> int | None:
        """Return the wrong frames of the worst round; `None` where nothing was measured."""
        done = [m for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return max((self.case.wrong(contestant, m) for m in done), default=None)

    def failure(self, contestant: str) -> str | None:
        """Return why a round failed; `None` where none did."""
        reasons = [m.reason for m in self.rounds.get(contestant, []) if isinstance(m, Failed)]
        return reasons[0] if reasons else None


def _done(result: Measured | Failed) -> TypeGuard[Measured]:
    return isinstance(result, Measured)


def _in_turns(times: Sequence[float], count: int) -> list[float]:
    """Return so many medians of neighbouring times."""
    each = len(times) // max(count, 1)
    return [statistics.median(times[k * each : (k + 1) * each]) for k in range(count)]


@dataclass(frozen=True)
class Bar:
    """A ratio of two contestants' processor times in one case, and what it has to be.

    Attributes:
        case: how the names of the cases begin.
        over: the time that is divided.
        under: what it is divided by; "" for the number of frames (the ratio is then ms a frame).
        limit: of the ratio.
        at_most: the limit is an upper one.
        wall: it is the time that passed.
    """

    case: str
    over: str
    under: str
    limit: float
    at_most: bool = False
    wall: bool = False

    def __str__(self) -> str:
        """Say it."""
        sign, clock = "<=" if self.at_most else ">=", "wall" if self.wall else "CPU"
        under = self.under or "frame"
        unit = "ms" if not self.under else "x"
        return f"{self.case}: {clock} {self.over} / {under} {sign} {self.limit:g} {unit}"

    def measured(self, outcome: CaseRounds) -> float | None:
        """Return the ratio; `None` where one of them was not measured."""
        if self.under:
            return outcome.ratio(self.over, self.under, wall=self.wall)
        spent = outcome.wall_ms(self.over) if self.wall else outcome.cpu_ms(self.over)
        return None if spent is None else spent / outcome.case.num_frames

    def met(self, ratio: float) -> bool:
        """Return whether a ratio is within the limit."""
        return ratio <= self.limit if self.at_most else ratio >= self.limit


BARS = (
    *(Bar(case, EXACT, FLOOR, 1.15, at_most=True) for case in ("16 uniform", "64 uniform")),
    Bar("zoom", EXACT, FLOOR, 1.2, at_most=True),
    Bar("windows", EXACT, FLOOR, 1.15, at_most=True),
    *(Bar(case, TORCHCODEC_EXACT, EXACT, 1.7) for case in ("16 uniform", "64 uniform")),
    Bar("zoom", TORCHCODEC_EXACT, EXACT, 1.6),
    *(Bar(case, DECORD, EXACT, 3.3) for case in ("16 uniform", "64 uniform")),
    Bar("zoom", DECORD, EXACT, 3.0),
    Bar("16 uniform", TORCHCODEC_EXACT, AUTO, 15.0),
    Bar("16 uniform", TORCHCODEC_EXACT, HALF_STEP, 15.0),
    Bar("64 uniform", TORCHCODEC_EXACT, AUTO, 15.0),
    Bar("64 uniform", TORCHCODEC_EXACT, HALF_STEP, 15.0),
    Bar("windows", CACHED, "", 0.05, at_most=True),
    Bar("windows", PROXY, "", 0.5, at_most=True),
    Bar("windows", EXACT, TWO_THREADS, 1.7, wall=True),
)
_MET, _NOT_MET = "met", "NOT MET"
VERDICT_HEADER = ("clip", "bar", "measured", "verdict")


def _verdict(bar: Bar, outcome: CaseRounds, ratio: float | None, free_cores: float) -> str:
    """Return whether a bar is met, and where it is not, what the most is that could be."""
    if ratio is None:
        return "not measured"
    if bar.met(ratio):
        return _MET
    if bar.wall:
        most = min(free_cores, _balance(outcome.case))
        return f"{_NOT_MET} (free cores and the longest job of each call leave {most:.2f} x)"
    if bar.over == CACHED and (copying := outcome.cpu_ms(COPY)) is not None:
        return f"{_NOT_MET} (copying alone: {copying / outcome.case.num_frames:.3g} ms)"
    best = outcome.best_ratio(bar.over, bar.under)
    best_turns = f"{_NOT_MET} (least of all turns: {best:.3g} x)" if best else _NOT_MET
    most = outcome.ratio(bar.over, KEYS_FLOOR if bar.under in TOLERANT else FLOOR)
    if bar.over in OURS or most is None:
        return best_turns
    return f"{_NOT_MET} (bare decoding of what must be: {most:.3g} x)"


def _balance(case: ClipCase) -> float:
    """Return how much faster two threads can be, if all packets cost the same.

    A group of pictures is decoded by one thread, and a call ends with its longest.
    """
    alone = together = 0.0
    with open_video(case.clip.path) as video:
        for call in case.calls:
            jobs = [job.packets for job in video.plan(call).jobs]
            alone += sum(jobs)
            together += max(*jobs, sum(jobs) / 2, 0)
    return alone / together


def verdicts(outcomes: Sequence[CaseRounds], free_cores: float) -> list[tuple[str, ...]]:
    """Return a row under `VERDICT_HEADER` for each bar and clip.

    Args:
        outcomes: of all cases, the short clips' included.
        free_cores: how much faster two threads were than one that had nothing to share.
    """
    rows = []
    for outcome in outcomes:
        for bar in BARS:
            if outcome.case.name.startswith(bar.case):
                ratio = bar.measured(outcome)
                shown = "-" if ratio is None else f"{ratio:.3g}"
                verdict = _verdict(bar, outcome, ratio, free_cores)
                rows.append((outcome.case.clip.recipe.name, str(bar), shown, verdict))
    wrong, failures = 0, 0
    for outcome in outcomes:
        for name in OURS:
            wrong += outcome.wrong(name) or 0
            failures += outcome.failure(name) is not None
    verdict = _NOT_MET if wrong or failures else _MET
    shown = f"{wrong} wrong, {failures} failures"
    return [*rows, ("all", "no wrong frame of ours, no failure", shown, verdict)]
