"""Cost of exact frames of long videos, against the decode floor and other readers.

May not: time what is ours in another way than a peer.

Read in this order: `run` (the benchmark), `cases` and `clips` (what is read; `scenes` and
`frame_code` draw it), `ours` and `peers` (who reads; `ffmpeg_libraries` finds FFmpeg for a peer),
`decode_floor` (decoding alone of what must be decoded), `worker` (a process per contestant), `bars`
(limits and verdicts). `reference_lists` (with `h264_headers`) is a benchmark of its own: do
reference lists allow a lower floor?
"""
