"""The page of a run, looked at in a browser: pictures of it for the documentation, and its cost.

May not: change the page. What it draws belongs to `algos.viewer`.

Read in this order: `screenshots` (`python -m benchmarks.viewer.screenshots RUN`), `page_blocks`
(what a page holds), `in_browser` (how it does there), `page_cost`
(`python -m benchmarks.viewer.page_cost RUN`).
"""
