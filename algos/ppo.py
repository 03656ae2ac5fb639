"""Token-level PPO over whole episodes: the run, read from top to bottom.

`train` is the run, `_update` one update: rollout, proof, targets, critic, actor. Failures of the
environment are counted and never learned from. Everything random is seeded from (seed, purpose,
update), so that a resumed run goes on as if it had never stopped: bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import Env
from torch import Tensor
from torch.optim import Adam
from tqdm import tqdm

from algos import checkpoint
from algos.advantages import explained_variance
from algos.batch import collate
from algos.checkpoint import Best, Checkpoint
from algos.learner import Targets, actor_loss, critic_loss, fit, make_targets
from algos.metrics import Metrics, Row, rollout_row
from algos.ppo_config import PPOConfig
from algos.proof import rescore
from algos.rollout import Job, Trajectory, collect, subseed
from policies.base import TokenBatch, TrainablePolicy
from sage_env.errors import SageEnvError

__all__ = ["PPOConfig", "draw_jobs", "train"]

Validate = Callable[[TrainablePolicy], float]
# Settings that may change between the parts of one run, because they change no number in it beyond
# rounding.
_FREE = {"updates", "micro_batch", "workers", "checkpoint_every", "keep_last"}


def train(
    config: PPOConfig,
    policy: TrainablePolicy,
    envs: Sequence[Env[Any, Any]],
    items: Sequence[str],
    run_folder: Path,
    *,
    validate: Validate | None = None,
    progress: bool = True,
) -> Best | None:
    """Train a policy in place; go on where the folder's last checkpoint left off, if there is one.

    Args:
        config: the settings.
        policy: whose actor and critic are trained. It is left at the *last* update;
            `checkpoint.load_best(run_folder / "checkpoints")` has the best one.
        envs: alike; their number changes the speed, not the result.
        items: ids of the questions to train on.
        run_folder: gets `metrics.jsonl` and `checkpoints/`.
        validate: returns a score, higher is better; it picks the best checkpoint.
        progress: show a progress bar.

    Returns:
        The best validated update; None without `validate`.

    Raises:
        ConfigChanged: if the folder belongs to a run with other settings or items.
        ExactnessError: if re-scored log-probs differ from the sampled ones.
        SageEnvError: if every episode of an update failed.
    """
    learner = _Learner(config, policy)
    folder = run_folder / "checkpoints"
    settings = {**asdict(config), "items": _digest(items)}
    latest = checkpoint.load_latest(folder)
    done, best = -1, None
    if latest is not None:
        free = _FREE - {"updates"} if config.lr_decay else _FREE
        checkpoint.require_same(latest.config, settings, free=free)
        learner.load_tensors(latest.tensors)
        done, best = latest.update, latest.best
    metrics = Metrics(run_folder / "metrics.jsonl", keep_through=done)

    with tqdm(total=config.updates, initial=max(done, 0), disable=not progress) as bar:
        for update in range(done + 1, config.updates + 1):
            # Update 0 is the state before learning: the first candidate for the best.
            row = _update(config, learner, envs, items, update, bar) if update > 0 else {}
            last, is_best = update == config.updates, False
            if validate is not None and (update % config.eval_every == 0 or last):
                row["eval/score"] = score = validate(policy)
                is_best = best is None or score > best.score
                best = Best(update, score) if is_best else best
            metrics.write(update, row)
            if is_best or last or update % config.checkpoint_every == 0:
                state = Checkpoint(update, learner.tensors(), settings, best)
                checkpoint.save(folder, state, keep_last=config.keep_last)
            if update > 0:
                bar.update()
    return best


class _Learner:
    """The policy with its two optimisers: all that an update changes."""

    def __init__(self, config: PPOConfig, policy: TrainablePolicy) -> None:
        self.policy = policy
        self.actor = Adam(policy.actor_parameters(), lr=config.actor_lr)
        critic = policy.critic_parameters() if config.uses_critic else []
        self.critic = Adam(critic, lr=config.critic_lr) if critic else None
        if config.uses_critic and self.critic is None:
            raise ValueError(
                f'advantage="{config.advantage}" needs a critic and this policy has no critic '
                'parameters: use advantage="group"'
            )

    def tensors(self) -> dict[str, Tensor]:
        """Return everything that a checkpoint needs, by name."""
        tensors = {f"policy/{name}": tensor for name, tensor in self.policy.state().items()}
        tensors |= checkpoint.optimizer_tensors(self.actor, "actor/")
        if self.critic is not None:
            tensors |= checkpoint.optimizer_tensors(self.critic, "critic/")
        return tensors

    def load_tensors(self, tensors: dict[str, Tensor]) -> None:
        """Take back what `tensors` returned."""
        self.policy.load_state(checkpoint.with_prefix(tensors, "policy/"))
        checkpoint.load_optimizer(self.actor, tensors, "actor/")
        if self.critic is not None:
            checkpoint.load_optimizer(self.critic, tensors, "critic/")


def _update(
    config: PPOConfig,
    learner: _Learner,
    envs: Sequence[Env[Any, Any]],
    items: Sequence[str],
    update: int,
    bar: tqdm[Any],
) -> Row:
    """Play, learn, and return the numbers of it."""
    policy, began = learner.policy, time.perf_counter()
    rng = np.random.default_rng(subseed(config.seed, "update", update))
    torch.manual_seed(subseed(config.seed, "torch", update))

    # Rollout. Failed episodes are counted, and left out of everything that follows.
    played = _roll_out(config, policy, envs, items, update, bar)
    episodes = [t for t in played if t.error is None]
    if not episodes:
        error = played[0].error
        raise SageEnvError(f"all {len(played)} episodes of update {update} failed; first: {error}")
    batch = collate(episodes, config.temperature, policy.actor_parameters()[0].device)
    row = rollout_row(played)
    if hasattr(policy, "measures"):  # what playing cost: frames encoded, tokens read and sampled
        row |= policy.measures()
    rolled_out = time.perf_counter()

    # Proof. Before any weight moves, the learner must agree with the sampler.
    if config.rescore_sample > 0:
        rows = rng.permutation(len(episodes))[: config.rescore_sample].tolist()
        size, tolerance = config.micro_batch, config.rescore_tolerance
        row |= rescore(policy, batch, episodes, rows, micro_batch=size, tolerance=tolerance)

    # Learning.
    targets = make_targets(config, policy, batch, [str(t.item_id) for t in episodes])
    row |= _learn(config, learner, batch, targets, update, rng)
    ended = time.perf_counter()
    row["time/rollout"], row["time/learn"] = rolled_out - began, ended - rolled_out
    row["time/tokens_per_second"] = float(batch.sampled.sum()) / (ended - began)
    bar.set_postfix(_postfix(row))
    return row


def _roll_out(
    config: PPOConfig,
    policy: TrainablePolicy,
    envs: Sequence[Env[Any, Any]],
    items: Sequence[str],
    update: int,
    bar: tqdm[Any],
) -> list[Trajectory]:
    """Play the episodes of one update."""
    jobs = draw_jobs(config, items, update)
    ended = 0

    def progress(trajectory: Trajectory) -> None:
        nonlocal ended
        ended += 1
        if ended == len(jobs) or ended % max(1, len(jobs) // 10) == 0:
            bar.set_description(f"update {update}: {ended}/{len(jobs)} episodes")

    policy.temperature = config.temperature
    if getattr(policy, "top_k", 0) > 0 or getattr(policy, "top_p", 1.0) < 1:
        raise ValueError(
            "samples that top_k or top_p cut cannot be re-scored: set them to 0 and 1 to train"
        )
    seed = subseed(config.seed, "policy", update)
    return collect(envs, policy, jobs, seed=seed, progress=progress)


def draw_jobs(config: PPOConfig, items: Sequence[str], update: int) -> list[Job]:
    """Return the episodes of one update (1, 2, ...), by question.

    Questions come from a walk through all items in an order that is shuffled anew on every lap. A
    question's episodes share the environment's seed, so that they start from the same state.
    """
    if not items:
        raise ValueError("training needs at least one item, got none")
    jobs = []
    start = (update - 1) * config.questions_per_update
    for place in range(start, start + config.questions_per_update):
        lap, position = divmod(place, len(items))
        order = np.random.default_rng(subseed(config.seed, "lap", lap)).permutation(len(items))
        job = Job(items[order[position]], subseed(config.seed, "environment", place))
        jobs += [job] * config.episodes_per_question
    return jobs


def _learn(
    config: PPOConfig,
    learner: _Learner,
    batch: TokenBatch,
    targets: Targets,
    update: int,
    rng: np.random.Generator,
) -> Row:
    """Fit the critic and the actor to one batch, and return the numbers of it."""
    share = 1 - (update - 1) / config.updates if config.lr_decay else 1.0
    row: Row = {"charts/learning_rate": config.actor_lr * share}
    epochs, critic_epochs = config.epochs, config.critic_epochs
    warming_up = learner.critic is not None and update == 1 and config.critic_warmup > 0
    if warming_up:
        epochs, critic_epochs = 0, config.critic_warmup
    if learner.critic is not None:
        row["losses/explained_variance"] = explained_variance(
            targets.old_values, targets.returns, batch.sampled
        )
        learner.critic.param_groups[0]["lr"] = config.critic_lr * share
        loss = critic_loss(config, learner.policy, warming_up=warming_up)
        row |= fit(
            config, "critic", learner.critic, batch, targets, loss, epochs=critic_epochs, rng=rng
        )
    learner.actor.param_groups[0]["lr"] = config.actor_lr * share
    loss = actor_loss(config, learner.policy)
    row |= fit(config, "actor", learner.actor, batch, targets, loss, epochs=epochs, rng=rng)
    return row


def _postfix(row: Row) -> dict[str, str]:
    """Return what the progress bar shows of an update; "-" where nothing was measured."""
    shown = {
        "reward": ("rollout/return", ".3f"),
        "accuracy": ("rollout/accuracy", ".3f"),
        "turns": ("rollout/turns", ".2f"),
        "frames": ("rollout/frames", ".1f"),
        "|dlogp|": ("proof/max_dlogp", ".1e"),
        "tok/s": ("time/tokens_per_second", ".0f"),
    }
    values = {name: (row.get(key), form) for name, (key, form) in shown.items()}
    return {name: "-" if x is None else format(x, form) for name, (x, form) in values.items()}


def _digest(items: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(list(items)).encode()).hexdigest()
