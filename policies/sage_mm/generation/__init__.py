"""Sampling one turn of many conversations at once.

May not: know an environment or an episode; token ids, frame keys and random numbers in, tokens out.

Read in this order: `sampling` (one draw), `sequence` (what comes in and goes out), `kv_cache` (keys
and values in place), `prefix_cache` (a prompt that several sequences share, prefilled once),
`ngram_drafter` (prompt-lookup decoding), `decode_row` (how much of a draft is accepted),
`constrained` (only what the grammar allows), `answer_grammar` (only answers), `sampler` (prefill,
then decode), `batches` (many sequences in batches of bounded size).
"""
