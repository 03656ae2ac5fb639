"""Videos and their questions, drawn from populations whose figures are known.

A video has a difficulty of its own, so that its questions are alike: its share of right answers is
drawn from a beta distribution whose intra-class correlation is `ALIKE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import (
    Estimate,
    bounded_estimate,
    gap_estimate,
    mean_estimate,
    ratio_estimate,
    share_estimate,
    slope_estimate,
    task_mean_estimate,
)
from algos.metrics.grounding_rules import recovery_rate
from algos.metrics.group_scores import relevance_score

ALIKE = 0.3
"""Correlation of two questions about one video: an assumption. The more alike, the harder for an
interval."""
TASKS = 5
Draw = Callable[[np.random.Generator, int, float], Estimate]
"""From a generator, the number of videos, and the share of right answers: the figure of a draw."""


def _sizes(rng: np.random.Generator, videos: int) -> list[int]:
    return [int(n) for n in rng.integers(3, 12, videos)]


def _shares(rng: np.random.Generator, videos: int, right: float) -> list[float]:
    weight = 1 / ALIKE - 1
    return [float(p) for p in rng.beta(right * weight, (1 - right) * weight, videos)]


def _questions(rng: np.random.Generator, videos: int, right: float) -> tuple[list[bool], list[int]]:
    """Return verdicts, and the video of each."""
    pairs = zip(_sizes(rng, videos), _shares(rng, videos, right), strict=True)
    verdicts = [(bool(ok), k) for k, (n, p) in enumerate(pairs) for ok in rng.random(n) < p]
    return [ok for ok, _ in verdicts], [k for _, k in verdicts]


def accuracy(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw an accuracy; its truth is `right`."""
    return share_estimate(*_questions(rng, videos, right))


def difference(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw a paired difference: a tenth of the questions is lost, and of the wrong ones some won.

    Its truth is `(1 - right) / 5 - right / 10`.
    """
    before, clusters = _questions(rng, videos, right)
    gaps = [-float(rng.random() < 0.1) if was else float(rng.random() < 0.2) for was in before]
    return gap_estimate(gaps, clusters)


def overlap(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw a mean IoU: 0, or from a beta distribution of mean .4. Its truth is `right * .4`."""
    found, clusters = _questions(rng, videos, right)
    values = [float(rng.beta(2, 3)) if hit else 0.0 for hit in found]
    return bounded_estimate(values, clusters)


def group_score(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw a score of Video-MME-v2: one group of four questions for each video."""
    shares = _shares(rng, videos, right)
    scores = [relevance_score([bool(ok) for ok in rng.random(4) < p]) for p in shares]
    return bounded_estimate(scores, list(range(videos)))


def task_mean(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw a mean over tasks of which some have four times the questions; its truth is `right`."""
    verdicts, clusters = _questions(rng, videos, right)
    weights = np.array([4.0, 4.0, 2.0, 1.0, 1.0])
    tasks = rng.choice(TASKS, len(verdicts), p=weights / weights.sum())
    return task_mean_estimate([float(ok) for ok in verdicts], [str(t) for t in tasks], clusters)


def recovery(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw CRR; on the clues half of the wrong ones is right. Truth: `2 right / (1 + right)`."""
    verdicts, clusters = _questions(rng, videos, right)
    ours = [
        _result(k, video, ok) for k, (ok, video) in enumerate(zip(verdicts, clusters, strict=True))
    ]
    clue = [_result(k, video, ok or bool(rng.random() < 0.5))
            for k, (ok, video) in enumerate(zip(verdicts, clusters, strict=True))]  # fmt: skip
    return recovery_rate(ours, clue)


def _result(number: int, video: int, right: bool) -> EpisodeResult:
    return EpisodeResult(str(number), str(video), None, {}, right, None, 1, None, None)


def frames_per_right(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw frames per right answer, of 20 frames on average; its truth is `20 / right`."""
    verdicts, clusters = _questions(rng, videos, right)
    each = rng.lognormal(np.log(20) - 0.08, 0.4, videos)
    frames = [float(each[video]) for video in clusters]
    return ratio_estimate(frames, [float(ok) for ok in verdicts], clusters)


def turns(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw mean turns: 1, and 1 more as long as it is not right. Its truth is near `1 / right`."""
    sizes = _sizes(rng, videos)
    clusters = [k for k, n in enumerate(sizes) for _ in range(n)]
    return mean_estimate([float(rng.geometric(right)) for _ in clusters], clusters)


def slope(rng: np.random.Generator, videos: int, right: float) -> Estimate:
    """Draw turns per doubling of the length; its truth is `right`."""
    lengths, offsets = rng.uniform(5, 12, videos), rng.normal(0, 1, videos)
    clusters = [k for k, n in enumerate(_sizes(rng, videos)) for _ in range(n)]
    axis = [float(lengths[k]) for k in clusters]
    values = [right * float(lengths[k]) + float(offsets[k] + rng.normal(0, 1)) for k in clusters]
    return slope_estimate(axis, values, clusters)


def _group_truth(right: float) -> float:
    """Return the mean score of a group, exactly: the square of a beta-binomial share."""
    weight = 1 / ALIKE - 1
    second = right * (1 - right) / (weight + 1) + right**2  # mean of the squared share
    return (4 * right + 12 * second) / 16


FIGURES: Mapping[str, tuple[Draw, Callable[[float], float]]] = {
    "accuracy": (accuracy, lambda right: right),
    "difference": (difference, lambda right: (1 - right) / 5 - right / 10),
    "mean IoU": (overlap, lambda right: 0.4 * right),
    "group score of Video-MME-v2": (group_score, _group_truth),
    "mean over tasks (MLVU)": (task_mean, lambda right: right),
    "CRR (CG-Bench)": (recovery, lambda right: 2 * right / (1 + right)),
    "frames per right answer": (frames_per_right, lambda right: 20 / right),
    "mean turns": (turns, lambda right: 1 / right),
    "turns per doubling of length": (slope, lambda right: right),
}
"""Each figure, and its truth by the share of right answers."""
