"""What learns and what measures: rollouts, token-level PPO, evaluation, reports.

Importing this package loads no heavy dependency; the modules that need torch import it themselves.
"""

from sage_env.release import __version__

__all__ = ["__version__"]
