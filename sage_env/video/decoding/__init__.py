"""From requested frames to RGB pictures: plan, packets, decoder, colour conversion. Keeps nothing.

May not: hold pictures after they are handed over, know a cache.

Read in this order: `decode_plan` (which frames, which packets), `packet_source` (what a decoder
needs of whoever brings packets), `sliced_packets` (cut out of the file), `timed_file` and
`demuxed_packets` (through FFmpeg's demuxer), `counted_packets` (the same, where times do not name
packets), `disposable_packets` (which packets can be left out), `packet_decoder` (packets in, frames
out), `decode_fault` (where it stopped, and the error), `frame_converter` (decoded frame to RGB),
`decode_pool` (several decoders at once), `nearest_frame` (what stands in for a damaged frame),
`prefetch` (frames worth caching on the way).

The three stages have the standard names: demuxing (`*_packets`), decoding (`packet_decoder`),
colour conversion (`frame_converter`).
"""
