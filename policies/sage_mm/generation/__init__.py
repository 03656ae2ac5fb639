"""Sampling one turn of many conversations at once.

May not: know an environment or an episode; token ids, frame keys and random numbers in, tokens out.

Read in this order: `sampling` (one draw), `sequence` (what comes in and goes out), `kv_cache` (keys
and values in place), `prefix_cache` (a prompt that several sequences share, prefilled once),
`ngram_drafter` (prompt-lookup decoding), `decode_row` (how much of a draft is accepted),
`constrained` (only what the grammar allows), `answer_grammar` (only answers), `reply_grammars`
(which of them), `token_draw` (from hidden states to tokens on the host), `batches` (many sequences
in batches of bounded size), `sampler` (prefill, then decode),
`pass_memory` (what weights and passes take), `rollout_memory` (what a rollout takes, and how many
episodes fit).
"""
