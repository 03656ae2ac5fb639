"""Whether a right answer rests on what was seen: evidence, from the frames really shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import (
    Estimate,
    bounded_estimate,
    mean_estimate,
    share_estimate,
)


@dataclass(frozen=True)
class Evidence:
    """What was shown of the gold spans, over the questions that have any.

    Attributes:
        hit_rate: share of episodes that were shown a frame inside a gold span.
        recall: mean share of the gold spans that a shown frame lies in.
        precision: mean share of the shown frames that lie in a gold span.
        hit_turn: first turn that showed a frame of it, 0 for the overview; of those that did.
        grounded: share of judged answers that are right, and whose episode saw the evidence.
        lucky: share of judged answers that are right without it.
        counts: judged answers: (right and seen, right and not, wrong and seen, wrong and not).
    """

    hit_rate: Estimate
    recall: Estimate
    precision: Estimate
    hit_turn: Estimate
    grounded: Estimate
    lucky: Estimate
    counts: tuple[int, int, int, int]


def evidence_of(episodes: Sequence[EpisodeResult]) -> Evidence:
    """Return what some episodes saw of their evidence.

    Where frames are not counted, for a policy that was sent the whole video, nothing is known.
    """
    known = [e for e in episodes if e.error is None and e.evidence_seen is not None]
    videos = [e.video for e in known]
    answers = [e for e in known if e.correct is not None]
    pairs = [(bool(e.correct), bool(e.evidence_seen)) for e in answers]
    of_answers = [e.video for e in answers]
    exact = [e for e in known if e.evidence_precision is not None]
    hit = [e for e in known if e.hit_turn is not None]
    right_seen, right_not, wrong_seen, wrong_not = (
        pairs.count(pair) for pair in ((True, True), (True, False), (False, True), (False, False))
    )
    return Evidence(
        hit_rate=share_estimate([bool(e.evidence_seen) for e in known], videos),
        recall=bounded_estimate([e.evidence_recall or 0.0 for e in known], videos),
        precision=bounded_estimate(
            [e.evidence_precision or 0.0 for e in exact], [e.video for e in exact]
        ),
        hit_turn=mean_estimate([float(e.hit_turn or 0) for e in hit], [e.video for e in hit]),
        grounded=share_estimate([right and seen for right, seen in pairs], of_answers),
        lucky=share_estimate([right and not seen for right, seen in pairs], of_answers),
        counts=(right_seen, right_not, wrong_seen, wrong_not),
    )
