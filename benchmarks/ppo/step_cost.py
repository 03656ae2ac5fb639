"""What one update costs: ours, TRL's trainer, and a row per turn, on the same recorded episodes.

    python -m benchmarks.ppo.step_cost [--quick] [--rounds 5] [--out benchmarks/reports]

Episodes of six turns, with frames in every turn, about SageSynth's videos; `sage-mm-tiny` with LoRA
adapters. Everyone takes the same optimiser steps on the same tokens: clipped surrogate, token mean,
one advantage per episode, no critic, because TRL has none for a vision-language model; our update
with its critic stands beside them. One thread each, one after the other in every round; trained
tokens are the sampled ones. TRL is absent where it is not installed (`pip install trl`).

Gradients are compared first: the time of a contestant that computes something else says nothing.
TRL's differs a little, because it does not leave out the ids that the policy may not sample.

Memory is computed at the shape of Qwen3-VL-4B, without any weights.
"""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import tyro

from algos.evaluation.tables import format_table
from algos.ppo.config import PPOConfig
from benchmarks.ppo import step_memory, step_trl
from benchmarks.ppo.step_contestants import OURS, ROWS, TRL, TRL_GIVEN, Contestants, Cost, apart
from benchmarks.ppo.step_episodes import OVERVIEW, TURNS, ZOOM_FRAMES
from benchmarks.provenance import commit

BARS = {TRL: 2.0, TRL_GIVEN: 2.0, ROWS: 3.0}
MEMORY_BAR = 1.15
CONFIG = PPOConfig(advantage="group", episodes_per_question=4, micro_batch=2, minibatches=2)
MOST_APART = {ROWS: 1e-4, TRL: 0.05}


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """One question, one round."""
    questions: int = 4
    """Questions; four episodes are recorded of each."""
    rounds: int = 5
    """Updates of everyone; figures are medians."""
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
    changes = {"micro_batch": settings.micro_batch, "minibatches": settings.minibatches}
    config = replace(CONFIG, **changes)
    questions = 1 if settings.quick else settings.questions
    contestants = Contestants(config, questions, settings.root)
    gaps = _gaps(contestants)
    costs: dict[str, list[Cost]] = {name: [] for name in contestants.updates}
    for _ in range(1 if settings.quick else settings.rounds):
        for name, update in contestants.updates.items():
            costs[name].append(update())
    text = report(config, contestants, gaps, costs)
    print(text)
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "ppo_step.md").write_text(text, encoding="utf-8")


def _gaps(contestants: Contestants) -> dict[str, float]:
    """Return how far each gradient is from ours, as a share of it.

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
    costs: Mapping[str, Sequence[Cost]],
) -> str:
    """Return the report as Markdown."""
    lengths, absent = contestants.batch.attention.sum(1).float(), step_trl.absent()
    lines = [
        "# One update of PPO",
        "",
        f"- command: `python -m benchmarks.ppo.step_cost {shlex.join(sys.argv[1:])}`",
        f"- commit: {commit()}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, torch {torch.__version__}, one thread",
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


def _line(trained: int, name: str, costs: Mapping[str, Sequence[Cost]]) -> tuple[str, ...]:
    cpu, wall = (statistics.median(column) for column in zip(*costs[name], strict=True))
    # By round: what else the machine does changes from round to round, and hits all of them.
    ratio = statistics.median(
        theirs[0] / ours[0] for theirs, ours in zip(costs[name], costs[OURS], strict=True)
    )
    cells = (f"{cpu:.2f}", f"{wall:.2f}", f"{trained / cpu:.0f}", f"{trained / wall:.0f}")
    bar = BARS.get(name)
    verdict = ("", "") if bar is None else (f"{bar:g} x", "met" if ratio >= bar else "NOT MET")
    return (name, *cells, f"{ratio:.2f} x", *verdict)


def _memory() -> list[str]:
    """Return the lines about memory at the 4B shape."""
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
        "Counted: the weights of the one bf16 base, and all that is trained in float32, with its "
        "gradients and Adam's two moments. Not counted: activations, which are those of one model, "
        "since actor, critic and reference run one after the other, and frame features, which are "
        "kept on the CPU.",
    ]


if __name__ == "__main__":
    main(tyro.cli(Settings))
