"""What intervals cover, simulated: `python -m benchmarks.intervals` prints the table of the docs.

May not: decide what an interval is; `algos.metrics.estimates` and `algos.evaluation` do.

Read in this order: `populations` (videos and their questions, drawn), `coverage` (how often an
interval holds the truth).
"""
