"""From wanted frames to RGB pictures: plan, jobs, decoders, colour conversion. Keeps nothing.

May not: hold pictures after they are handed over, know a cache.

Read in this order: `decode_plan` (which frames, which packets), `disposable_packets` (which packets
can be left out), `gop_decoder` (packets sliced from the file), `demux_decoder` (packets through a
demuxer), `frame_converter` (decoded frame to RGB), `decode_pool` (several decoders at once),
`nearest_frame` (what stands in for a damaged frame), `prefetch` (frames worth keeping on the way).
"""
