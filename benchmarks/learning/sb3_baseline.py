"""PPO of Stable-Baselines3 through the flat wrappers, against chance and the random policy.

    python -m benchmarks.learning.sb3_baseline [--seeds 0 1 2] [--workers 2] [--quick]

The questions are SageSynth's `glance` with four choices, about videos of up to three minutes: which
symbol stays on the backdrop of a colour? The overview always shows it, so the agent has to see and
to bind (colour to frame, symbol to word), and need not search. The reward is whether the answer was
right, and nothing else.

Made easy: each training video is asked about with many draws of choices and wordings. Actions are
the four letters, a jump to the start and a second look at the whole. The network (`MatchNet`)
compares every frame with the colour word and every choice with every frame, instead of learning
from data that choices are exchangeable. Not made easy: all of its weights begin at random, and it
sees the symbols in 16 x 16 pixels.

Frames are drawn and not decoded; those of the files differ by traces of compression alone. Held-out
videos are those of the test split.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv

from algos.evaluation.measures import evaluate, measures_of
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import format_table
from benchmarks.learning.remembered_video import (
    FRAMES,
    SIZE,
    Overview,
    RememberedVideo,
    draw_overview,
    remember,
)
from benchmarks.provenance import header, publish, versions
from policies.baselines.random_policy import RandomPolicy
from policies.sb3.network import MatchNet, answer_with_scores
from policies.sb3.sb3_policy import SB3Policy, save_sb3
from sage_env.datasets.item import QAItem
from sage_env.synth import sage_synth
from sage_env.synth.plan import DURATION_RANGES, plan_video
from sage_env.synth.questions import ask
from sage_env.wrappers import DiscreteActions, NumericObservations

TRAIN_SEED = 3000  # videos that no dataset split uses
SHORT = 2  # the first duration buckets: up to three minutes
ENVS = 8  # environments of one process; PPO collects 512 steps from all of them
HEADER = ("policy", "questions", "videos", "accuracy", "turns", "frames")


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of PPO."""
    videos: int = 800
    """Training videos."""
    variants: int = 16
    """Draws of choices and wording per training video."""
    held_out: int = 200
    """Videos that training never sees."""
    steps: int = 24_576
    """Environment steps of each seed."""
    workers: int = 2
    """Processes; each takes one core and one seed at a time."""
    quick: bool = False
    """A smoke test of some seconds: it learns nothing and writes no report."""
    runs: Path = Path("runs/sb3-baseline")
    """Folder of the trained models, for `--policy sb3:PATH`."""
    out: Path = Path("benchmarks/reports")
    """Folder of the report."""


@dataclass(frozen=True, eq=False)
class SeedTask:
    """What a process needs to train and evaluate one seed; the same for all seeds."""

    settings: Settings
    train: Sequence[QAItem]
    held_out: Sequence[QAItem]
    overviews: Sequence[Overview]


@dataclass(frozen=True)
class SeedResult:
    """Results of one seed.

    Attributes:
        seed: of PPO.
        trained: held-out episodes of the trained policy.
        chosen_at_random: held-out episodes of the random policy.
        curve: steps, and the mean reward of the latest 1,000 training episodes then.
        seconds: processor time of training.
    """

    seed: int
    trained: Sequence[EpisodeResult]
    chosen_at_random: Sequence[EpisodeResult]
    curve: Sequence[tuple[int, float]]
    seconds: float


class RewardCurve(BaseCallback):
    """Records and prints the mean reward of the latest 1,000 episodes."""

    def __init__(self, seed: int, every: int) -> None:
        """Record a point whenever the number of steps is a multiple of `every`."""
        super().__init__()
        self.seed, self.every = seed, every
        self.points: list[tuple[int, float]] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_end(self) -> None:
        if self.num_timesteps % self.every == 0:
            rewards = [episode["r"] for episode in self.model.ep_info_buffer or ()]
            self.points.append((self.num_timesteps, float(np.mean(rewards))))
            print(f"seed {self.seed}: {self.num_timesteps} steps, reward {self.points[-1][1]:.3f}")


def main(settings: Settings) -> None:
    """Train and measure all seeds, and write the report."""
    if settings.quick:
        settings = replace(settings, seeds=settings.seeds[:1], steps=1_024, videos=16, variants=2)
        settings = replace(settings, held_out=8, runs=settings.runs / "quick")
    began = time.perf_counter()
    train = _questions("train", TRAIN_SEED, settings.videos, settings.variants)
    held_out = _questions("test", 0, settings.held_out, 1)
    paths = list(dict.fromkeys(item.video for item in (*train, *held_out)))
    spawn = get_context("spawn")  # torch's threads do not survive a fork
    with ProcessPoolExecutor(settings.workers, spawn) as pool:
        overviews = list(pool.map(draw_overview, paths, chunksize=16))
        print(f"{len(train)} questions for training, {len(held_out)} held out, {len(paths)} videos")
        task = SeedTask(settings, train, held_out, overviews)
        jobs = [pool.submit(_learn, task, seed) for seed in settings.seeds]
        outcomes = [job.result() for job in jobs]
    text = report(settings, task, outcomes, time.perf_counter() - began)
    publish(text, None if settings.quick else settings.out, "sb3_baseline.md")


def report(
    settings: Settings, task: SeedTask, outcomes: Sequence[SeedResult], seconds: float
) -> str:
    """Return the report as Markdown.

    Args:
        settings: of the benchmark.
        task: questions for training and held-out ones.
        outcomes: of each seed.
        seconds: wall-clock time of everything.
    """
    seeds = " ".join(map(str, settings.seeds))
    chance = float(np.mean([1 / len(item.choices) for item in task.held_out]))
    trained = [episode for outcome in outcomes for episode in outcome.trained]
    at_random = [episode for outcome in outcomes for episode in outcome.chosen_at_random]
    rows = [_row(f"PPO, seed {outcome.seed}", outcome.trained) for outcome in outcomes]
    rows += [_row("PPO, all seeds", trained), _row("random policy, all seeds", at_random)]
    rows.append(("chance", "", "", f"{100 * chance:.1f}", "", ""))
    worst = min((measures_of(o.trained).interval or (0.0, 0.0))[0] for o in outcomes)
    best = (measures_of(at_random).interval or (0.0, 1.0))[1]
    beats = worst > max(chance, best)
    videos = len({item.video for item in task.train})
    curves = [
        f"- seed {outcome.seed}: " + ", ".join(f"{100 * r:.0f} at {n}" for n, r in outcome.curve)
        for outcome in outcomes
    ]
    minutes = [f"{outcome.seconds / 60:.1f}" for outcome in outcomes]
    lines = [
        *header(
            "Stable-Baselines3 baseline",
            "benchmarks.learning.sb3_baseline",
            libraries=versions("stable-baselines3", "torch"),
            remark=f"{settings.workers} processes",
        ),
        f"- seeds: {seeds}; {settings.steps} steps each",
        f"- time: {seconds / 60:.1f} minutes in all; each seed {', '.join(minutes)} minutes of "
        "processor time",
        f"- training: {len(task.train)} `glance` questions about {videos} videos of up to "
        f"{DURATION_RANGES[SHORT - 1][1]} s; held out: {len(task.held_out)} about "
        f"{len({item.video for item in task.held_out})} videos of the test split",
        "- accuracy in percent, greedy, with 95 % intervals over videos",
        "",
        "```",
        format_table(HEADER, rows),
        "```",
        "",
        "Lower end of every seed above chance and above the random policy's upper end: "
        f"**{'yes' if beats else 'no'}** ({100 * worst:.1f} and {100 * max(chance, best):.1f}).",
        "",
        "Reward of the latest 1,000 training episodes, in percent, by step:",
        "",
        *curves,
    ]
    return "\n".join(lines) + "\n"


def _row(name: str, episodes: Sequence[EpisodeResult]) -> tuple[str, ...]:
    found = measures_of(episodes)
    low, high = found.interval or (float("nan"), float("nan"))
    accuracy = f"{100 * (found.accuracy or 0.0):.1f} [{100 * low:.1f}, {100 * high:.1f}]"
    videos = str(len({episode.video for episode in episodes}))
    turns, frames = f"{found.turns or 0.0:.2f}", f"{found.frames or 0.0:.1f}"
    return name, str(found.questions), videos, accuracy, turns, frames


def _questions(split: str, seed: int, videos: int, variants: int) -> list[QAItem]:
    """Return the `glance` questions with choices about the first short videos of a split."""
    paths = sage_synth(None, split, seed=seed, count=len(DURATION_RANGES) * videos).videos
    short = [(k, path) for k, path in enumerate(paths) if k % len(DURATION_RANGES) < SHORT][:videos]
    found: dict[Any, QAItem] = {}
    for index, path in short:
        plan = plan_video(split, index, seed)
        for variant in range(variants):
            for item in ask(plan, path, seed + variant):
                if item.group["family"] == "glance" and item.choices:
                    named = replace(item, id=f"{item.id}-{variant}")
                    found.setdefault((path, item.question, item.choices), named)
    return list(found.values())


def _learn(task: SeedTask, seed: int) -> SeedResult:
    """Train one seed, save its model, and evaluate it and the random policy."""
    torch.set_num_threads(1)
    began = time.process_time()
    remember(task.overviews)
    model, curve = _train(task, seed)
    file = save_sb3(model, task.settings.runs / f"seed-{seed}")
    seconds = time.process_time() - began
    envs = [_make(task.held_out)]
    trained = evaluate(envs, SB3Policy.load(file), task.held_out, seed=seed)
    at_random = evaluate(envs, RandomPolicy(), task.held_out, seed=seed)
    return SeedResult(seed, trained.episodes(), at_random.episodes(), curve, seconds)


def _train(task: SeedTask, seed: int) -> tuple[PPO, Sequence[tuple[int, float]]]:
    shares = [list(task.train[k::ENVS]) for k in range(ENVS)]  # of the questions, one per env
    env = DummyVecEnv([partial(_monitored, share) for share in shares])
    model = PPO(
        "MultiInputPolicy",
        env,
        n_steps=512 // ENVS,
        batch_size=128,
        n_epochs=4,
        learning_rate=2e-3,
        ent_coef=0.01,
        stats_window_size=1_000,
        policy_kwargs={
            "features_extractor_class": MatchNet,
            "features_extractor_kwargs": {"tile": SIZE},
            "net_arch": [],
            "ortho_init": False,
        },
        seed=seed,
        device="cpu",
    )
    answer_with_scores(model)
    callback = RewardCurve(seed, every=max(512, task.settings.steps // 8 // 512 * 512))
    model.learn(task.settings.steps, callback=callback)
    return model, callback.points


def _make(items: Sequence[QAItem]) -> gym.Env[Any, Any]:
    return gym.make(
        "sage_env:SageVideoQA-v0",
        disable_env_checker=True,
        dataset=list(items),
        opener=RememberedVideo,
        frame_size=SIZE,
        overview_frames=FRAMES,
        frames_per_turn=FRAMES,
        max_frames=2 * FRAMES,
        max_turns=2,
    )


def _monitored(items: Sequence[QAItem]) -> Monitor:
    """Return an environment with flat spaces that records rewards for Stable-Baselines3."""
    env = DiscreteActions(_make(items), num_frames=FRAMES, skips=(), samples=(1.0,), zooms=())
    return Monitor(NumericObservations(env, tile=SIZE))


if __name__ == "__main__":
    main(tyro.cli(Settings))
