"""Which bugs of a sampler does the proof of every update see, in float32 and in 16 bits?

    python -m benchmarks.ppo.sampler_bugs [--quick] [--dtypes bfloat16] [--seeds 0 1] \
[--out benchmarks/reports]

The shipped model is trained with PPO on SageSynth (frames are drawn, so that no video is rendered).
At some updates it plays fresh episodes with each bug of `planted_samplers` and with none, and
groups of eight episodes, which is what an update checks, are scored again as
`algos.exactness.rescoring` does. A table says, for each bug, in what range each statistic lies over
all groups, and how many groups are beyond the tolerance of the dtype: all should be, and none
without a bug. The tolerances of `algos.exactness.tolerance` were chosen by it.

What is measured is the shipped model on a CPU. Larger models round more, which is why a tolerance
grows with the learner's own noise; how much, on a GPU, was not measured.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import torch
import tyro

from algos.batching.token_batches import collate
from algos.evaluation.tables import format_table
from algos.exactness.rescoring import rescore
from algos.exactness.tolerance import NOISE_FACTOR, STATISTICS, Tolerance, tolerance_of
from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.rollout.playing import EpisodeSpec, collect
from benchmarks.ppo.planted_samplers import BUGS, Bug, PlantedSampler
from benchmarks.provenance import header, versions, write
from policies.base import TrainablePolicy
from policies.sage_mm import LoraSettings
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv
from sage_env.rewards import efficient
from sage_env.synth import open_rendered, sage_synth

GROUP = 8  # episodes that an update checks by default
SHORT = 120.0  # seconds of the longest video that is asked about
Dtype = Literal["float32", "bfloat16", "float16"]
Metrics = Mapping[str, float | None]
Found = dict[tuple[Dtype, Bug], list[Metrics]]


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One group of two bugs at two updates of one seed, in bfloat16: does it run?"""
    dtypes: tuple[Dtype, ...] = ("bfloat16", "float16", "float32")
    """Of the frozen base; adapters and value head are float32."""
    seeds: tuple[int, ...] = (0, 1)
    """Seeds of adapters and trainer."""
    stages: tuple[int, ...] = (0, 1, 4)
    """Updates after which bugs are planted."""
    groups: int = 2
    """Groups of eight episodes for each bug; without a bug, twice as many."""
    out: Path | None = None
    """Folder to write the report to."""


QUICK = Settings(True, ("bfloat16",), (0,), (0, 1), 1)


def main(settings: Settings) -> None:
    """Train, plant, score again, and write the report after every training."""
    torch.set_num_threads(1)
    if settings.quick:
        settings = Settings(**{**vars(QUICK), "out": settings.out})
    found: Found = {}
    text = ""
    for dtype in settings.dtypes:
        for seed in settings.seeds:
            measure(settings, dtype, seed, found)
            text = report(settings, found)
            write(text, settings.out, "sampler_bugs.md")
    print(text)


def measure(settings: Settings, dtype: Dtype, seed: int, found: Found) -> None:
    """Train once, and add what is measured on the way.

    Args:
        settings: updates and groups.
        dtype: of the base.
        seed: of adapters and trainer.
        found: gets the metrics of each group.
    """
    items = [item for item in sage_synth() if item.duration and item.duration <= SHORT][:12]
    loaded = PlantedSampler.load(lora=LoraSettings(r=16, seed=seed), dtype=dtype)
    policy = cast(PlantedSampler, loaded)
    options = {**policy.env_options, "reward": efficient(0.8, 0.15)}
    envs = [VideoQAEnv(dataset=items, opener=open_rendered, **options) for _ in range(32)]
    update = -1

    def validate(_: TrainablePolicy) -> float:
        nonlocal update
        update += 1
        if update in settings.stages:
            bugs = BUGS[:2] if settings.quick else BUGS
            for bug in bugs:
                if update > 0 or bug != "stale adapter":  # nothing is stale before the first step
                    rows = _groups(settings, policy, envs, items, bug, update)
                    found.setdefault((dtype, bug), []).extend(rows)
        return 0.0

    config = PPOConfig(
        seed=seed,
        advantage="group",
        updates=max(settings.stages),
        questions_per_update=4,
        actor_lr=1e-3,  # that of the shipped settings
        micro_batch=GROUP,
        rescore_sample=0,
        eval_every=1,
    )
    with tempfile.TemporaryDirectory() as folder:
        ids = [item.id for item in items]
        train(config, policy, envs, ids, Path(folder), validate=validate, progress=False)


def _groups(
    settings: Settings,
    policy: PlantedSampler,
    envs: Sequence[VideoQAEnv],
    items: Sequence[QAItem],
    bug: Bug,
    update: int,
) -> list[Metrics]:
    """Play with a bug, and return the metrics of each group of episodes that is scored again."""
    count = settings.groups * (2 if bug == "none" else 1)
    policy.bug, policy.temperature = bug, 1.0
    # Neighbours are of different questions, as those are that an update draws.
    specs = [EpisodeSpec(items[k % len(items)].id, 1000 + update) for k in range(GROUP * count)]
    played = collect(envs, policy, specs, seed=1000 + update)
    policy.bug = "none"
    rows = []
    for begin in range(0, len(played), GROUP):
        part = played[begin : begin + GROUP]
        result = rescore(policy, collate(part, 1.0), part, micro_batch=GROUP, tolerance=None)
        rows.append(result.metrics)
    return rows


def report(settings: Settings, found: Found) -> str:
    """Return the report as Markdown."""
    libraries = versions("torch", "transformers", "peft")
    seeds, stages = (" ".join(map(str, x)) for x in (settings.seeds, settings.stages))
    lines = [
        *header("Bugs of a sampler", "benchmarks.ppo.sampler_bugs", libraries=libraries),
        f"- the shipped model, rank 16; seeds {seeds}; after updates {stages}; {GROUP} episodes a",
        "  group; lowest to highest group",
        "- *noise*: of the learner against itself, episodes alone and beside a twin",
        f"- a bound is that of the dtype or, where that is more, {NOISE_FACTOR:g} times the noise",
    ]
    for dtype in settings.dtypes:
        rows = {bug: found[dtype, bug] for bug in BUGS if (dtype, bug) in found}
        if rows:
            lines += ["", f"## {dtype}", "", "```", _table(_bounds(dtype), rows), "```"]
    return "\n".join(lines) + "\n"


def _bounds(dtype: Dtype) -> Tolerance:
    return tolerance_of(PlantedSampler.load(lora=LoraSettings(r=1), dtype=dtype), None)


def _table(bounds: Tolerance, rows: Mapping[Bug, Sequence[Metrics]]) -> str:
    metrics = [metric for metric, _ in STATISTICS.values()]
    metrics += ["proof/imbalance", "proof/imbalance_score"]
    names = ("sampler", "caught", *(name for _, name in STATISTICS.values()), "one way", "score")
    lines = []
    for bug, groups in rows.items():
        caught = sum(bool(bounds.exceeded(group)) for group in groups)
        cells = [_span([group[metric] for group in groups]) for metric in metrics]
        lines.append((bug, f"{caught}/{len(groups)}", *cells))
    noise = [_span([group.get(f"proof/noise_{k}") for group in rows["none"]]) for k in STATISTICS]
    lines.append(("noise", "", *noise, "", ""))
    allowed = [getattr(bounds, name) for name in (*STATISTICS, "imbalance", "score")]
    lines.append(("bound", "", *(f"{bound:.2g}" for bound in allowed)))
    return format_table(names, lines)


def _span(values: Sequence[float | None]) -> str:
    known = [abs(value) for value in values if value is not None]
    return f"{min(known):.2g}-{max(known):.2g}" if known else "-"


if __name__ == "__main__":
    main(tyro.cli(Settings))
