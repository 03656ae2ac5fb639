"""Distillation: any policy plays questions several times, and sets are made of what it did right.

May not: learn; look at a video in another way than the environment shows it.

Read in this order: `settings` (how often, which filters, which sets), `hold_out` (what may be
in none), `playing_tries` (every
question several times through the environment, resumable), `episode_facts` (what is chosen by),
`filtering` (which episodes are learned from, and why the others are not), `preference_pairs` (two
of one question), `rl_questions` (neither too easy nor too hard), `set_rows` (a row with references
in place of pixels), `parquet_sets` (the files), `distill_manifest` (what they depend on, counts and
hashes), `making_sets` (all of it in one call), `preference_chats` (pairs as TRL takes them).
Reading the sets is `sage_env.datasets.question_sets` and `algos.sft.episode_sets`.
"""

from __future__ import annotations

from algos.data_pipeline.distilling.making_sets import Sets, distill
from algos.data_pipeline.distilling.playing_tries import Teacher
from algos.data_pipeline.distilling.settings import (
    TRIES,
    DistillError,
    DistillSettings,
    EpisodeFilter,
)

__all__ = [
    "TRIES",
    "DistillError",
    "DistillSettings",
    "EpisodeFilter",
    "Sets",
    "Teacher",
    "distill",
]
