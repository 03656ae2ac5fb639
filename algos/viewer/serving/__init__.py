"""The page of a run over HTTP on this machine alone: for a run that is still going, or a large one.

May not: be reached from another machine, read a file that the run does not name, or write one.

Read in this order: `byte_ranges` (parts of a file), `replies` (what is handed out),
`request_handling` (one request), `page_server` (all of them), `run_changes` (whether a run goes
on), `served_run` (a run's addresses).
"""
