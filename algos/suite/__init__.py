"""One evaluation of several entries: policies, their controls, a ladder of budgets, repeats.

May not: measure or draw; `evaluation/` and `report/` do, from the rows that are written here.

Read in this order: `entries` (what one line of the table is), `question_changes` and `controls`
(floors and ceilings), `question_choice` (limit, ids, shards), `dataset_questions` (what is asked,
and whose video is there), `manifest_settings` (what a number depends on), `estimating` (what it
takes), `playing_entries` (one entry), `joining` (the table), `evaluating` (all of it), `merging`
(shards).
"""

from algos.suite.entries import Control, Entry, planned
from algos.suite.evaluating import evaluate_entries

__all__ = ["Control", "Entry", "evaluate_entries", "planned"]
