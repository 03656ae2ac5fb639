"""Step (c): episodes of the imperfect demonstrator, played in the environment itself."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from tqdm import tqdm

from algos.rollout import Job, collect
from algos.sft import Dictation, Example
from algos.tiny.pictures import SIZE
from policies.sage_mm.prompt import ChatTokens
from policies.sage_mm.vision import FrameEncoder
from policies.scripted import DEMONSTRATOR, Habits, ReadingHead, Scripted
from policies.uniform import direct_env_options
from sage_env.synth import sage_synth
from sage_env.synth.rendered import open_rendered

DEMONSTRATION_SEED = 2000  # videos that no dataset split uses
BUDGET: dict[str, Any] = {
    "overview_frames": 12,
    "frames_per_turn": 12,
    "max_turns": 5,
    "max_frames": 48,
}
DIRECT_FRAMES = (12, 16, 20, 24, 32, 40, 48)
SLOTS = 64


def make_env(items: Any, **settings: Any) -> gym.Env[Any, Any]:
    """Make an environment on rendered, not decoded, videos."""
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
    """Play every question of `videos` videos once, and a quarter of them as DIRECT as well.

    DIRECT episodes show more frames at once and leave one turn, in which to answer: without them
    the baseline would fail because it was never seen, not because it sees too little.
    """
    items = sage_synth(None, "train", seed=DEMONSTRATION_SEED, count=videos)
    teacher = Dictation(Scripted(encoder, head, habits), tokens, encoder)
    jobs = [Job(item.id, seed) for item in items]
    rng = np.random.default_rng(seed)
    with tqdm(total=len(jobs) + len(jobs) // 4, desc="demonstrations") as bar:
        envs = [make_env(items, **BUDGET) for _ in range(SLOTS)]
        played = collect(envs, teacher, jobs, seed=seed, progress=lambda _: bar.update())
        chosen = rng.permutation(len(jobs))[: len(jobs) // 4]
        for frames, part in zip(
            DIRECT_FRAMES, np.array_split(chosen, len(DIRECT_FRAMES)), strict=True
        ):
            settings = direct_env_options(frames)
            envs = [make_env(items, **settings) for _ in range(min(SLOTS, len(part)))]
            some = [jobs[i] for i in sorted(part)]
            if some:
                played += collect(envs, teacher, some, seed=seed, progress=lambda _: bar.update())
    return [Example.of(trajectory) for trajectory in played]
