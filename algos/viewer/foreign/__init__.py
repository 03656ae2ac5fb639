"""Others' traces as the page shows a run: `open_trace` says by its content what a file is.

What a trace does not say stays unknown, and nothing is scored anew. Memory is bounded: of a file, a
place for each record is held, and rows are kept in a temporary file. A bad record is named in the
notes and left out; only a file without any good one is an error, `TraceError`.

May not: fetch an address, read a file outside of the trace's own folder and the videos that were
named, or play anything.

Read in this order: `json_records` (where records are in a file), `loose_values`, `times_told`
(times in calls and texts), `carried_files` (pictures in a trace), `chat_messages` (messages in one
form), `conversations` (as episodes), `traced` (one question of a trace); a format each:
`chat_traces`, `videoseek_traces`, `own_traces`, `atif_traces`, `sage_traces`, `lmms_traces`,
`inspect_traces`; `trace_formats` (all of them), `trace_files` (the records of a file),
`trace_rows` (the table), `named_videos` (where a video is), `opening`.
"""

from algos.viewer.foreign.json_records import TraceError
from algos.viewer.foreign.opening import open_trace

__all__ = ["TraceError", "open_trace"]
