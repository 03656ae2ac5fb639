"""The page of a run: every question on its video's own time axis, in one file.

May not: compute a measure (`evaluation/` and `metrics/` do), or play anything.

Read in this order: `view_data` (what a page shows, whoever it comes from), `token_views` (recorded
tokens as the page reads them), `changed_views` (a run with less in it); `reading/` and `foreign/`
(runs and others' traces), `page/` (the page itself), `pictures/` (the frames on it),
`run_sections/`, `writing/` (the file), `serving/` (while a run is going), `sharing/` (others'
formats).
"""
