"""From trajectories to numbers: measures, bootstrap intervals, where a gain comes from. No torch.

May not: draw or write HTML; `report/` does.

Read in this order: `measures` (an episode's result, accuracy by group), `bootstrap` (cluster
bootstrap by video), `decomposition` (routing and skill), `tables` (plain text),
`sample_rows` (one flat row per question).
"""

from algos.evaluation.bootstrap import cluster_bootstrap_interval
from algos.evaluation.decomposition import Decomposition, decompose
from algos.evaluation.measures import (
    Difference,
    EpisodeResult,
    EvalResult,
    MeasureRow,
    Measures,
    difference,
    evaluate,
    measure,
)

__all__ = [
    "Decomposition",
    "Difference",
    "EpisodeResult",
    "EvalResult",
    "MeasureRow",
    "Measures",
    "cluster_bootstrap_interval",
    "decompose",
    "difference",
    "evaluate",
    "measure",
]
