"""The network: loading, adapters, attention over packed rows.

May not: sample, know an environment.

Read in this order: `checkpoint_source` (a folder or the hub), `pretrained` (a checkpoint of it),
`adapters` and `fused_lora` (LoRA), `reference_adapter` (where a KL is measured from), `value_head`,
`prefix_packing` (prefixes that episodes share, computed once), `prefixed_attention` (a prefix that
rows of a batch share, read once), `packed_attention`, `activation_checkpointing`, `language_model`
(one forward pass), `sage_model` (all of it as one), `full_parameters` (the same with all weights
trained, without LoRA).
"""
