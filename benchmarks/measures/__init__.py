"""Whether measures can be relied on: what intervals cover, and 100,000 rows in how long.

May not: decide what a measure or an interval is; `algos.metrics` and `algos.evaluation` do.

Read in this order: `populations` (videos and their questions, drawn), `coverage` (how often an
interval holds the truth; `python -m benchmarks.measures` prints the table of the docs),
`many_rows` (from a file of rows to all tables and sections: seconds and memory).
"""
