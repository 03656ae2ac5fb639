"""Who acts: baselines, SAGE-MM, released checkpoints, served models, SB3 models.

Importing this loads no heavy package. May not: train, or know how an episode is recorded.

Root: `base` (what a policy is), `errors`, `prompt` (what every model is told), `introspection`
(policies whose tokens can be read from outside), `registry` (policies by name). Rooms:
`baselines/`, `check/`, `sage_mm/`, `sage_released/`, `served/`, `sb3/`.
"""
