"""Step (c): episodes of the imperfect demonstrator, played in the environment itself."""

from __future__ import annotations

import os
import pickle
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from tqdm import tqdm

from algos.rollout.playing import EpisodeSpec, collect
from algos.seeds import subseed
from algos.sft.examples import Example
from algos.sft.teacher_tokens import TeacherTokens
from algos.tiny.pictures import SIZE
from policies.baselines.reading_head import ReadingHead
from policies.baselines.scripted import DEMONSTRATOR, Habits, Scripted
from policies.baselines.uniform import direct_env_options
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.feature_cache import CacheSizes
from policies.sage_mm.vision.frame_encoder import FrameEncoder
from sage_env.datasets.item import QAItem
from sage_env.synth import sage_synth
from sage_env.synth.rendered import open_rendered

DEMONSTRATION_SEED = 2000  # videos that no dataset split uses
BUDGET: dict[str, Any] = {
    "overview_frames": 12,
    "frames_per_turn": 12,
    "max_turns": 5,
    "max_frames": 48,
}
"""The environment of the demonstrations, and what the shipped checkpoint asks for.

Twelve evenly spaced frames always show a scene (`sage_env.synth.plan`) and miss most flashes of
long videos, so that the overview alone is not enough. 48 frames are the overview and three full
looks; more would leave less to gain from choosing them well. Not measured."""
DIRECT_FRAMES = (12, 16, 20, 24, 32, 40, 48)
"""Numbers of frames that DIRECT episodes draw from: from one overview to the whole budget.

The DIRECT baselines of a report have the mean frames of a policy and twice as many, whatever it
uses, so that one number would not do. Not measured: revisit when baselines want more than 48."""
DIRECT_SHARE = 8
"""One question in so many is also played as DIRECT.

More make the baseline stronger and leave fewer steps of (c) for looking. Not measured."""
VIDEOS_PER_TASK = 14
"""Videos that one call of a worker plays. More make larger batches and a coarser progress bar; the
features of all of a task's frames are held and sent at once."""
WORKER_CACHE = 1 << 28
"""Bytes of features that a worker keeps, 256 MiB: more than one task needs at 64x64 pixels."""


@dataclass(frozen=True)
class WorkerSetup:
    """The arguments of a worker process, which plays episodes and writes down their tokens."""

    encoder: FrameEncoder
    head: ReadingHead
    tokens: ChatTokens
    habits: Habits
    seed: int


def make_env(items: Any, **settings: Any) -> gym.Env[Any, Any]:
    """Make an environment on rendered, not decoded, videos: no files are written or read."""
    settings.setdefault("frame_size", SIZE)
    return gym.make(
        "sage_env:SageVideoQA-v0",
        disable_env_checker=True,  # it fails for good after an exception in a first step
        dataset=list(items),  # a plain list: the dataset itself would write the files
        opener=open_rendered,
        **settings,
    )


def demonstrate(
    encoder: FrameEncoder,
    head: ReadingHead,
    tokens: ChatTokens,
    *,
    videos: int,
    seed: int,
    habits: Habits = DEMONSTRATOR,
) -> list[Example]:
    """Play every question of `videos` videos once, one in eight as DIRECT as well.

    DIRECT episodes show more frames at once and leave one turn, in which to answer: without them
    the baseline would fail because it was never seen, not because it sees too little. Videos are
    played in parallel processes.

    Args:
        encoder: the trained tower; it gets the features of all frames.
        head: reads the features, for the scripted policy.
        tokens: the student's chat layout.
        videos: how many.
        seed: of environments and of the demonstrator's choices.
        habits: of the demonstrator.

    Returns:
        One example for each episode, in the order of the questions, DIRECT ones after their task's.
    """
    items = sage_synth(None, "train", seed=DEMONSTRATION_SEED, count=videos)
    by_video: dict[str, list[QAItem]] = {}
    for item in items:
        by_video.setdefault(str(item.video), []).append(item)
    groups = list(by_video.values())
    parts = [
        [item for group in groups[at : at + VIDEOS_PER_TASK] for item in group]
        for at in range(0, len(groups), VIDEOS_PER_TASK)
    ]
    setup = WorkerSetup(
        FrameEncoder(encoder.visual, CacheSizes(cpu=WORKER_CACHE, pictures=0)),
        head,
        tokens,
        habits,
        seed,
    )
    episodes: list[Example] = []
    with (
        ProcessPoolExecutor(
            os.cpu_count(), get_context("spawn"), initializer=_enter, initargs=(setup,)
        ) as pool,
        tqdm(total=len(items), desc="demonstrations") as bar,
    ):
        for part, (played, entries) in zip(parts, pool.map(_play, parts), strict=True):
            episodes += played
            encoder.adopt(pickle.loads(entries))
            bar.update(len(part))
    return episodes


_setups: list[WorkerSetup] = []  # of this process


def _enter(setup: WorkerSetup) -> None:
    torch.set_num_threads(1)
    _setups.append(setup)


def _play(items: Sequence[QAItem]) -> tuple[list[Example], bytes]:
    """Play the questions of some videos; return the episodes and the features of their frames.

    The features are pickled here: the pool would pass every tensor as an open file, and run out.
    """
    (setup,) = _setups
    specs = [EpisodeSpec(item.id, setup.seed) for item in items]
    part = subseed(setup.seed, items[0].id)
    rng = np.random.default_rng(part)
    teacher = TeacherTokens(
        Scripted(setup.encoder, setup.head, setup.habits), setup.tokens, setup.encoder
    )
    played = collect([make_env(items, **BUDGET) for _ in specs], teacher, specs, seed=part)
    for number in rng.permutation(len(specs))[: max(1, len(specs) // DIRECT_SHARE)]:
        settings = direct_env_options(int(rng.choice(DIRECT_FRAMES)))
        played += collect([make_env(items, **settings)], teacher, [specs[number]], seed=part)
    episodes = [Example.of(trajectory) for trajectory in played]
    keys = {key for episode in episodes for key in episode.frames}
    return episodes, pickle.dumps(setup.encoder.entries(keys))
