"""Accuracy against frames: the curve of a policy over its budgets, the area under it, its rivals.

A curve is straight between its points over log2(frames), so that each doubling counts alike. Its
height anywhere, and the area under it, are weighted sums of the points' accuracies: a mean over
questions of one number per question, with an interval over videos as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log2

import numpy as np
from numpy.typing import NDArray

from algos.metrics.entry_lines import EntryLine, direct_frames
from algos.metrics.estimates import NOTHING, Estimate, bounded_estimate, gap_estimate
from algos.metrics.rule_score import accuracy_of, judged

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class BudgetPoint:
    """A policy at one budget, all repeats together.

    Attributes:
        budget: most frames that it may be shown.
        frames: mean frames that it was shown.
        accuracy: with its interval.
        right: by question, the share of its judged repeats that are right.
        videos: by question, its video.
    """

    budget: int
    frames: float
    accuracy: Estimate
    right: dict[str, float]
    videos: dict[str, str]


@dataclass(frozen=True, eq=False)
class BudgetCurve:
    """A policy over its budgets, by the frames that it was shown.

    Attributes:
        name: of the policy.
        direct: whether it answers after one look.
        points: at least two, of different mean frames, the fewest first.
    """

    name: str
    direct: bool
    points: Sequence[BudgetPoint]

    @property
    def ends(self) -> tuple[float, float]:
        """Return the frames of the first point and of the last."""
        return self.points[0].frames, self.points[-1].frames


def curves_of(lines: Sequence[EntryLine]) -> list[BudgetCurve]:
    """Return the curve of each policy that was played at two budgets or more, DIRECT's last."""
    plays: dict[tuple[bool, str], dict[int, list[EntryLine]]] = {}
    for line in lines:
        direct = direct_frames(line.policy)
        budget = direct[0] if direct else line.budget
        if line.control is None and budget is not None:
            name = (direct[1] or "uniform") if direct else line.policy
            plays.setdefault((direct is not None, name), {}).setdefault(budget, []).append(line)
    found = []
    for (direct_line, name), by_budget in plays.items():
        points = [point for b, same in by_budget.items() if (point := _point(b, same)) is not None]
        apart = {point.frames: point for point in sorted(points, key=lambda p: -p.budget)}
        if len(apart) > 1:
            found.append(BudgetCurve(name, direct_line, [apart[at] for at in sorted(apart)]))
    return sorted(found, key=lambda curve: curve.direct)


def _point(budget: int, lines: Sequence[EntryLine]) -> BudgetPoint | None:
    """Return the point of the repeats at one budget; `None` where frames are not counted."""
    frames = [line.frames for line in lines if line.frames]
    known = judged([e for line in lines for e in line.episodes])
    if not frames or not known:
        return None
    verdicts: dict[str, list[bool]] = {}
    for e in known:
        verdicts.setdefault(e.item_id, []).append(bool(e.correct))
    right = {name: sum(marks) / len(marks) for name, marks in verdicts.items()}
    videos = {e.item_id: e.video for e in known}
    return BudgetPoint(budget, sum(frames) / len(frames), accuracy_of(known), right, videos)


def common_range(curves: Sequence[BudgetCurve]) -> tuple[float, float] | None:
    """Return the frames that all curves reach over; `None` where there are none."""
    if not curves:
        return None
    least = max(curve.ends[0] for curve in curves)
    most = min(curve.ends[1] for curve in curves)
    return (least, most) if least < most else None


def area(curve: BudgetCurve, least: float, most: float) -> Estimate:
    """Return the mean height of a curve over log2(frames), over questions judged at all points.

    Args:
        curve: of a policy.
        least: frames where the range begins.
        most: where it ends, above `least`.
    """
    values = _heights(curve, least, most)
    return bounded_estimate(list(values.values()), [_video(curve, name) for name in values])


def area_gap(ours: BudgetCurve, theirs: BudgetCurve, least: float, most: float) -> Estimate:
    """Return by how much one area is larger, paired by question.

    Args:
        ours: the curve.
        theirs: the curve that it is compared with.
        least: frames where the range begins.
        most: where it ends, above `least`.
    """
    first, second = _heights(ours, least, most), _heights(theirs, least, most)
    names = [name for name in first if name in second]
    if not names:
        return NOTHING
    gaps = [first[name] - second[name] for name in names]
    return gap_estimate(gaps, [_video(ours, name) for name in names])


def _video(curve: BudgetCurve, name: str) -> str:
    return curve.points[0].videos[name]


def _heights(curve: BudgetCurve, least: float, most: float) -> dict[str, float]:
    """Return each question's share of the area, for those that all points have."""
    weights = area_weights([point.frames for point in curve.points], least, most)
    first, *others = (point.right for point in curve.points)
    return {
        name: float(weights @ [point.right[name] for point in curve.points])
        for name in first
        if all(name in right for right in others)
    }


def weights_at(frames: Sequence[float], at: float) -> Floats:
    """Return the weights with which points give a curve's height: float64 `(P,)`, of sum 1.

    Args:
        frames: of the P points, ascending.
        at: where; what lies beyond the ends has the height of the end.
    """
    axis = [log2(f) for f in frames]
    return np.array([np.interp(log2(at), axis, row) for row in np.eye(len(frames))])


def area_weights(frames: Sequence[float], least: float, most: float) -> Floats:
    """Return the weights with which points give the mean height of a curve: float64 `(P,)`.

    That is the area under it over log2(frames), from `least` to `most` frames, divided by the width
    of the range: the mean accuracy over budgets of which each doubling counts alike.

    Args:
        frames: of the P points, ascending.
        least: where the range begins.
        most: where it ends, above `least`.
    """
    cuts = sorted({least, most, *(f for f in frames if least < f < most)})
    total = np.zeros(len(frames))
    for left, right in zip(cuts, cuts[1:], strict=False):
        width = log2(right) - log2(left)
        total += width * (weights_at(frames, left) + weights_at(frames, right)) / 2
    found: Floats = total / (log2(most) - log2(least))
    return found


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Return which points no other beats: at most as dear, at least as right, and better in one.

    Args:
        points: cost and accuracy of each; of equal points, all count.
    """
    return [
        not any(
            cost <= own_cost and right >= own_right and (cost, right) != (own_cost, own_right)
            for cost, right in points
        )
        for own_cost, own_right in points
    ]
