"""Ablation of the trainer: what each choice is worth, on a task that it learns in seconds.

    python -m benchmarks.ppo.ablation [--quick] [--seeds 0 1 2] [--out benchmarks/reports]

The task is that of `ablation_task`: the real environment and rewards, the real trainer, and a
policy of a few thousand weights. Every line changes one thing of the first. All estimators of
`PPOConfig` have a line; GAE over turns and bi-level GAE take the lambdas of their presets. Two
lines are defects found in released code. They are no settings of the trainer, so they are patched
in here: one baseline for the whole batch instead of one per question (SAGE's released code), and a
stop token without a gradient.

What holds for a small policy need not hold for a large one; no figure here is about video.
"""

from __future__ import annotations

import statistics
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
from algos.batching.token_batches import collate
from algos.evaluation.tables import format_table, spread
from algos.ppo import training
from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs.metrics import read_metrics
from benchmarks.ppo.ablation_task import STOP, cloned_policy, make_envs, questions
from benchmarks.provenance import header, publish, versions
from policies.base import TokenBatch
from sage_env import rewards

ENVS = 64  # episodes played side by side
ROUNDS = 8  # evaluation episodes of each question
LEARNED = 0.8  # share of right answers from which an update counts as having learned
# Presets that differ in the step of GAE: a turn, or a turn with tokens inside it.
CLOCKS: tuple[presets.PresetName, ...] = ("turn-ppo", "bi-level")
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
    """Two updates of one seed: does it run?"""
    seeds: tuple[int, ...] = (0, 1, 2)
    """Seeds of policy and trainer."""
    out: Path | None = None
    """Folder to write the report to."""


@dataclass(frozen=True)
class Ablation:
    """One line of the table: the default trainer with one change.

    Attributes:
        name: of the change.
        changes: fields of `PPOConfig`.
        reward: reward preset of the environment.
        around: context in which the trainer runs; it patches a defect in.
    """

    name: str
    changes: dict[str, Any] = field(default_factory=dict)
    reward: str = "answer"
    around: Callable[[], AbstractContextManager[Any]] = nullcontext


@dataclass(frozen=True)
class AblationResult:
    """Results of one run, sampled at T = 1.

    Attributes:
        accuracy: share of right answers at the end, in `[0, 1]`.
        curve: mean accuracy over all updates; faster learning gives more.
        turns_easy: turns per episode at the end, on questions that need no look.
        turns_hard: on questions that need one.
        learned: first update with 80 % right answers; `None` if there is none.
    """

    accuracy: float
    curve: float
    turns_easy: float
    turns_hard: float
    learned: int | None


def ablations() -> list[Ablation]:
    """Return the lines of the table, the default trainer first."""
    values = get_args(get_type_hints(PPOConfig)["advantage"])
    found = [Ablation(f"advantage={v}", {"advantage": v}) for v in values if v != BASE.advantage]
    group = {"advantage": "group"}
    return [
        Ablation("default"),
        *found,
        *(Ablation(f"GAE of the preset {name}", dict(presets.PRESETS[name])) for name in CLOCKS),
        Ablation("no critic warm-up", {"critic_warmup": 0}),
        Ablation("advantage=group, one group for the batch", group, around=whole_batch_group),
        Ablation("stop token not learned from", around=stop_token_left_out),
        *(Ablation(f"reward {name}", reward=name) for name in rewards.PRESETS if name != "answer"),
    ]


def whole_batch_group() -> AbstractContextManager[Any]:
    """Patch the trainer: all episodes of an update are one group, whatever their question."""

    def ungrouped(config: Any, policy: Any, batch: Any, groups: Sequence[Any], *rest: Any) -> Any:
        return make_targets(config, policy, batch, ["all"] * len(groups), *rest)

    return patch.object(training, "make_targets", ungrouped)


def stop_token_left_out() -> AbstractContextManager[Any]:
    """Patch the trainer: the stop token counts as not sampled, so it has no gradient."""

    def without(*arguments: Any, **options: Any) -> TokenBatch:
        return _without_stop(collate(*arguments, **options))

    return patch.object(training, "collate", without)


def _without_stop(batch: TokenBatch) -> TokenBatch:
    """Unmark stop tokens as sampled; a reward on one moves to the sampled token before it."""
    sampled = batch.sampled & (batch.ids != STOP)
    # An episode of stop tokens alone keeps them: its reward needs a sampled token.
    sampled = torch.where(sampled.any(1, keepdim=True), sampled, batch.sampled)
    moved = torch.zeros_like(batch.rewards)
    for row, place in (batch.rewards != 0).nonzero().tolist():
        before = sampled[row, : place + 1].nonzero()
        target = int(before[-1]) if len(before) else int(sampled[row].nonzero()[0])
        moved[row, target] += batch.rewards[row, place]
    return replace(batch, sampled=sampled, rewards=moved)


def run(ablation: Ablation, config: PPOConfig, folder: Path) -> AblationResult:
    """Train a cloned policy with a change, and evaluate it.

    Args:
        ablation: the change.
        config: the default settings, with the seed of policy and trainer.
        folder: of the run's files.
    """
    policy, envs = cloned_policy(config.seed), make_envs(ENVS, ablation.reward)
    items = [item.id for item in questions()]
    changed = replace(config, **ablation.changes)
    with ablation.around():
        training.train(changed, policy, envs, items, folder, progress=False)
    policy.temperature = 1.0
    played = collect(
        envs, policy, [EpisodeSpec(item, 0) for item in items] * ROUNDS, seed=config.seed
    )
    for env in envs:
        env.close()
    rows = read_metrics(folder / "metrics.jsonl")
    shares = {int(row["update"] or 0): float(row.get("rollout/accuracy") or 0.0) for row in rows}
    shares.pop(0, None)  # update 0 is before learning, and has no rollouts
    learned = [update for update, share in shares.items() if share >= LEARNED]
    return AblationResult(
        accuracy=statistics.mean(bool(t.turns[-1].info["correct"]) for t in played),
        curve=statistics.mean(shares.values()),
        turns_easy=_turns(played, "easy"),
        turns_hard=_turns(played, "hard"),
        learned=learned[0] if learned else None,
    )


def _turns(played: Sequence[Trajectory], kind: str) -> float:
    return statistics.mean(t.num_turns for t in played if str(t.item_id).startswith(kind))


def main(settings: Settings) -> None:
    """Run every ablation with every seed, print the table, and write it if a folder is given."""
    torch.set_num_threads(1)
    base, seeds = (QUICK, settings.seeds[:1]) if settings.quick else (BASE, settings.seeds)
    outcomes: dict[str, list[AblationResult]] = {}
    began = time.process_time()
    with tempfile.TemporaryDirectory() as name:
        for number, ablation in enumerate(ablations()):
            outcomes[ablation.name] = [
                run(ablation, replace(base, seed=seed), Path(name) / f"{number}-{seed}")
                for seed in seeds
            ]
    text = report(base, seeds, outcomes, time.process_time() - began)
    publish(text, settings.out, "ppo_ablation.md")


def report(
    base: PPOConfig, seeds: Sequence[int], outcomes: dict[str, list[AblationResult]], cpu: float
) -> str:
    """Return the report as Markdown.

    Args:
        base: the default settings.
        seeds: of policy and trainer.
        outcomes: of each seed, by the name of the change.
        cpu: CPU seconds of everything.
    """
    episodes = base.updates * base.questions_per_update * base.episodes_per_question
    columns = (
        "changed",
        "accuracy",
        "over the run",
        "turns, easy",
        "turns, hard",
        f"update of {LEARNED:.0%}",
    )
    lines = [
        *header(
            "Ablations of the trainer",
            "benchmarks.ppo.ablation",
            libraries=versions("torch"),
            remark=f"{cpu:.0f} CPU seconds in all",
        ),
        f"- {base.updates} updates, {episodes} episodes a run; seeds {' '.join(map(str, seeds))}; "
        "sampled at T = 1; mean over seeds and, in brackets, lowest and highest seed",
        "- the best there is: accuracy 100, one turn on easy questions, two on hard ones",
        "",
        "```",
        format_table(columns, [_line(name, found) for name, found in outcomes.items()]),
        "```",
        "",
        "A toy task: what is best here need not be best for a video model.",
    ]
    return "\n".join(lines) + "\n"


def _line(name: str, found: Sequence[AblationResult]) -> tuple[str, ...]:
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
