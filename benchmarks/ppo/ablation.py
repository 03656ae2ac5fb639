"""What each choice of the trainer is worth, on a task of which a run takes seconds.

    python -m benchmarks.ppo.ablation [--quick] [--seeds 0 1 2] [--out benchmarks/reports]

The task is that of `ablation_task.py`: the real environment and rewards, the real trainer, and a
policy of a few thousand weights. Every line changes one thing of the first line. Estimators are all
that `PPOConfig` knows, GAE over turns and on two levels with the lambdas of their presets. Two
lines are defects that are found in the wild and are no settings of the trainer; they are made
here, around it: one baseline for the whole batch instead of one per question (SAGE's released
code), and a stop token that is not learned from.

What holds for small policies need not hold for large ones; no figure here is about video.
"""

from __future__ import annotations

import os
import platform
import shlex
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints
from unittest.mock import patch

import torch
import tyro

from algos import presets
from algos.evaluation.tables import format_table, spread
from algos.ppo import training
from algos.ppo.config import PPOConfig
from algos.ppo.training import train
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.metrics import read_metrics
from benchmarks.ppo.ablation_task import STOP, cloned_policy, make_envs, questions
from benchmarks.provenance import commit
from policies.base import TokenBatch
from sage_env.rewards import PRESETS

ENVS, ROUNDS, LEARNED = 64, 8, 0.8
CLOCKS = ("turn-ppo", "bi-level")  # presets that differ in what a step of GAE is
BASE = PPOConfig(
    updates=24,
    questions_per_update=8,
    episodes_per_question=8,
    minibatches=2,
    micro_batch=64,
    epochs=2,
    actor_lr=5e-3,
    critic_lr=1e-2,
    checkpoint_every=1000,
)
QUICK = replace(BASE, updates=2, questions_per_update=2, episodes_per_question=4, critic_warmup=1)


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    quick: bool = False
    """Two updates of one seed: does it run."""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of policy and trainer."""
    out: Path | None = None
    """Folder to write the report to."""


@dataclass(frozen=True)
class Case:
    """One line of the table.

    Attributes:
        name: what is changed.
        changes: of the settings.
        reward: preset.
        around: what is done to the trainer while it runs.
    """

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    reward: str = "answer"
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True)
class Outcome:
    """What a run came to, at T = 1.

    Attributes:
        accuracy: at the end.
        curve: mean of the updates' accuracies: who learns sooner has more.
        turns_easy: at the end, on questions that need no look.
        turns_hard: on those that need one.
        learned: the first update with 80 % right; `None` if there was none.
    """

    accuracy: float
    curve: float
    turns_easy: float
    turns_hard: float
    learned: int | None


def cases() -> list[Case]:
    """Return the lines, the unchanged trainer first."""
    values = get_args(get_type_hints(PPOConfig)["advantage"])
    found = [Case(f"advantage={v}", {"advantage": v}) for v in values if v != BASE.advantage]
    group = {"advantage": "group"}
    return [
        Case("default"),
        *found,
        *(Case(f"GAE of the preset {name}", dict(presets.PRESETS[name])) for name in CLOCKS),
        Case("no critic warm-up", {"critic_warmup": 0}),
        Case("advantage=group, one group for the batch", group, around=whole_batch_group),
        Case("stop token not learned from", around=stop_token_left_out),
        *(Case(f"reward {name}", reward=name) for name in PRESETS if name != "answer"),
    ]


def whole_batch_group() -> AbstractContextManager[Any]:
    """Let the trainer take all episodes of an update for episodes of one question."""
    make_targets = training.make_targets

    def ungrouped(config: Any, policy: Any, batch: Any, groups: Sequence[Any], *rest: Any) -> Any:
        return make_targets(config, policy, batch, ["all"] * len(groups), *rest)

    return patch.object(training, "make_targets", ungrouped)


def stop_token_left_out() -> AbstractContextManager[Any]:
    """Let the trainer take the stop token for one that the policy did not choose."""
    collate = training.collate

    def without(*arguments: Any, **options: Any) -> TokenBatch:
        return _without_stop(collate(*arguments, **options))

    return patch.object(training, "collate", without)


def _without_stop(batch: TokenBatch) -> TokenBatch:
    """Unmark the stop tokens; a reward that was on one goes to the sampled token before it."""
    sampled = batch.sampled & (batch.ids != STOP)
    # An episode that only ever stopped would have nothing left to carry its reward.
    sampled = torch.where(sampled.any(1, keepdim=True), sampled, batch.sampled)
    rewards = torch.zeros_like(batch.rewards)
    for row, place in (batch.rewards != 0).nonzero().tolist():
        before = sampled[row, : place + 1].nonzero()
        target = int(before[-1]) if len(before) else int(sampled[row].nonzero()[0])
        rewards[row, target] += batch.rewards[row, place]
    return replace(batch, sampled=sampled, rewards=rewards)


def run(case: Case, config: PPOConfig, folder: Path) -> Outcome:
    """Train one policy from the cloned one, and play it."""
    policy, envs = cloned_policy(config.seed), make_envs(ENVS, case.reward)
    items = [item.id for item in questions()]
    with case.around():
        train(replace(config, **case.changes), policy, envs, items, folder, progress=False)
    policy.temperature = 1.0
    played = collect(
        envs, policy, [EpisodeSpec(item, 0) for item in items] * ROUNDS, seed=config.seed
    )
    for env in envs:
        env.close()
    rows = read_metrics(folder / "metrics.jsonl")
    shares = {int(row["update"] or 0): float(row.get("rollout/accuracy") or 0.0) for row in rows}
    shares.pop(0, None)  # before learning: nothing was played
    learned = [update for update, share in shares.items() if share >= LEARNED]
    return Outcome(
        accuracy=statistics.mean(bool(t.turns[-1].info["correct"]) for t in played),
        curve=statistics.mean(shares.values()),
        turns_easy=_turns(played, "easy"),
        turns_hard=_turns(played, "hard"),
        learned=learned[0] if learned else None,
    )


def _turns(played: Sequence[Trajectory], kind: str) -> float:
    return statistics.mean(t.num_turns for t in played if str(t.item_id).startswith(kind))


def main(settings: Settings) -> None:
    """Run every case with every seed, print the table, and write it if a folder is given."""
    torch.set_num_threads(1)
    base, seeds = (QUICK, settings.seeds[:1]) if settings.quick else (BASE, settings.seeds)
    outcomes: dict[str, list[Outcome]] = {}
    began = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        for number, case in enumerate(cases()):
            outcomes[case.name] = [
                run(case, replace(base, seed=seed), Path(name) / f"{number}-{seed}")
                for seed in seeds
            ]
    text = report(base, seeds, outcomes, time.process_time() - began)
    print(text)
    if settings.out is not None:
        settings.out.mkdir(parents=True, exist_ok=True)
        (settings.out / "ppo_ablation.md").write_text(text, encoding="utf-8")


def report(
    base: PPOConfig, seeds: Sequence[int], outcomes: dict[str, list[Outcome]], cpu: float
) -> str:
    """Return the report as Markdown."""
    episodes = base.updates * base.questions_per_update * base.episodes_per_question
    header = ("changed", "accuracy", "over the run", "turns, easy", "turns, hard")
    header += (f"update of {LEARNED:.0%}",)
    lines = [
        "# Ablations of the trainer",
        "",
        f"- command: `python -m benchmarks.ppo.ablation {shlex.join(sys.argv[1:])}`",
        f"- commit: {commit()}",
        f"- machine: {os.cpu_count()} cores ({platform.machine()}), Python "
        f"{platform.python_version()}, torch {torch.__version__}; {cpu:.0f} CPU seconds in all",
        f"- {base.updates} updates, {episodes} episodes a run; seeds {' '.join(map(str, seeds))}; "
        "sampled at T = 1; mean over seeds and, in brackets, lowest and highest seed",
        "- the best there is: accuracy 100, one turn on easy questions, two on hard ones",
        "",
        "```",
        format_table(header, [_line(name, found) for name, found in outcomes.items()]),
        "```",
        "",
        "A toy task: what is best here need not be best for a video model.",
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, found: Sequence[Outcome]) -> tuple[str, ...]:
    learned = [outcome.learned for outcome in found]
    known = [float(update) for update in learned if update is not None]
    never = len(learned) - len(known)
    return (
        name,
        spread([100 * outcome.accuracy for outcome in found], ".1f"),
        spread([100 * outcome.curve for outcome in found], ".1f"),
        spread([outcome.turns_easy for outcome in found], ".2f"),
        spread([outcome.turns_hard for outcome in found], ".2f"),
        (spread(known, ".0f") if known else "-") + (f", {never} never" if never else ""),
    )


if __name__ == "__main__":
    main(tyro.cli(Settings))
