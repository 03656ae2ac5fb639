"""Cost of one PPO update: ours, TRL's trainer, and a row per turn, on the same recorded episodes.

    python -m benchmarks.ppo.step_cost [--quick] [--rounds 5] [--out benchmarks/reports]

Episodes have six turns with frames in each, about SageSynth's videos; the model is `sage-mm-tiny`
with LoRA adapters. All contestants run the same optimiser steps on the same tokens: clipped
surrogate, token mean, one advantage per episode. None has a critic, because TRL has none for a
vision-language model; our update with its critic stands beside them. One thread; in every round all
run one after the other. Trained tokens are the sampled ones. TRL is reported as absent where it is
not installed (`pip install trl`).

Gradients are compared first, which is the warm-up too: the time of a contestant that computes
something else says nothing. TRL's gradient differs a little, because its softmax includes the ids
that the policy may not sample.

Memory is computed at the shape of Qwen3-VL-4B, without weights.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from algos.evaluation.tables import format_table
from algos.ppo.config import PPOConfig
from benchmarks.ppo import step_memory, step_trl
from benchmarks.ppo.step_contestants import OURS, ROWS, TRL, TRL_GIVEN, Contestants, apart
from benchmarks.ppo.step_episodes import OVERVIEW, TURNS, ZOOM_FRAMES
from benchmarks.provenance import header, publish, versions
from benchmarks.timing import Seconds, median_ratio

BARS = {TRL: 2.0, TRL_GIVEN: 2.0, ROWS: 3.0}  # times the CPU time of our update, at least
MEMORY_BAR = 1.15  # times the memory of one model, at most
CONFIG = PPOConfig(advantage="group", episodes_per_question=4, micro_batch=2, minibatches=2)
# Distance of a gradient from ours, as a share of its norm: float32 rounding for a row per turn; for
# TRL also the softmax over ids that may not be sampled. Measured: reports/ppo_step.md.
MOST_APART = {ROWS: 1e-4, TRL: 0.05}


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One question, one round."""
    questions: int = 4
    """Questions; four episodes are recorded of each."""
    rounds: int = 5
    """Updates of each contestant; figures are medians."""
    micro_batch: int = CONFIG.micro_batch
    """Episodes (or rows) per pass."""
    minibatches: int = CONFIG.minibatches
    """Optimiser steps per update."""
    root: Path | None = None
    """Folder of the videos."""
    out: Path | None = None
    """Folder to write the report to."""


def main(settings: Settings) -> None:
    """Compare gradients, measure, print, and write the report if a folder is given."""
    torch.set_num_threads(1)
    config = replace(CONFIG, micro_batch=settings.micro_batch, minibatches=settings.minibatches)
    questions = 1 if settings.quick else settings.questions
    contestants = Contestants(config, questions, settings.root)
    gaps = _gaps(contestants)
    costs: dict[str, list[Seconds]] = {name: [] for name in contestants.updates}
    for _ in range(1 if settings.quick else settings.rounds):
        for name, update in contestants.updates.items():
            costs[name].append(update())
    publish(report(config, contestants, gaps, costs), settings.out, "ppo_step.md")


def _gaps(contestants: Contestants) -> dict[str, float]:
    """Return the distance of each gradient from ours, as a share of our gradient's norm.

    Raises:
        RuntimeError: if one is too far to be the same update.
    """
    gradients = contestants.gradients()
    ours = gradients.pop(OURS)
    gaps = {name: apart(ours, gradient) for name, gradient in gradients.items()}
    for name, gap in gaps.items():
        if not gap <= MOST_APART[name]:
            raise RuntimeError(
                f"the gradient of {name} is {gap:.2g} away from ours, expected at most "
                f"{MOST_APART[name]}: it does not compute the same update"
            )
    return gaps


def report(
    config: PPOConfig,
    contestants: Contestants,
    gaps: Mapping[str, float],
    costs: Mapping[str, Sequence[Seconds]],
) -> str:
    """Return the report as Markdown.

    Args:
        config: settings of all contestants.
        contestants: with the recorded episodes.
        gaps: distance of each gradient from ours.
        costs: of each contestant's updates, by round.
    """
    lengths, absent = contestants.batch.attention.sum(1).float(), step_trl.absent()
    lines = [
        *header(
            "One update of PPO",
            "benchmarks.ppo.step_cost",
            libraries=versions("torch"),
            remark="one thread",
        ),
        f"- absent: TRL ({absent})" if absent else f"- TRL: {step_trl.about()}",
        f"- {len(contestants.batch)} episodes of {TURNS} turns ({OVERVIEW} frames, then "
        f"{ZOOM_FRAMES} a turn) and {lengths.mean():.0f} tokens; {contestants.trained} trained "
        f"tokens; {config.minibatches} optimiser steps, {config.micro_batch} episodes or rows per "
        "pass",
        f"- medians of {len(costs[OURS])} rounds; tokens are trained ones per second of an update",
        "",
        "```",
        format_table(
            ("update", "CPU s", "wall s", "tokens/CPU s", "tokens/wall s", "ours", "bar", ""),
            [_line(contestants.trained, name, costs) for name in costs],
        ),
        "```",
        "",
        "Gradients, distance from ours as a share of its norm: "
        + ", ".join(f"{name} {gap:.1e}" for name, gap in gaps.items()),
        "",
        *_memory(),
    ]
    return "\n".join(lines) + "\n"


def _line(trained: int, name: str, costs: Mapping[str, Sequence[Seconds]]) -> tuple[str, ...]:
    """Return a contestant's row: its times, tokens per second, ratio to ours, bar and verdict."""
    cpu, wall = (statistics.median(column) for column in zip(*costs[name], strict=True))
    ratio = median_ratio((c.cpu for c in costs[name]), (c.cpu for c in costs[OURS]))
    cells = (f"{cpu:.2f}", f"{wall:.2f}", f"{trained / cpu:.0f}", f"{trained / wall:.0f}")
    bar = BARS.get(name)
    verdict = ("", "") if bar is None else (f"{bar:g} x", "met" if ratio >= bar else "NOT MET")
    return (name, *cells, f"{ratio:.2f} x", *verdict)


def _memory() -> list[str]:
    """Return the lines about memory at the shape of Qwen3-VL-4B."""
    rows = []
    for case in step_memory.CASES:
        sizes = step_memory.memory(case)
        ratio = sum(sizes.values()) / sizes["one model"]
        verdict = "met" if ratio <= MEMORY_BAR else "NOT MET"
        cells = [f"{size / 2**30:.2f}" for size in sizes.values()]
        rows.append((case.name, *cells, f"{ratio:.3f}", verdict))
    return [
        f"Memory of actor, critic and reference at the shape of Qwen3-VL-4B in GiB, bar "
        f"{MEMORY_BAR} of one model:",
        "",
        "```",
        format_table(("adapters", *step_memory.PARTS, "ratio", ""), rows),
        "```",
        "",
        "Counted: the weights of the one bf16 base; trained weights in float32 with their "
        "gradients and Adam's two moments. Not counted: activations, which are those of one model, "
        "since actor, critic and reference run one after the other; frame features, which are "
        "kept on the CPU.",
    ]


if __name__ == "__main__":
    main(tyro.cli(Settings))
