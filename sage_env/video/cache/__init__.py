"""Where pictures stay: in the process, in a shared folder, as small JPEGs, as reusable buffers.

May not: decode video. (`proxy_recorder` shrinks frames that others decoded.)

Read in this order: `frame_key` (what a picture is of), `frame_cache` (in memory, one decoding in
flight per picture), `frame_store` (in a folder, for several processes), `process_cache` (the two
together), `buffer_pool` (memory used again), `proxy_jpeg`, `proxy_file`, `proxy_recorder` (small
pictures of what decoding passes).
"""
