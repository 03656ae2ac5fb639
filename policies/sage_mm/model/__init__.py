"""The network: loading, adapters, attention over packed rows.

May not: sample, know an environment.

Read in this order: `pretrained` (a checkpoint folder or hub id), `adapters` and `fused_lora`
(LoRA), `prefix_packing` (episodes that begin alike, computed once), `packed_attention`,
`activation_checkpointing`, `sage_model` (all of it as one model).
"""
