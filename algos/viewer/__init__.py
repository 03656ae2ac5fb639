"""The page of a run: every question on its video's own time axis, in one file.

May not: compute a measure (`evaluation/` and `metrics/` do), or play anything.

Read in this order: `view_data` (what a page shows, whoever it comes from); `page/` (the page
itself), `pictures/` (the frames on it), `run_sections/` (what the run view draws in advance),
`writing/` (the file), `serving/` (the page over HTTP).
"""
