"""What learns and what measures: rollouts, token-level PPO, evaluation, reports.

Importing this package loads no heavy dependency; the modules that need torch import it themselves.
"""
