"""One evaluation of several entries: policies, their controls, a ladder of budgets, repeats.

May not: measure or draw; `evaluation/` and `report/` do, from the rows that are written here.

Read in this order: `entries` (what one line of the table is).
"""

from algos.suite.entries import Control, Entry, planned

__all__ = ["Control", "Entry", "planned"]
