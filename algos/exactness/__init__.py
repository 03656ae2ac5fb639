"""Does the learner read what the sampler wrote? One check a function, one result each.

May not: stop a run or write a file; `ppo.exactness_guard` does.

Read in this order: `check_result`, `gap_statistics` (of log-probs scored twice), `tolerance` (how
far they may lie apart), `rescoring` (who scores again), `prompt_checks` (prefixes, frames, times
and visual tokens of the prompt).
"""
