"""Frames to visual features, each frame once.

May not: know a question, a conversation or an adapter: the vision tower is frozen.

Read in this order: `batched_tower` (all frames of a size in one pass), `feature_cache` (what was
encoded: GPU, CPU, disk), `picture_file` (pixels, for what the cache dropped), `frame_encoder` (all
together).
"""
