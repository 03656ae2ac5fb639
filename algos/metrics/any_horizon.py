"""Whether a policy looks as often as it should: once where that is enough, longer where it is not.

An episode is *direct* when its first action is the answer. What it would have answered at once on
the questions that it looked at again is told by a second play of the same questions, the entry
DIRECT (the same policy, made to answer after one look).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log2

from algos.evaluation.measures import paired
from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import (
    NOTHING,
    Estimate,
    gap_estimate,
    mean_estimate,
    share_estimate,
    slope_estimate,
)
from algos.metrics.rule_score import accuracy_of, judged
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of


@dataclass(frozen=True)
class AnyHorizon:
    """How well a policy chooses when to stop. `None` means: nothing to tell it from.

    Attributes:
        direct_rate: share of direct episodes.
        direct_precision: accuracy of the direct episodes.
        iterate_accuracy: accuracy of the others.
        looking_gain: accuracy of the others, minus that of DIRECT on the same questions.
        routing_gap: accuracy if each question had the better of this play and DIRECT, minus that of
            this play.
        overthinking: turns after the first that showed evidence, in which something else was done
            than to answer; per episode that was shown any.
        overthinking_belief: turns taken although the belief before them was right already; per
            episode whose belief ever was.
        underthinking: share of episodes that answered before any evidence was shown, and wrongly;
            of those with known evidence.
        stop_regret: accuracy of answering from the belief at the best fixed turn, minus accuracy.
        best_turn: that turn, from 1.
        stop_gap: share whose belief was right at some turn, minus accuracy: what a stop chosen for
            each question could give.
        duration_slope: turns more per doubling of the video's length.
        needs_tools: by duration bucket, accuracy minus that of DIRECT on the same questions.
    """

    direct_rate: Estimate
    direct_precision: Estimate
    iterate_accuracy: Estimate
    looking_gain: Estimate
    routing_gap: Estimate
    overthinking: Estimate
    overthinking_belief: Estimate
    underthinking: Estimate
    stop_regret: Estimate
    best_turn: int | None
    stop_gap: Estimate
    duration_slope: Estimate
    needs_tools: Mapping[str, Estimate]


def any_horizon(
    episodes: Sequence[EpisodeResult], direct: Sequence[EpisodeResult] = ()
) -> AnyHorizon:
    """Return the measures of stopping.

    Args:
        episodes: of the policy.
        direct: of the same policy, made to answer after one look; empty: not played.

    Raises:
        ValueError: if a question stands twice in one of them.
    """
    played = [e for e in episodes if e.error is None]
    answered = [e for e in played if not e.missing]
    at_once = [e for e in answered if e.turns == 1]
    longer = [e for e in played if e.turns > 1]
    pairs = paired(episodes, direct)
    regret, best = stop_regret(judged(episodes))
    timed = [e for e in played if e.duration]
    return AnyHorizon(
        direct_rate=_share([e.turns == 1 for e in answered], answered),
        direct_precision=accuracy_of(at_once),
        iterate_accuracy=accuracy_of(longer),
        looking_gain=_gap([(a, b) for a, b in pairs if a.turns > 1]),
        routing_gap=_routing_gap(pairs),
        overthinking=_overthinking(played),
        overthinking_belief=_overthinking_belief(played),
        underthinking=_underthinking(judged(answered)),
        stop_regret=regret,
        best_turn=best,
        stop_gap=_stop_gap(judged(episodes)),
        duration_slope=slope_estimate(
            [log2(e.duration or 1) for e in timed],
            [float(e.turns) for e in timed],
            [e.video for e in timed],
        ),
        needs_tools={
            bucket: _gap([p for p in pairs if bucket_of(p[0].duration) == bucket])
            for bucket in BUCKETS
            if any(bucket_of(a.duration) == bucket for a, _ in pairs)
        },
    )


def _share(values: Sequence[bool], episodes: Sequence[EpisodeResult]) -> Estimate:
    return share_estimate(values, [e.video for e in episodes])


def _right(e: EpisodeResult) -> float:
    return float(bool(e.correct))


def _gap(pairs: Sequence[tuple[EpisodeResult, EpisodeResult]]) -> Estimate:
    return gap_estimate([_right(a) - _right(b) for a, b in pairs], [a.video for a, _ in pairs])


def _routing_gap(pairs: Sequence[tuple[EpisodeResult, EpisodeResult]]) -> Estimate:
    gains = [max(_right(a), _right(b)) - _right(a) for a, b in pairs]
    return gap_estimate(gains, [a.video for a, _ in pairs])


def _looks(e: EpisodeResult) -> int:
    """Return the turns in which something else was done than to answer."""
    return e.turns if e.missing else e.turns - 1


def _overthinking(played: Sequence[EpisodeResult]) -> Estimate:
    hit = [(e, e.hit_turn) for e in played if e.hit_turn is not None]
    return mean_estimate([float(_looks(e) - turn) for e, turn in hit], [e.video for e, _ in hit])


def _overthinking_belief(played: Sequence[EpisodeResult]) -> Estimate:
    found = [(e, belief_turn(e)) for e in played]
    known = [(e, turn) for e, turn in found if turn is not None]
    more = [float(max(0, _looks(e) - turn)) for e, turn in known]
    return mean_estimate(more, [e.video for e, _ in known])


def _underthinking(answered: Sequence[EpisodeResult]) -> Estimate:
    known = [e for e in answered if e.evidence_seen is not None]
    return _share([not e.evidence_seen and not e.correct for e in known], known)


def right_beliefs(e: EpisodeResult) -> list[bool] | None:
    """Return whether the likeliest choice was the right one before each turn; `None` if unknown.

    A turn without a belief has that of the turn before it; of two equally likely, the first counts.
    """
    if e.beliefs is None or e.gold_choice is None or not e.beliefs or e.beliefs[0] is None:
        return None
    found: list[bool] = []
    for belief in e.beliefs:
        top = None if belief is None else belief.index(max(belief))
        found.append(found[-1] if top is None else top == e.gold_choice)
    return found


def belief_turn(e: EpisodeResult) -> int | None:
    """Return how many turns were taken when the belief first was right; `None` if it never was."""
    found = right_beliefs(e)
    return found.index(True) if found and any(found) else None


def anytime_accuracy(episodes: Sequence[EpisodeResult]) -> list[float]:
    """Return the accuracy of answering from the belief before turn 1, 2, ...; [] without beliefs.

    An episode that had ended by a turn counts with its last belief.
    """
    known = [found for e in episodes if (found := right_beliefs(e))]
    most = max((len(found) for found in known), default=0)
    return [sum(f[min(turn, len(f) - 1)] for f in known) / len(known) for turn in range(most)]


def stop_regret(episodes: Sequence[EpisodeResult]) -> tuple[Estimate, int | None]:
    """Return the accuracy at the best fixed turn minus the accuracy, and that turn, from 1.

    Args:
        episodes: judged ones; those without beliefs are left out.
    """
    known = [(e, found) for e in episodes if (found := right_beliefs(e))]
    curve = anytime_accuracy([e for e, _ in known])
    if not curve:
        return NOTHING, None
    best = max(range(len(curve)), key=lambda turn: curve[turn])
    gains = [float(found[min(best, len(found) - 1)]) - _right(e) for e, found in known]
    return gap_estimate(gains, [e.video for e, _ in known]), best + 1


def _stop_gap(episodes: Sequence[EpisodeResult]) -> Estimate:
    known = [(e, found) for e in episodes if (found := right_beliefs(e))]
    gains = [float(any(found)) - _right(e) for e, found in known]
    return gap_estimate(gains, [e.video for e, _ in known])
