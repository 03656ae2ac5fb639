"""Bars: ratios of processor times that our reader is held to, and whether a run met them."""

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
from benchmarks.timing import median_ratio
from sage_env.video.video_file import open_video


@dataclass(frozen=True, eq=False)
class CaseRounds:
    """All measurements of one case.

    Attributes:
        case: what was read.
        rounds: results by contestant, in the order of their turns.
    """

    case: ClipCase
    rounds: Mapping[str, list[Measured | Failed]] = field(default_factory=dict)

    def cpu_ms(self, contestant: str) -> float | None:
        """Return a contestant's median processor time in ms; `None` if it was not measured."""
        times = [m.cpu_ms for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return statistics.median(times) if times else None

    def wall_ms(self, contestant: str) -> float | None:
        """Return a contestant's median wall-clock time in ms; `None` if it was not measured."""
        times = [m.wall_ms for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return statistics.median(times) if times else None

    def ratio(self, over: str, under: str, *, wall: bool = False) -> float | None:
        """Return the median ratio of two contestants' times, turn by turn (`median_ratio`).

        A contestant that took several turns a round against one that took a single turn counts with
        the median of each round.

        Args:
            over: the contestant whose time is divided.
            under: the one that it is divided by.
            wall: compare wall-clock time instead of processor time.

        Returns:
            The ratio; `None` if one of them was not measured.
        """
        both = [
            [m.wall_ms if wall else m.cpu_ms for m in self.rounds.get(name, []) if _done(m)]
            for name in (over, under)
        ]
        turns = min(map(len, both))
        return median_ratio(*(_in_turns(times, turns) for times in both)) if turns else None

    def best_ratio(self, over: str, under: str) -> float | None:
        """Return the ratio of least processor times, since noise only adds; `None` as `ratio`."""
        least = [
            min(m.cpu_ms for m in done)
            for name in (over, under)
            if (done := [m for m in self.rounds.get(name, []) if _done(m)])
        ]
        return least[0] / least[1] if len(least) == 2 else None

    def wrong(self, contestant: str) -> int | None:
        """Return the wrong frames of the worst round; `None` if nothing was measured."""
        done = [m for m in self.rounds.get(contestant, []) if isinstance(m, Measured)]
        return max((self.case.wrong(contestant, m) for m in done), default=None)

    def failure(self, contestant: str) -> str | None:
        """Return why the first failed round failed; `None` if none did."""
        reasons = [m.reason for m in self.rounds.get(contestant, []) if isinstance(m, Failed)]
        return reasons[0] if reasons else None


def _done(result: Measured | Failed) -> TypeGuard[Measured]:
    return isinstance(result, Measured)


def _in_turns(times: Sequence[float], count: int) -> list[float]:
    """Return `count` medians of runs of neighbouring times: 1, 2, 9, 4 in two is 1.5, 6.5."""
    each = len(times) // max(count, 1)
    return [statistics.median(times[k * each : (k + 1) * each]) for k in range(count)]


@dataclass(frozen=True)
class Bar:
    """A ratio of two contestants' times in one case, and the limit that was set for it.

    Attributes:
        case: beginning of the names of the cases that it holds for.
        over: contestant whose time is divided.
        under: contestant that it is divided by; "" for the number of frames (the ratio is then in
            ms a frame).
        limit: of the ratio.
        at_most: the limit is an upper one, otherwise a lower one.
        wall: wall-clock time is compared instead of processor time.
    """

    case: str
    over: str
    under: str
    limit: float
    at_most: bool = False
    wall: bool = False

    def __str__(self) -> str:
        """Return the bar as its line in the table."""
        sign, clock = "<=" if self.at_most else ">=", "wall" if self.wall else "CPU"
        under = self.under or "frame"
        unit = "ms" if not self.under else "x"
        return f"{self.case}: {clock} {self.over} / {under} {sign} {self.limit:g} {unit}"

    def measured(self, outcome: CaseRounds) -> float | None:
        """Return the ratio of a case; `None` if one of the two was not measured."""
        if self.under:
            return outcome.ratio(self.over, self.under, wall=self.wall)
        spent = outcome.wall_ms(self.over) if self.wall else outcome.cpu_ms(self.over)
        return None if spent is None else spent / outcome.case.num_frames

    def met(self, ratio: float) -> bool:
        """Return whether a ratio is within the limit."""
        return ratio <= self.limit if self.at_most else ratio >= self.limit


# Set before the runs of reports/frame_access.md, and kept where a run missed them. To be set anew
# for another codec, other clips or another release of a peer.
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
    """Return "met", or "NOT MET" with a limit of what was possible, measured in the same run.

    Args:
        bar: that is judged.
        outcome: the case.
        ratio: what the bar measured.
        free_cores: how much faster two independent threads were than one.
    """
    if ratio is None:
        return "not measured"
    if bar.met(ratio):
        return _MET
    if bar.wall:
        most = min(free_cores, _balance(outcome.case))
        return f"{_NOT_MET} (free cores and the longest job of each call leave {most:.2f} x)"
    if bar.over == CACHED and (copying := outcome.cpu_ms(COPY)) is not None:
        return f"{_NOT_MET} (copying alone: {copying / outcome.case.num_frames:.3g} ms)"
    floor = outcome.ratio(bar.over, KEYS_FLOOR if bar.under in TOLERANT else FLOOR)
    if bar.over not in OURS and floor is not None:
        return f"{_NOT_MET} (bare decoding of what must be: {floor:.3g} x)"
    best = outcome.best_ratio(bar.over, bar.under)
    return f"{_NOT_MET} (least of all turns: {best:.3g} x)" if best else _NOT_MET


def _balance(case: ClipCase) -> float:
    """Return how much faster two threads can be than one, if every packet costs the same.

    One thread decodes a whole group of pictures, so a call takes at least its longest group. Groups
    of 6, 3 and 1 packets take two threads max(6, 10 / 2) = 6 instead of 10: 1.67 times faster.
    """
    alone = together = 0.0
    with open_video(case.clip.path) as video:
        for call in case.calls:
            groups = [job.packets for job in video.plan(call).jobs]
            alone += sum(groups)
            together += max(*groups, sum(groups) / 2, 0)
    return alone / together


def verdicts(outcomes: Sequence[CaseRounds], free_cores: float) -> list[tuple[str, ...]]:
    """Return a row under `VERDICT_HEADER` for each bar and clip.

    Args:
        outcomes: measurements of all cases, those of the short clips included.
        free_cores: how much faster two independent threads were than one: 2 on two idle cores.
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
