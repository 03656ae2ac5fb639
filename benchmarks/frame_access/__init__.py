"""How much it costs to get exact frames of long videos, against a floor and other readers.

Read in this order: `run` (the benchmark), `cases` and `clips` (what is read; `scenes` and
`frame_code` draw it), `ours` and `peers` (who reads; `ffmpeg_libraries` finds FFmpeg for a peer),
`decode_floor` (what nobody can do without), `worker` (a process per contestant), `targets`
(verdicts). `reference_lists` (with `h264_headers`) is a benchmark of its own: do headers show a
lower floor?
"""
