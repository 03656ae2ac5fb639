"""Scores of benchmarks that ask where: CG-Bench, NExT-GQA, Charades-STA.

What an answer claims are its evidence spans, or the stretch that it names (`answer_spans` of a
row). Where none can be read the IoU is 0, and the question stays in every mean.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from algos.evaluation.cluster_intervals import MIN_CLUSTERS, Floats, cluster_sums
from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import (
    Estimate,
    bounded_estimate,
    bounded_interval,
    share_estimate,
)
from algos.metrics.rule_score import RuleLine, RuleScore, accuracy_of, judged, left_out
from algos.metrics.spans import best_match, iou

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
"""IoU thresholds of CG-Bench, over which acc@IoU and rec@IoU are means."""
MOST_SPANS = 5
"""An answer of more spans is none to CG-Bench, as its prompt says."""
_RECALL_AT = (0.3, 0.5, 0.7)
_CLAIMS = "A stretch that is not claimed, or cannot be read, has IoU 0."


def cg_bench_score(
    episodes: Sequence[EpisodeResult], clue: Sequence[EpisodeResult] = ()
) -> RuleScore:
    """Return the six figures of CG-Bench.

    long_acc: accuracy. clue_acc: accuracy of the same policy shown the clues alone. CRR =
    min(long_acc, clue_acc) / clue_acc. mIoU: mean IoU of the claimed spans with the clues, both as
    unions. rec@IoU: share of IoU above t, acc@IoU: and answered rightly; means over t = .1, .2, .3,
    .4, .5. Source: Chen et al., "CG-Bench", ICLR 2025, section 3.3, and VLMEvalKit's
    `vlmeval/dataset/utils/cgbench.py`, which leaves unreadable stretches out.

    Args:
        episodes: of the policy.
        clue: of the same policy on the clues alone, the control `oracle`; empty: not played.
    """
    known = [e for e in judged(episodes) if e.evidence]
    overlaps = [_cg_iou(e) for e in known]
    right = [bool(e.correct) for e in known]
    videos = [e.video for e in known]
    both = [ok * _above(x) for ok, x in zip(right, overlaps, strict=True)]
    lines = [
        RuleLine("long_acc", accuracy_of(episodes)),
        RuleLine("clue_acc", accuracy_of(clue)),
        RuleLine("CRR", recovery_rate(episodes, clue)),
        RuleLine("acc@IoU", bounded_estimate(both, videos)),
        RuleLine("rec@IoU", bounded_estimate([_above(x) for x in overlaps], videos)),
        RuleLine("mIoU", bounded_estimate(overlaps, videos)),
    ]
    about = [f"{_CLAIMS} More than {MOST_SPANS} spans are none."]
    if not clue:
        about.append("clue_acc and CRR need the control `oracle` beside it (`--controls oracle`).")
    return RuleScore("cg-bench", (*about, *left_out(episodes)), tuple(lines))


def _cg_iou(e: EpisodeResult) -> float:
    claimed = e.answer_spans or ()
    return iou(claimed, e.evidence) if len(claimed) <= MOST_SPANS else 0.0


def _above(overlap: float) -> float:
    """Return the share of the thresholds that an IoU is above."""
    return sum(overlap > t for t in THRESHOLDS) / len(THRESHOLDS)


def recovery_rate(episodes: Sequence[EpisodeResult], clue: Sequence[EpisodeResult]) -> Estimate:
    """Return CRR, the clue recovery rate: min(long, clue) / clue of two accuracies."""
    ours, shown = judged(episodes), judged(clue)
    if not ours or not shown:
        return Estimate(None, None, len(ours))
    cells = [(float(bool(e.correct)), 1.0, 0.0, 0.0) for e in ours]
    cells += [(0.0, 0.0, float(bool(e.correct)), 1.0) for e in shown]
    videos = [e.video for e in (*ours, *shown)]
    parts = np.stack([cluster_sums(list(column), videos)[0] for column in zip(*cells, strict=True)])
    rate = float(_rates(parts.sum(1)))
    if np.isnan(rate):
        return Estimate(None, None, len(ours))
    without = _rates(parts.sum(1)[:, None] - parts)
    if parts.shape[1] < MIN_CLUSTERS or np.isnan(without).any():
        return Estimate(rate, None, len(ours))
    return Estimate(rate, bounded_interval(rate, without, len(ours)), len(ours))


def _rates(parts: Floats) -> Floats:
    """Return CRR of sums `(4, ...)`: right and asked, of the policy and on the clues; or NaN."""
    right, asked, clue_right, clue_asked = parts
    defined = (asked > 0) & (clue_right > 0)
    long = right / np.maximum(asked, 1.0)
    shown = clue_right / np.maximum(clue_asked, 1.0)
    ratio = np.minimum(long, shown) / np.where(shown > 0, shown, 1.0)
    return np.asarray(np.where(defined, ratio, np.nan), np.float64)


def next_gqa_score(episodes: Sequence[EpisodeResult]) -> RuleScore:
    """Return the figures of NExT-GQA, over the questions whose stretch is known.

    Of several gold stretches, the one that the claimed stretch has the largest IoU, or IoP, with
    counts. Acc@GQA: answered rightly and IoP >= .5. Source: Xiao et al., "Can I Trust Your
    Answer?", CVPR 2024, section 5.1, and its `code/TempGQA/eval_ground.py`.
    """
    known = [e for e in judged(episodes) if e.evidence]
    videos = [e.video for e in known]
    pairs = [best_match(e.answer_spans or (), e.evidence) for e in known]
    grounded = [p >= 0.5 for _, p in pairs]
    right = [bool(e.correct) for e in known]
    lines = (
        RuleLine(
            "Acc@GQA",
            share_estimate([a and b for a, b in zip(right, grounded, strict=True)], videos),
        ),
        RuleLine("Acc@QA", accuracy_of(episodes)),
        RuleLine("mIoP", bounded_estimate([p for _, p in pairs], videos)),
        RuleLine("IoP@0.5", share_estimate(grounded, videos)),
        RuleLine("mIoU", bounded_estimate([i for i, _ in pairs], videos)),
        RuleLine("IoU@0.5", share_estimate([i >= 0.5 for i, _ in pairs], videos)),
    )
    return RuleScore("next-gqa", (_CLAIMS, *left_out(episodes)), lines)


def charades_score(episodes: Sequence[EpisodeResult]) -> RuleScore:
    """Return R@1 at IoU .3, .5 and .7, and the mean IoU, of the first stretch that is claimed.

    An answer that names no stretch has IoU 0 and stays in. Source: Gao et al., "TALL", ICCV 2017,
    section 5.1.
    """
    known = [e for e in episodes if e.error is None and e.evidence]
    videos = [e.video for e in known]
    overlaps = [iou((e.answer_spans or ())[:1], e.evidence) for e in known]
    lines = [
        RuleLine(f"R@1, IoU={at}", share_estimate([x >= at for x in overlaps], videos))
        for at in _RECALL_AT
    ]
    lines.append(RuleLine("mIoU", bounded_estimate(overlaps, videos)))
    failed = sum(e.error is not None for e in episodes)
    about = (_CLAIMS, *([f"{failed} failed, which are in no figure."] if failed else []))
    return RuleScore("charades-sta", about, tuple(lines))
