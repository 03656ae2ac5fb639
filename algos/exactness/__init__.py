"""Does the learner read what the sampler wrote? One check a function, one result each.

May not: stop a run or write a file; `ppo.exactness_guard` does.

Read in this order: `check_result`, `rescoring` (log-probs, prefixes, ratios), `prompt_checks`
(frames, times and visual tokens of the prompt).
"""
