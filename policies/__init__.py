"""Who acts: baselines, SAGE-MM, released checkpoints, served models, SB3 models.

Importing this loads no heavy package. May not: train, or know how an episode is recorded.

In the order of imports: `errors`, `prompt` (what every model is told),
`terminal_text` (what a terminal may show), `saved_env_options` (what a saved policy may ask of an
environment), `turn_usage` (what a turn took), `base` (what a policy is),
`introspection` (policies whose tokens can be read from outside), `token_pieces` (sampled tokens as
text), `briefing` (what a policy is told
of an episode beside its observations), `passes` (how large a policy's forward passes are); the
rooms `sage_mm/`, `sage_released/`, `baselines/`, `floors/`, `served/`, `judges/`, `tools/`,
`hugging_face/`, `sb3/`, `check/`; `own_class` (a class of the user's), `registry` (policies by
name).
"""

from sage_env.release import __version__

__all__ = ["__version__"]
