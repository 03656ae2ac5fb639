"""Which frames a file holds, when each is shown, and where its bytes are.

May not: decode more than one frame of a file, keep pictures.

Read in this order: `mp4_boxes`, `edit_list` and `sample_table` (ISO/IEC 14496-12 tables to arrays),
`continuous_times` (times that start again), `presentation_order` (decode order to presentation
order), `content_kind` (what a file is, if no video), `stream` (what is opened; what the container
says of the video stream), `picture_form` (how a decoded picture is stretched and turned),
`mp4_direct` (open without a demuxer), `mp4_claims` (counts that would take too much memory),
`mp4_crosscheck` (do tables and demuxer agree?), `packet_scan` (every other container),
`second_header` and `renumbered_stream` (files joined byte by byte), `packed_index` and
`index_cache` (scans kept for the next run), `video_index` (the index itself, whichever way it was
made).

Three ways lead to an index, the cheapest that will do: the tables alone, the tables compared with
FFmpeg's demuxer, one pass over all packets.
"""
