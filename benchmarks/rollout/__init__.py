"""Cost of rollouts: the environment's own work, sampling, decoding with a shared cache.

May not: train.

Read in this order: `env_overhead`, `rollout_speed` (with `renderer`, the peer that prefills the
conversation again at every turn), `shared_decoding`, `evaluation_scale` (what comes after playing);
each is a benchmark but `renderer`.
"""
