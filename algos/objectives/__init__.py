"""Advantages and losses: pure functions, tensors in, tensors out. No settings, no state.

May not: read a `PPOConfig`, move a weight, or count anything but what it returns.

Read in this order: `advantages` (GAE over sampled tokens, group baselines, whitening),
`turn_advantages` (the clocks of turns and bi-level), `aggregation` (how tokens are averaged),
`losses` (clipped surrogate, value, KL), `mismatch` (weights where the sampler is not the learner).
Letters: B episodes, L tokens of the longest.
"""
