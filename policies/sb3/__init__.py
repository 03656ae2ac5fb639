"""Models of Stable-Baselines3 as policies, and a network for them that reads our observations.

Importing this loads neither torch nor Stable-Baselines3. May not: see more than the flat wrappers
of `sage_env.wrappers` show.

Read in this order: `sb3_policy` (a saved model plays), `normalisation` (the statistics that it was
trained with), `saved_files` (what is saved, and whose class it is), `network` (a features extractor
that matches choices with what was seen).
"""

from policies.sb3.sb3_policy import SB3Policy, save_sb3

__all__ = ["SB3Policy", "save_sb3"]
