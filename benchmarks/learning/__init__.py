"""What training gains: accuracy on held-out videos over seeds, and baselines.

May not: choose anything on the videos that a figure is of.

Read in this order: `three_seeds`, `fresh_videos`, `critic_or_group`, `sb3_baseline` (with
`remembered_video`, its videos); each is a benchmark but the last.
"""
