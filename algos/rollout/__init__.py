"""Playing episodes, and the record of them. No torch.

May not: learn from what was played, or sum it up.

Read in this order: `environment_options` (what commands make environments with), `conditions`
(budgets, sampling, weights and seed of an episode), `trajectory` (the record), `stored_types`
(what a stored one may hold), `stage_seconds`
(what an episode waited for), `one_by_one` (policies without batches), `playing` (`play`, and
`collect` for many at once: the only loop, for training and evaluation), `telling` (what the agent
was told in words is kept too), `anytime` (what was believed after each turn), `transcript` (an
episode as text).
"""

from algos.rollout.conditions import Conditions
from algos.rollout.playing import EpisodeSpec, collect, play
from algos.rollout.trajectory import Trajectory, Turn, load_trajectories, save_trajectories
from algos.seeds import subseed

__all__ = [
    "Conditions",
    "EpisodeSpec",
    "Trajectory",
    "Turn",
    "collect",
    "load_trajectories",
    "play",
    "save_trajectories",
    "subseed",
]
