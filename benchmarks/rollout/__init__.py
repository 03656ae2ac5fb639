"""What playing costs: the environment's own work, sampling, decoding that rollouts share.

Read in this order: `env_overhead`, `rollout_speed` (with `renderer`, the peer that renders every
turn anew), `shared_decoding`; each is a benchmark.
"""
