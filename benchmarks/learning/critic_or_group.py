"""PPO with a critic beside PPO with a mean per question (as GRPO has it), on SageSynth.

    python -m benchmarks.learning.critic_or_group [--seeds 0 1 2] [--out benchmarks/reports]

Both start from the shipped base and get the same questions in the same order, as many episodes and
updates, and the same rewards. They differ in the baseline of an episode's return: the mean of the
question's other episodes ("group"), GAE with a critic ("critic"), or GAE with a critic of the
return minus that mean ("both"). They are compared

- at equal episodes: each run's best validated update;
- at equal time: the best validated of the updates that had ended when the CPU seconds of all
  updates of "group" were spent.

"group" is the run of `benchmarks.learning.three_seeds`; what is there already is not run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import torch
import tyro

from algos.evaluation.measures import LONG, EvalResult, difference, measures_of, of_length
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import difference_cell, format_table, spread
from algos.experiment.rows import Row
from algos.experiment.settings import SMALL, Training
from algos.experiment.stages import open_stages
from algos.runs import checkpoint
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder
from benchmarks.provenance import header, publish, versions
from sage_env.synth.build import build

BASE, EPISODES, TIME = "base", "equal episodes", "equal time"
HEADER = ("advantage", "at", "updates", "accuracy", LONG, "frames", "turns", "CPU s")
GAINS = ("seed", "minus group", "at", "all", LONG)


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of PPO."""
    critics: tuple[str, ...] = ("critic",)
    """Estimators that are compared with "group": "critic", "both"."""
    groups: Path = Path("runs/first-light-seeds")
    """Folder of the runs with "group"."""
    runs: Path = Path("runs/critic-or-group")
    """Folder of the others."""
    out: Path | None = None
    """Folder to write the report to."""
    root: Path | None = None
    """Folder of the videos."""


@dataclass(frozen=True)
class RunPoint:
    """Results of one run at one point of it: after all episodes, or after some CPU time.

    Attributes:
        update: the update whose adapter was evaluated.
        cpu: CPU seconds of all updates up to the point, rollouts and learning.
        episodes: greedy ones on the test videos, core tier.
    """

    update: int
    cpu: float
    episodes: Sequence[EpisodeResult]


def main(settings: Settings) -> None:
    """Run what is missing, print the table, and write the report if a folder is given."""
    torch.set_num_threads(1)
    build(settings.root)
    found: dict[tuple[str, str], list[RunPoint]] = {}
    for seed in settings.seeds:
        group = outcomes(configured(settings, "group", seed), None)
        spent = group[EPISODES].cpu
        for advantage in ("group", *settings.critics):
            played = group
            if advantage != "group":
                played = outcomes(configured(settings, advantage, seed), spent)
            for point, outcome in played.items():
                found.setdefault((advantage, point), []).append(outcome)
    publish(report(settings, found), settings.out, "critic_or_group.md")


def configured(settings: Settings, advantage: str, seed: int) -> Training:
    """Return the settings of one run; "group" has those of `benchmarks.learning.three_seeds`."""
    config = Training(run=settings.groups / f"seed-{seed}", root=settings.root)
    own: dict[str, Any] = {"seed": seed}
    if advantage != "group":
        config = replace(config, run=settings.runs / f"{advantage}-seed-{seed}")
        own |= {"advantage": advantage, "keep_last": config.ppo.updates + 1}
    return replace(config, ppo=replace(config.ppo, **own))


def outcomes(config: Training, seconds: float | None) -> dict[str, RunPoint]:
    """Train, and evaluate the best update of the run.

    Args:
        config: of the run.
        seconds: also evaluate the best update within so many CPU seconds; `None`: the base instead.
    """
    folder = RunFolder(config.run)
    with folder.alone():
        return _outcomes(folder, config, seconds)


def _outcomes(folder: RunFolder, config: Training, seconds: float | None) -> dict[str, RunPoint]:
    stages = open_stages(config, folder)
    folder.save_config(config)
    policy = stages.policy
    if seconds is None:
        policy.temperature = 0.0
        stages.measure(Row("base", BASE, "base"), policy, "greedy")
    stages.learn()
    policy.temperature = 0.0
    stages.measure(Row("after", "after PPO", "after-ppo"), policy, "greedy")
    rows = read_metrics(folder.metrics)
    best, spent = chosen(rows)
    ended = stages.results["after-ppo-greedy"]
    found = {EPISODES: RunPoint(best, spent, _core(ended))}
    if seconds is None:
        found[BASE] = RunPoint(0, 0.0, _core(stages.results["base-greedy"]))
        return found
    early, spent = chosen(rows, seconds)
    if early != best:
        policy.load_state(checkpoint.load(folder.checkpoints, early).policy)
        stages.measure(Row("after", "equal time", "equal-time"), policy, "greedy")
        ended = stages.results["equal-time-greedy"]
    return found | {TIME: RunPoint(early, spent, _core(ended))}


def chosen(rows: Sequence[Mapping[str, Any]], seconds: float | None = None) -> tuple[int, float]:
    """Return the best validated update, the earliest of equals, and the CPU seconds spent.

    Args:
        rows: of `metrics.jsonl`, update 0, the base, first.
        seconds: take the updates that had ended when so many CPU seconds were spent; `None`: all.
    """
    spent, scores = 0.0, {}
    for row in rows:
        after = spent + row.get("time/cpu", 0.0)
        if seconds is not None and after > seconds:
            break
        spent = after
        if "eval/score" in row:
            scores[row["update"]] = row["eval/score"]
    return max(scores, key=lambda update: (scores[update], -update)), spent


def _core(result: EvalResult) -> list[EpisodeResult]:
    return result.only({"tier": "core"}).episodes()


def report(settings: Settings, found: Mapping[tuple[str, str], Sequence[RunPoint]]) -> str:
    """Return the report as Markdown."""
    seeds = " ".join(map(str, settings.seeds))
    lines = [_line(*key, outcomes) for key, outcomes in found.items()]
    gains = [
        _gain(seed, advantage, point, outcome, group)
        for (advantage, point), outcomes in found.items()
        if advantage != "group"
        for seed, outcome, group in zip(
            settings.seeds, outcomes, found["group", EPISODES], strict=True
        )
    ]
    return "\n".join(
        [
            *header(
                "A critic or a mean per question",
                "benchmarks.learning.critic_or_group",
                libraries=versions("torch"),
            ),
            f"- seeds {seeds}; held-out videos, core tier, greedy; mean over seeds and, in "
            "brackets, lowest and highest seed",
            f"- critic: learning rate {SMALL['critic_lr']:g}, a head on the frozen base's states",
            "",
            "```",
            format_table(HEADER, lines),
            "```",
            "",
            "Points of accuracy more than `group` with the same seed, paired by question, 95 %",
            "interval over videos:",
            "",
            "```",
            format_table(GAINS, gains, text_columns=3),
            "```",
            "",
        ]
    )


def _line(advantage: str, point: str, outcomes: Sequence[RunPoint]) -> tuple[str, ...]:
    every = [measures_of(outcome.episodes) for outcome in outcomes]
    long = [measures_of(of_length(outcome.episodes, LONG)) for outcome in outcomes]
    name = "-" if point == BASE else advantage
    return (
        name,
        point,
        " ".join(str(outcome.update) for outcome in outcomes),
        spread([100 * (m.accuracy or 0.0) for m in every]),
        spread([100 * (m.accuracy or 0.0) for m in long]),
        spread([m.frames or 0.0 for m in every]),
        spread([m.turns or 0.0 for m in every], ".2f"),
        format(fmean(outcome.cpu for outcome in outcomes), ".0f"),
    )


def _gain(seed: int, name: str, point: str, ours: RunPoint, group: RunPoint) -> tuple[str, ...]:
    gaps = [
        difference(of_length(ours.episodes, length), of_length(group.episodes, length))
        for length in (None, LONG)
    ]
    return (str(seed), name, point, *map(difference_cell, gaps))


if __name__ == "__main__":
    main(tyro.cli(Settings))
