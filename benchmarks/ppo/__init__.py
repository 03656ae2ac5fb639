"""PPO: cost of an update, agreement with TRL and verl, and an ablation of each choice.

May not: claim that anything was learned.

Four benchmarks, each to be read in this order: `step_cost` (`step_episodes`, `step_contestants`,
`step_trl`, `step_memory`); `parity` (`parity_case`, `parity_trl`, `parity_verl`); `ablation`
(`ablation_task`); `sampler_bugs` (`planted_samplers`).
"""
