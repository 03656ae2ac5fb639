"""Supervised fine-tuning: episodes of anyone, cloned into the adapter of any checkpoint.

May not: know PPO; a student's tokens come from its own renderer, never from another tokenizer.

Read in this order: `settings` (every option of the training), `stored_episodes` (files and folders
of episodes, and which of them are learned from), `episode_sets` (those of a distillation, in
Parquet), `stored_replies` (what tools said is said again), `demonstrating` (a policy plays them
first), `environments` (made for a while), `action_words` (what a student writes for a decision of
another's), `examples` (tokens, and which of them are learned), `replaying` (stored actions played
again, as tokens of the student), `video_split` (what is held out), `step_batches` and `schedule`
(which episodes and which rate a step has), `validation` (loss and accuracy by token), `fitting`
(the steps, checkpoints, early stop), `cloning` (all of it in one call). `teacher_tokens` and
`supervised_loss` are for a model whose weights all learn: how `sage-mm-tiny` was made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from algos.sft.settings import FineTuningError, SFTConfig
from sage_env.lazy_exports import lazy_exports

if TYPE_CHECKING:
    from algos.sft.cloning import Lessons, clone, learn, play_held_out, prepare
    from algos.sft.demonstrating import demonstrate
    from algos.sft.examples import Example
    from algos.sft.fitting import Fitted, fine_tune
    from algos.sft.replaying import Replayer, ReplaySettings
    from algos.sft.schedule import Schedule
    from algos.sft.step_batches import batches
    from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode, read_episodes
    from algos.sft.supervised_loss import add_supervised_gradients, next_tokens
    from algos.sft.teacher_tokens import TeacherTokens

__all__ = [
    "EpisodeChoice",
    "Example",
    "FineTuningError",
    "Fitted",
    "Lessons",
    "ReplaySettings",
    "Replayer",
    "SFTConfig",
    "Schedule",
    "StoredEpisode",
    "TeacherTokens",
    "add_supervised_gradients",
    "batches",
    "clone",
    "demonstrate",
    "fine_tune",
    "learn",
    "next_tokens",
    "play_held_out",
    "prepare",
    "read_episodes",
]

_HOMES = {
    "cloning": ("Lessons", "clone", "learn", "play_held_out", "prepare"),
    "demonstrating": ("demonstrate",),
    "examples": ("Example",),
    "fitting": ("Fitted", "fine_tune"),
    "replaying": ("ReplaySettings", "Replayer"),
    "schedule": ("Schedule",),
    "step_batches": ("batches",),
    "stored_episodes": ("EpisodeChoice", "StoredEpisode", "read_episodes"),
    "supervised_loss": ("add_supervised_gradients", "next_tokens"),
    "teacher_tokens": ("TeacherTokens",),
}
__getattr__, __dir__ = lazy_exports(
    __name__,
    {name: f"algos.sft.{module}" for module, names in _HOMES.items() for name in names},
    extra="sage",
)
