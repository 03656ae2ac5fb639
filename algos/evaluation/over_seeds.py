"""The gain of a method over several seeds: its mean, and an interval over seeds and videos."""

from __future__ import annotations

from collections.abc import Sequence

from algos.evaluation.cluster_intervals import seeds_interval
from algos.evaluation.measures import Difference, paired
from algos.evaluation.row_results import EpisodeResult


def difference_over_seeds(
    runs: Sequence[tuple[Sequence[EpisodeResult], Sequence[EpisodeResult]]],
) -> Difference:
    """Return by how much runs are more accurate than what each is compared with.

    Args:
        runs: `(ours, theirs)` of each seed, about the same questions.

    Returns:
        the number of pairs, their mean difference, and its interval over seeds and videos: `None`
        with fewer than three seeds or five videos.

    Raises:
        ValueError: if a question stands twice in one run.
    """
    gaps: list[float] = []
    videos: list[str] = []
    seeds: list[int] = []
    for seed, (ours, theirs) in enumerate(runs):
        for a, b in paired(ours, theirs):
            gaps.append(float(bool(a.correct)) - float(bool(b.correct)))
            videos.append(a.video)
            seeds.append(seed)
    mean = sum(gaps) / len(gaps) if gaps else None
    return Difference(len(gaps), mean, seeds_interval(gaps, videos, seeds))
