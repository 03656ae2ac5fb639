"""What training gains: accuracy on held-out videos over seeds, and baselines.

May not: choose anything on the videos that a figure is of.

Read in this order: `three_seeds`, `fresh_videos`, `critic_or_group`, `hard_tier`; `frontier` (the
jobs) with `arms` (what is compared), `arm_job` (one of them, with `cloning`), `frontier_curves`
(areas and gaps) and `frontier_report`; `sb3_baseline` with `remembered_video`, its videos.
"""
