"""From trajectories to numbers: measures, intervals over videos, where a gain comes from. No torch.

May not: draw or write HTML; `report/` does.

Read in this order: `groups` (report keys), `sample_rows` (one flat row per question), `row_results`
(the result of a question, from its row), `row_types` (what a stored row may hold), `columns` (many
results as arrays), `measures` (accuracy by group), `outcomes` (mean reward, what failed),
`cluster_intervals` (by video, with `quantiles`), `over_seeds` (several runs), `decomposition`
(routing and skill), `tables` (plain text), `validation_table` (a run's validations).
"""

from algos.evaluation.cluster_intervals import (
    difference_interval,
    proportion_interval,
    seeds_interval,
)
from algos.evaluation.decomposition import Decomposition, decompose
from algos.evaluation.measures import (
    Difference,
    EvalResult,
    MeasureRow,
    Measures,
    difference,
    evaluate,
    measure,
)
from algos.evaluation.over_seeds import difference_over_seeds
from algos.evaluation.row_results import EpisodeResult

__all__ = [
    "Decomposition",
    "Difference",
    "EpisodeResult",
    "EvalResult",
    "MeasureRow",
    "Measures",
    "decompose",
    "difference",
    "difference_interval",
    "difference_over_seeds",
    "evaluate",
    "measure",
    "proportion_interval",
    "seeds_interval",
]
