"""Whether a policy knows when it is right: its belief when it answered, against the truth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import Estimate, share_estimate
from algos.report.page import table
from algos.viewer.run_sections.drawing import label, note, numbers, scale, svg
from algos.viewer.run_sections.run_plays import RunPlays

BINS = 10
SIZE, _LEFT, _TOP, _BOTTOM = 320, 52, 12, 46


@dataclass(frozen=True)
class BeliefBin:
    """Episodes whose last belief in its likeliest choice lies in a tenth.

    Attributes:
        low, high: ends of it, the upper one of its own only in the last.
        belief: mean of the beliefs.
        right: share of them whose likeliest choice is the right one.
    """

    low: float
    high: float
    belief: float
    right: Estimate


def calibration_section(plays: RunPlays) -> str:
    """Return the picture and its numbers; "" where no beliefs are recorded."""
    bins = belief_bins(plays.lines[plays.shown].episodes)
    if not bins:
        return ""
    total = sum(one.right.questions for one in bins)
    lines = [
        (
            f"{one.low:.1f} to {one.high:.1f}",
            str(one.right.questions),
            f"{one.belief:.2f}",
            f"{one.right.mean or 0:.2f}{_ends(one.right.interval)}",
        )
        for one in bins
    ]
    header = ("belief", "questions", "mean belief", "share right")
    return (
        f"<figure>{_picture(bins)}{numbers(table('Belief and truth', header, lines))}</figure>"
        + note(
            f"{total} questions with choices: how likely the likeliest choice was to the policy "
            "when it answered, and how often that choice is right. On the dotted line it knows "
            f"what it knows. The mean distance from it, over questions, is {gap_of(bins):.3f}."
        )
    )


def belief_bins(episodes: Sequence[EpisodeResult]) -> list[BeliefBin]:
    """Return the bins that have questions, from the last belief of each."""
    found: dict[int, list[tuple[float, bool, str]]] = {}
    for e in episodes:
        beliefs = [belief for belief in e.beliefs or () if belief]
        if beliefs and e.gold_choice is not None and e.error is None:
            last = beliefs[-1]
            most = max(last)
            place = min(int(most * BINS), BINS - 1)
            found.setdefault(place, []).append((most, last.index(most) == e.gold_choice, e.video))
    return [
        BeliefBin(
            place / BINS,
            (place + 1) / BINS,
            sum(most for most, _, _ in rows) / len(rows),
            share_estimate([right for _, right, _ in rows], [video for *_, video in rows]),
        )
        for place, rows in sorted(found.items())
    ]


def gap_of(bins: Sequence[BeliefBin]) -> float:
    """Return the expected calibration error: the mean of |belief - share right| over questions.

    Source: Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", AAAI
    2015.
    """
    total = sum(one.right.questions for one in bins)
    gaps = (abs(one.belief - (one.right.mean or 0)) * one.right.questions for one in bins)
    return sum(gaps) / total


def _ends(interval: tuple[float, float] | None) -> str:
    return "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"


def _picture(bins: Sequence[BeliefBin]) -> str:
    at = scale(0.0, 1.0, _LEFT, SIZE - 16)
    up = scale(0.0, 1.0, SIZE - _BOTTOM, _TOP)
    parts = [f'<path class="reference" d="M{at(0):.1f} {up(0):.1f}L{at(1):.1f} {up(1):.1f}"/>']
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        parts.append(f'<path class="grid" d="M{at(0):.1f} {up(share):.1f}H{at(1):.1f}"/>')
        parts.append(label(at(0) - 6, up(share) + 4, f"{share:g}", "end"))
        parts.append(label(at(share), SIZE - _BOTTOM + 18, f"{share:g}"))
    for one in bins:
        x, y = at(one.belief), up(one.right.mean or 0)
        if one.right.interval:
            low, high = (up(end) for end in one.right.interval)
            parts.append(f'<path class="bar belief" d="M{x:.1f} {low:.1f}V{high:.1f}"/>')
        parts.append(f'<circle class="belief" cx="{x:.1f}" cy="{y:.1f}" r="4.5"/>')
    parts.append(label((at(0) + at(1)) / 2, SIZE - 8, "belief in the likeliest choice"))
    return svg("Share right against belief", SIZE, SIZE, "".join(parts), "chart square")
