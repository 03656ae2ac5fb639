"""The page of a run, looked at in a browser: pictures of it for the documentation.

May not: change the page. What it draws belongs to `algos.viewer`.

The module: `screenshots` (`python -m benchmarks.viewer.screenshots RUN`).
"""
