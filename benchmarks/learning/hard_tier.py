"""The hard tier (`order`, `count`, `detail`): who gets how much of it, by family.

    python -m benchmarks.learning.hard_tier [--adapters runs/hard-tier/adapter ...]
        [--split validation] [--seed 0] [--videos 42] [--core]

Plays the demonstrator (with its habits, and without), the shipped model, and the shipped model with
each adapter, all in the same budget, greedy, on rendered videos. Intervals are over videos, gains
are over the demonstrator with its habits, paired by question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import tyro

from algos.evaluation.measures import EvalResult, difference, evaluate, measures_of
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import difference_cell, format_table
from algos.tiny.demonstrations import BUDGET, make_env
from policies.base import BatchPolicy
from policies.baselines.scripted import DEMONSTRATOR, Scripted
from policies.sage_mm import SageMM
from sage_env.datasets.item import QAItem
from sage_env.synth import sage_synth

HEADER = ("policy", "family", "questions", "accuracy", "interval", "over the demonstrator")
SLOTS = 48  # episodes that are played side by side; it trades memory for larger batches


@dataclass(frozen=True)
class Settings:
    """Measure adapters on the hard tier."""

    adapters: tuple[Path, ...] = ()
    """Folders of adapters of the shipped model."""
    split: str = "validation"
    """Part of the dataset."""
    seed: int = 0
    """Seed of the videos; 0 is that of the dataset."""
    videos: int = 42
    """Videos to render."""
    core: bool = False
    """Whether the core tier is played as well: what is lost there."""


def main(settings: Settings) -> None:
    """Print a line for each policy and family."""
    torch.set_num_threads(1)
    items = sage_synth(None, settings.split, seed=settings.seed, count=settings.videos)
    asked = [item for item in items if settings.core or item.group["tier"] == "hard"]
    players: dict[str, BatchPolicy] = {
        "demonstrator": Scripted.load(DEMONSTRATOR),
        "scripted": Scripted.load(),
        "base": SageMM.load(temperature=0.0),
    }
    players |= {str(a): SageMM.load(adapter=a, temperature=0.0) for a in settings.adapters}
    results = {name: _play(policy, asked) for name, policy in players.items()}
    families = list(dict.fromkeys(str(item.group["family"]) for item in asked))
    groups = [(("tier", "hard"), "hard tier")] + [(("family", f), f) for f in families]
    groups += [(("tier", "core"), "core tier")] * settings.core
    lines = [
        _line(name, word, _of(result, *key), _of(results["demonstrator"], *key))
        for name, result in results.items()
        for key, word in groups
    ]
    print(format_table(HEADER, lines))


def _play(policy: BatchPolicy, asked: Sequence[QAItem]) -> EvalResult:
    envs = [make_env(asked, **BUDGET) for _ in range(SLOTS)]
    return evaluate(envs, policy, asked)


def _of(result: EvalResult, key: str, value: str) -> list[EpisodeResult]:
    return [episode for episode in result.episodes() if episode.group[key] == value]


def _line(
    name: str, word: str, played: Sequence[EpisodeResult], shown: Sequence[EpisodeResult]
) -> tuple[str, ...]:
    measures = measures_of(played)
    low, high = measures.interval or (float("nan"), float("nan"))
    cells = (f"{100 * (measures.accuracy or 0.0):.1f}", f"[{100 * low:.1f}, {100 * high:.1f}]")
    return (name, word, str(len(played)), *cells, difference_cell(difference(played, shown)))


if __name__ == "__main__":
    main(tyro.cli(Settings))
