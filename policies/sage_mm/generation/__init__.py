"""Sampling one turn of many conversations at once.

May not: know an environment or an episode; rows of token ids and features in, token ids out.

Read in this order: `sampling` (one draw), `kv_cache` (keys and values in place), `prefix_cache`
(what several conversations begin with, read once), `ngram_drafter` (prompt-lookup decoding),
`constrained` (only what the grammar allows), `sampler` (prefill, then decode).
"""
