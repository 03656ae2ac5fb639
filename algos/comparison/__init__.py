"""Two runs against each other, question by question, from their rows alone. No torch.

May not: read a trajectory, play, or draw.

Read in this order: `compared_runs` (what is compared), `paired_tests` (McNemar and Holm),
`outcome_costs` (right or wrong by cheaper or dearer), `manifest_differences` (why a number is not
the other), `comparing` (all of it), `comparison_tables` (for the terminal).
"""

from algos.comparison.compared_runs import ComparedRun, ComparisonError, read_run
from algos.comparison.comparing import Comparison, PairedGroup, compare
from algos.comparison.comparison_tables import comparison_json, comparison_text
from algos.comparison.paired_tests import holm, mcnemar_exact

__all__ = [
    "ComparedRun",
    "Comparison",
    "ComparisonError",
    "PairedGroup",
    "compare",
    "comparison_json",
    "comparison_text",
    "holm",
    "mcnemar_exact",
    "read_run",
]
