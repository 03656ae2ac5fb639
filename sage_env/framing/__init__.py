"""Pictures in frames of one size: how large they are, where they stand, frames without black bars.

May not: decode, know an episode, or know a model but for the side of a visual token.

Read in this order: `frame_area` (the size of a picture under a budget of pixels), `picture_region`
(which pixels of a frame are picture).
"""
