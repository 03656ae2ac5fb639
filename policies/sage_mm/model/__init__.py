"""The network: loading, adapters, attention over packed rows, scores, bytes.

May not: sample, know an environment.

Read in this order: `checkpoint_source` (a folder or the hub), `pretrained` (a checkpoint of it),
`adapters` and `fused_lora` (LoRA), `reference_adapter` (where a KL is measured from), `value_head`,
`prefix_packing` (prefixes that episodes share, computed once), `prefixed_attention` (a prefix that
rows of a batch share, read once), `packed_attention`, `activation_checkpointing`, `language_model`
(one forward pass), `token_scores` (from states to log-probs, a tile at a time), `sage_model` (all
of it as one), `full_parameters` (the same with all weights trained, without LoRA); `live_bytes`
(memory, counted), `default_dtype` (of tensors that name none), `update_memory` (of an update,
before anything is loaded) and `operations` (floating-point operations of a token, and what devices
can do).
"""
