"""What is learned: gains over seeds on held-out videos, and baselines with the same information.

Read in this order: `three_seeds`, `fresh_videos`, `critic_or_group`, `sb3_baseline`; each is a
benchmark.
"""
