"""Decomposition of a gain in accuracy: what came from routing, and what from skill.

An agent can become better because it answers other questions at once than before (routing), or
because it answers better what it treats as before (skill). With the share p of the questions that
take a route and the accuracy a on it, before and after (primed), accuracy is the sum of p a over
the routes, and

    gain = sum (p' - p) (a + a') / 2  +  sum (p + p') / 2 (a' - a) = routing + skill

holds exactly: the symmetric decomposition of a difference of rates (Kitagawa, "Components of a
Difference Between Two Rates", J. Am. Stat. Assoc. 50, 1955; also Oaxaca-Blinder). (The analysis of
the SAGE paper's released runs changes one factor at a time, which leaves a rest.)

Worked example: one turn is taken by 20 % of the questions before and 60 % after, with accuracies .5
and .6 on it, and .8 and .8 on more turns. Accuracy goes from .74 to .68, a gain of -.06. Routing is
.4 * .55 - .4 * .8 = -.10, skill is .4 * .1 + .6 * 0 = .04.

What it cannot separate is selection: a route looks more accurate when its hard
questions leave it. The table of moves is free of that: it follows each question from its route
before to its route after, and what the moves contribute adds up to the gain as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from algos.evaluation.cluster_intervals import (
    MIN_CLUSTERS,
    Floats,
    Interval,
    interval_of_parts,
)
from algos.evaluation.measures import paired
from algos.evaluation.row_results import EpisodeResult

ROUTES = ("one turn", "more turns")


@dataclass(frozen=True)
class GainPart:
    """A part of the gain in accuracy with its 95 % interval; `None` with fewer than five videos."""

    name: str
    mean: float
    interval: Interval


@dataclass(frozen=True)
class Move:
    """The questions that took one route before and one after.

    Attributes:
        before: route before, of `ROUTES`.
        after: route after.
        questions: how many.
        accuracy_before: of these questions; `None` where there are none.
        accuracy_after: of the same questions.
        gain: what they contribute to the gain over all questions.
    """

    before: str
    after: str
    questions: int
    accuracy_before: float | None
    accuracy_after: float | None
    gain: float


@dataclass(frozen=True)
class Decomposition:
    """The gain over the questions that both runs were judged on, taken apart twice.

    Attributes:
        questions: how many.
        parts: the gain, then routing and skill, which add up to it.
        moves: every pair of routes; their gains add up to the gain.
    """

    questions: int
    parts: tuple[GainPart, GainPart, GainPart]
    moves: tuple[Move, ...]


def decompose(
    after: Sequence[EpisodeResult], before: Sequence[EpisodeResult]
) -> Decomposition | None:
    """Take the gain in accuracy apart; `None` when the runs share no judged question.

    A route that one run never took has the accuracy that the other had on it: all of its part of
    the gain is routing.

    Raises:
        ValueError: if a question stands twice in one of the runs.
    """
    pairs = [(was, now) for now, was in paired(after, before)]
    if not pairs:
        return None
    cells = _cells(pairs)
    means = _parts(cells.sum(0, keepdims=True))[:, 0]
    intervals: list[Interval] = [None] * 3
    videos = {name: k for k, name in enumerate(dict.fromkeys(now.video for _, now in pairs))}
    if len(videos) >= MIN_CLUSTERS:
        of_video = np.zeros((len(videos), cells.shape[1]))
        np.add.at(of_video, [videos[now.video] for _, now in pairs], cells)
        without = _parts(cells.sum(0) - of_video)
        intervals = [
            interval_of_parts(float(mean), row, len(pairs))
            for mean, row in zip(means, without, strict=True)
        ]
    names = ("gain", "routing", "skill")
    gain, routing, skill = (
        GainPart(name, float(mean), interval)
        for name, mean, interval in zip(names, means, intervals, strict=True)
    )
    return Decomposition(len(pairs), (gain, routing, skill), _moves(pairs))


def _route(episode: EpisodeResult) -> int:
    return 0 if episode.turns <= 1 else 1


def _cells(pairs: Sequence[tuple[EpisodeResult, EpisodeResult]]) -> Floats:
    """Return float64 `(questions, 8)`: (before, after) x route x (taken, taken and right)."""
    cells = np.zeros((len(pairs), 2, 2, 2))
    for k, pair in enumerate(pairs):
        for side, episode in enumerate(pair):
            cells[k, side, _route(episode)] = (1.0, float(bool(episode.correct)))
    return cells.reshape(len(pairs), 8)


def _parts(sums: Floats) -> Floats:
    """Return gain, routing and skill, float64 `(3, N)`, of N sums of cells `(N, 8)`.

    A route that one side never took gets the accuracy of the other side on it.
    """
    taken, right = np.moveaxis(sums.reshape(-1, 2, 2, 2), -1, 0)  # (N, side, route) each
    share = taken / taken.sum(-1, keepdims=True)
    accuracy = np.divide(right, taken, out=np.full_like(right, np.nan), where=taken > 0)
    accuracy = np.where(np.isnan(accuracy), accuracy[:, ::-1], accuracy)
    accuracy = np.nan_to_num(accuracy)  # a route taken on neither side has no share either
    (p, p_after), (a, a_after) = (np.moveaxis(x, 1, 0) for x in (share, accuracy))
    routing = ((p_after - p) * (a + a_after) / 2).sum(-1)
    skill = ((p + p_after) / 2 * (a_after - a)).sum(-1)
    return np.stack([routing + skill, routing, skill])


def _moves(pairs: Sequence[tuple[EpisodeResult, EpisodeResult]]) -> tuple[Move, ...]:
    moves = []
    for first, name in enumerate(ROUTES):
        for second, name_after in enumerate(ROUTES):
            moved = [
                (float(bool(was.correct)), float(bool(now.correct)))
                for was, now in pairs
                if (_route(was), _route(now)) == (first, second)
            ]
            count = len(moved)
            was, now = (float(x) for x in np.array(moved).reshape(-1, 2).sum(0))
            moves.append(
                Move(
                    name,
                    name_after,
                    count,
                    was / count if count else None,
                    now / count if count else None,
                    (now - was) / len(pairs),
                )
            )
    return tuple(moves)
