"""What learns and what measures: rollouts, token-level PPO, evaluation, reports.

Importing this package loads no heavy dependency; the modules that need torch import it themselves.
May not: be imported by `policies` or `sage_env`.

Root: `seeds` (one seed per purpose), `presets` (published methods as settings). Rooms, in the order
of imports: `rollout/`, `batching/`, `objectives/`, `exactness/`, `metrics/` with `evaluation/`,
`runs/`, `recipe/`, `ppo/`, `sft/`, `verify/`, `report/`, `viewer/`, `exchange/`, `experiment/`,
`suite/`, `scoring/`, `comparison/`, `replaying/`, `data_pipeline/` (from videos to data to learn
from), `cli/`, and `tiny/`, how the shipped model was made.
"""

from sage_env.release import __version__
from sage_env.shadowing import require_ours

__all__ = ["__version__"]

require_ours("policies")  # before its modules are missed one by one
