"""What training gains: accuracy on held-out videos over seeds, and baselines.

Read in this order: `three_seeds`, `fresh_videos`, `critic_or_group`, `sb3_baseline`; each is a
benchmark.
"""
