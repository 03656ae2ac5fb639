"""Calls of what the user plugs in, each of which ends in time: tools, judges, rewards, openers.

A plug-in is called in another thread than the one that waits for it. If it is late, it gets an
exception, which ends whatever runs Python code, and its caller gets one of our errors. What hangs
outside Python (C code, a lock, a socket without a timeout) is left behind in its thread, asleep:
for tools, judges and rewards that may do so there is `OwnProcess`, whose process is killed. An
`opener` and the videos that it opens, which cannot travel, are left behind; those of ours have
deadlines of their own. Making a dataset's files (`prepare`) takes what it takes. Objects that
belong to one thread (SQLite, CUDA contexts, windows) want `call_timeout=None`, and then no call
ends before it does.

May not: know what is called; no video, no episode. No numpy.

Read in this order: `call_threads` (a call in a thread that can be left behind), `own_process` (a
plug-in in a process that can be killed), `plug_in_settings` (settings of a plug-in, written as
text), `process_server` (that process), `timed_call` (which of both, and the error of a call that is
late).
"""

from sage_env.deadlines.own_process import OwnProcess

__all__ = ["OwnProcess"]
"""The public name: a plug-in whose calls can be killed."""
