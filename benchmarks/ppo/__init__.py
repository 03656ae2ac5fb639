"""What an update costs, whether its numbers are those of TRL and verl, what its parts are for.

Three benchmarks, each to be read in this order: `step_cost` (`step_episodes`, `step_contestants`,
`step_trl`, `step_memory`); `parity` (`parity_case`, `parity_trl`, `parity_verl`); `ablation`
(`ablation_task`).
"""
