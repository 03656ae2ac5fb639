"""The files of a run, and what happens to them: folder, checkpoints, metrics, trackers, signals.

May not: know what is trained; it stores what it is given.

Read in this order: `run_folder` (which file is where), `checkpoint` (whole or not at all),
`metrics` (one line per update), `tracking` (copies of the metrics on a dashboard), `stopping`
(SIGTERM and Ctrl-C end a run at a safe point).
"""
