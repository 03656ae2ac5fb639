"""`python -m algos.tiny.hard_tier`: an adapter of `sage-mm-tiny` that has had the hard lessons.

1. `HardLessons` plays `order`, `count` and `detail` of videos that no split uses; the scripted
   policy without bad habits plays some core questions, so that these are not forgotten.
2. Episodes whose answer is right are cloned into a LoRA adapter of the shipped model.

The shipped weights stay as they are, and so do the figures that are published of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch
import tyro

from algos.runs.checkpoint import require_same
from algos.runs.run_folder import read_json, write_json
from algos.sft.cloning import learn, prepare
from algos.sft.demonstrating import demonstrate
from algos.sft.replaying import ReplaySettings
from algos.sft.settings import SFTConfig
from algos.sft.stored_episodes import EpisodeChoice, StoredEpisode
from algos.tiny.demonstrations import BUDGET
from algos.tiny.hard_lessons import HardLessons
from algos.tiny.pictures import SIZE
from policies.base import BatchPolicy
from policies.baselines.scripted import Scripted
from policies.sage_mm import SageMM
from policies.sage_mm.model.adapters import LoraSettings
from policies.sage_mm.vision.feature_cache import CacheSizes
from sage_env.datasets.item import QAItem
from sage_env.synth import sage_synth
from sage_env.synth.rendered import open_rendered

LESSON_SEED = 3000  # videos that no dataset split uses, nor any other step of the recipe
ENVS = 16  # episodes played side by side; it changes the speed alone


@dataclass(frozen=True)
class HardTierConfig:
    """Everything about the adapter."""

    out: Path = Path("runs/hard-tier")
    """Folder of the run; `adapter/` in it is the result. An interrupted run goes on."""
    videos: int = 675
    """Videos whose `count` and `detail` questions are lessons."""
    order_every: int = 6
    """Every so many of them, its `order` questions as well: each video has one."""
    core_every: int = 27
    """Every so many of them, its core questions as well, so that these are not forgotten."""
    rank: int = 32
    """Of the adapter."""
    sft: SFTConfig = field(
        default_factory=lambda: SFTConfig(steps=1400, batch=8, lr=2e-3, eval_every=700)
    )
    """Of the cloning; its seed is also that of the adapter's first weights."""


def run(config: HardTierConfig) -> Path:
    """Make the adapter; return its folder."""
    _save_settings(config)
    torch.set_num_threads(1)
    items = list(sage_synth(None, "train", seed=LESSON_SEED, count=config.videos))
    shown = play_lessons(items, config)
    student = SageMM.load(
        lora=LoraSettings(r=config.rank, alpha=2 * config.rank, seed=config.sft.seed),
        cache=CacheSizes(cpu=4 << 30),
        workers=config.sft.workers,
    )
    lessons = prepare(
        student,
        shown,
        items,
        validation=0.05,
        seed=config.sft.seed,
        choice=EpisodeChoice(right_only=True),
        env_options={"opener": open_rendered},
        settings=ReplaySettings(envs=ENVS),
        progress=True,
    )
    return learn(student, lessons, config.out, config.sft, progress=True).adapter


def play_lessons(items: Sequence[QAItem], config: HardTierConfig) -> list[StoredEpisode]:
    """Let both teachers play; what was played before is read from the run's folder."""
    options = {**BUDGET, "frame_size": SIZE, "opener": open_rendered}
    teachers: dict[str, BatchPolicy] = {"hard": HardLessons(), "core": Scripted.load()}
    episodes: list[StoredEpisode] = []
    for tier, teacher in teachers.items():
        path = config.out / f"{tier}-lessons.jsonl"
        asked = [item for item in items if item.group["tier"] == tier and _taken(item, config)]
        episodes += demonstrate(
            teacher, items, path, asked=asked, env_options=options, envs=ENVS, progress=True
        )
    return episodes


def _taken(item: QAItem, config: HardTierConfig) -> bool:
    every = {"order": config.order_every, "count": 1, "detail": 1}
    return int(item.video.stem) % every.get(str(item.group["family"]), config.core_every) == 0


def _save_settings(config: HardTierConfig) -> None:
    """Write the settings; refuse a folder whose episodes were played with others."""
    now = json.loads(json.dumps(asdict(config), default=str))
    path = config.out / "config.json"
    if path.exists():
        require_same(read_json(path), now, may_differ={"out"})
    write_json(path, now)


if __name__ == "__main__":
    run(tyro.cli(HardTierConfig))
