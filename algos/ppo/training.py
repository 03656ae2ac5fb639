"""Token-level PPO over whole episodes: the run, read from top to bottom.

`train` is the run, `_update` one update:

1. rollout: play the episodes of the update's questions;
2. exactness: score some episodes again with the learner, before any weight moves;
3. targets: values, advantages, returns;
4. critic, then actor: gradient steps.

Failures of the environment are counted and never learned from. Everything random is seeded from
(seed, purpose, update), so that a resumed run goes on as if it had never stopped: bit for bit on a
CPU. Source of the algorithm: Schulman et al., arXiv 1707.06347, algorithm 1; the estimators and
losses name theirs in `algos.objectives`.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import Env
from tqdm import tqdm

from algos.batching.token_batches import collate
from algos.objectives.advantages import explained_variance
from algos.ppo.adaptive_kl import rollout_kl
from algos.ppo.config import PPOConfig
from algos.ppo.exactness_guard import ExactnessGuard
from algos.ppo.learning_signal import signal_row, warn_if_nothing_was_learned
from algos.ppo.optimisers import set_rate
from algos.ppo.question_specs import draw_specs, learned_from
from algos.ppo.resuming import require_same_run, settings_of_run
from algos.ppo.sampler_mismatch import mismatch_row
from algos.ppo.schedules import learning_rate_share, settings_of, teaches_critic_only
from algos.ppo.targets import Targets, make_targets
from algos.ppo.token_sample import TokenSample
from algos.ppo.train_state import TrainState
from algos.ppo.update import actor_objective, critic_objective, fit
from algos.ppo.update_metrics import batch_row, played_row
from algos.ppo.validation import Validate, Validation
from algos.ppo.validation_episodes import ValidationEpisodes
from algos.recipe.rewards import recipe_row, with_recipe
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.runs import checkpoint
from algos.runs.checkpoint import Best, Checkpoint
from algos.runs.metrics import Metrics, MetricsRow, progress_fields
from algos.runs.stopping import Stopped, StopRequest, defer_signals
from algos.runs.tracking import Tracker
from algos.seeds import subseed
from policies.base import TokenBatch, TrainablePolicy
from sage_env.datasets.item import QAItem

__all__ = ["PPOConfig", "draw_specs", "train"]

_log = logging.getLogger(__name__)

_ENDED = "ended after update {} of {}: {} validations in a row found nothing better"
_STOPPED = "stopped after update {}, which is saved; run the same command again to go on from there"


def train(
    config: PPOConfig,
    policy: TrainablePolicy,
    envs: Sequence[Env[Any, Any]],
    items: Sequence[str],
    run_folder: Path,
    *,
    durations: Mapping[str, float | None] | None = None,
    validate: Validate | None = None,
    kept: ValidationEpisodes | None = None,
    questions: Mapping[str, QAItem] | None = None,
    progress: bool = True,
    tracker: Tracker | None = None,
) -> Best | None:
    """Train a policy in place; go on where the folder's last checkpoint left off, if there is one.

    SIGTERM and Ctrl-C stop it at the next safe point: after the update, or, while episodes are
    being played, before it (they will be played again).

    Args:
        config: the settings.
        policy: whose actor and critic are trained. It is left at the *last* update;
            `checkpoint.load_best(run_folder / "checkpoints")` has the best one.
        envs: alike; their number changes the speed, not the result.
        items: ids of the questions to train on.
        run_folder: gets `metrics.jsonl`, `validation.jsonl`, `tokens.jsonl`, `checkpoints/` and
            `proof/`.
        durations: seconds of each item's video, which a curriculum needs.
        validate: returns a score, higher is better; it picks the best checkpoint. Or a mapping
            with it as `score` and more numbers, which are written down.
        kept: keeps what `validate` plays, which gives it each episode.
        questions: by id, to be written beside their episodes in `tokens.jsonl`.
        progress: show a progress bar.
        tracker: gets the numbers of every update too, see `algos.runs.tracking`.

    Returns:
        The best validated update; None without `validate`.

    Raises:
        ValueError: if the settings ask for what the policy, or a run without `validate`, has not.
        ConfigChanged: if the folder belongs to a run with other settings or items.
        CheckpointError: if it has checkpoints, and none is whole, or the best so far is not.
        ExactnessError: if what is learned from is not what was sampled, or not with its weights.
        Stopped: after a signal, when everything is saved.
        SageEnvError: if every episode of an update failed.
    """
    state = TrainState(config, policy)
    run = _Run(config, state, items, run_folder, tracker, validate, kept, questions)
    bar = tqdm(total=config.updates, initial=max(run.saved, 0), disable=not progress)
    with defer_signals() as stop, bar, closing(run):
        for update in range(run.saved + 1, config.updates + 1):
            if run.exhausted:
                _log.warning(_ENDED.format(run.saved, config.updates, config.patience))
                break
            # Update 0 is the state before learning: the first candidate for the best.
            specs = draw_specs(config, items, update, durations) if update > 0 else []
            run.advance(update, envs, specs, bar, stop)
    warn_if_nothing_was_learned(run_folder / "metrics.jsonl")
    return run.best


class _Run:
    """A run and its folder: from where the last checkpoint left off, update by update.

    Attributes:
        saved: the update of the newest checkpoint; -1 before the first.
        best: the best validated update so far.
    """

    def __init__(
        self,
        config: PPOConfig,
        state: TrainState,
        items: Sequence[str],
        folder: Path,
        tracker: Tracker | None,
        validate: Validate | None,
        kept: ValidationEpisodes | None,
        questions: Mapping[str, QAItem] | None,
    ) -> None:
        self.saved = -1
        self.best: Best | None = None
        self._config, self._state = config, state
        self._checkpoints = folder / "checkpoints"
        self._settings = settings_of_run(config, items)
        latest = checkpoint.load_to_go_on(self._checkpoints)
        if latest is not None:
            require_same_run(latest.config, self._settings, config)
            state.load_tensors(latest.tensors)
            self.saved, self.best = latest.update, latest.best
            checkpoint.prune(self._checkpoints, latest.update, keep_last=config.keep_last)
            if changed := checkpoint.changed_versions(latest.versions):
                _log.warning("going on with other packages, so not bit for bit: %s", changed)
        self._metrics = Metrics(folder / "metrics.jsonl", keep_through=self.saved, tracker=tracker)
        saved = self.saved
        self._validation = Validation(config, validate, folder, kept, keep_through=saved)
        self._sample = TokenSample(config, state.policy, folder, questions, keep_through=saved)
        self._guard = ExactnessGuard(config, state.policy, folder)
        self._guard.prune()  # the last process may have been killed before it did

    def close(self) -> None:
        """Close the files that stay open."""
        self._validation.close()
        self._sample.close()

    @property
    def exhausted(self) -> bool:
        """Return whether the run has ended early, because nothing improved for too long."""
        return self._validation.exhausted(self.saved, self.best)

    def advance(
        self,
        update: int,
        envs: Sequence[Env[Any, Any]],
        specs: Sequence[EpisodeSpec],
        bar: tqdm[Any],
        stop: StopRequest,
    ) -> None:
        """Do one update; write its metrics and, where due, its checkpoint.

        Raises:
            Stopped: if a signal asked for it; everything is saved then.
        """
        config, state = self._config, self._state
        try:
            row = _update(config, state, envs, specs, update, bar, self._guard, self._sample, stop)
        except Stopped:
            if self.saved < update - 1:
                self._save(update - 1)
            raise Stopped(_STOPPED.format(update - 1)) from None
        is_best = False
        if self._validation.due(update):
            score, numbers = self._validation.run(update, state.policy)
            row |= numbers
            is_best = self.best is None or score > self.best.score
            self.best = Best(update, score) if is_best else self.best
        last = update == config.updates or self._validation.exhausted(update, self.best)
        self._metrics.write(update, row)
        if is_best or last or stop.requested or update % config.checkpoint_every == 0:
            self._save(update)
        if update > 0:
            bar.update()
        if stop.requested:
            raise Stopped(_STOPPED.format(update))

    def _save(self, update: int) -> None:
        saved = Checkpoint(update, self._state.tensors(), self._settings, self.best)
        checkpoint.save(self._checkpoints, saved, keep_last=self._config.keep_last)
        self._guard.prune()
        self.saved = update


def _update(
    config: PPOConfig,
    state: TrainState,
    envs: Sequence[Env[Any, Any]],
    specs: Sequence[EpisodeSpec],
    update: int,
    bar: tqdm[Any],
    guard: ExactnessGuard,
    sample: TokenSample,
    stop: StopRequest,
) -> MetricsRow:
    """Play, learn, and return the numbers of it; update 0 does nothing.

    Raises `Stopped` if a signal asked for it before any weight moved.
    """
    if update == 0:
        return {}
    policy, began, cpu = state.policy, time.perf_counter(), time.process_time()
    config = settings_of(config, update, state.kl.value)
    rng = np.random.default_rng(subseed(config.seed, "update", update))
    torch.manual_seed(subseed(config.seed, "torch", update))
    # 1. Rollout. Episodes that our side failed are counted, and left out of all that follows.
    guard.record_sampler()
    played = _roll_out(config, policy, envs, specs, update, bar, stop)
    episodes, groups = learned_from(specs, played, update)
    row = played_row(policy, envs[0], played)
    episodes = with_recipe(
        config.recipe,
        policy,
        episodes,
        state.frame_price.per_frame,
        micro_batch=config.micro_batch,
        temperature=config.temperature,
    )
    batch = collate(episodes, config.temperature, policy.actor_parameters()[0].device)
    rolled_out = time.perf_counter()
    # 2. Exactness. Before any weight moves, the learner must agree with the sampler.
    if config.rescore_sample > 0:
        rows = rng.permutation(len(episodes))[: config.rescore_sample].tolist()
        row |= guard.check(update, played, batch, episodes, rows)
    stop.check()

    # 3. and 4. Targets, critic, actor.
    targets = make_targets(config, policy, batch, groups)
    row |= batch_row(episodes, batch, targets) | signal_row(batch, targets, groups)
    row |= mismatch_row(config, batch, targets.old_logprobs, targets.within_cap)
    learned, taught = _learn(config, state, batch, targets, update, rng)
    row |= learned
    row |= recipe_row(config.recipe, specs, episodes, state.frame_price.multiplier)
    state.frame_price.update(row["rollout/frames"])
    ended = time.perf_counter()
    row |= {"time/rollout": rolled_out - began, "time/learn": ended - rolled_out}
    row["time/cpu"] = time.process_time() - cpu  # all our threads; other processes do not count
    row["time/tokens_per_second"] = float(batch.sampled.sum()) / (ended - began)
    sample.record(update, episodes, groups, batch, targets, taught)
    bar.set_postfix(progress_fields(row))
    return row


def _roll_out(
    config: PPOConfig,
    policy: TrainablePolicy,
    envs: Sequence[Env[Any, Any]],
    specs: Sequence[EpisodeSpec],
    update: int,
    bar: tqdm[Any],
    stop: StopRequest,
) -> list[Trajectory]:
    """Play the episodes of one update."""
    ended = 0

    def progress(trajectory: Trajectory) -> None:
        nonlocal ended
        stop.check()
        ended += 1
        if ended == len(specs) or ended % max(1, len(specs) // 10) == 0:
            bar.set_description(f"update {update}: {ended}/{len(specs)} episodes")

    policy.temperature = config.temperature
    if getattr(policy, "top_k", 0) > 0 or getattr(policy, "top_p", 1.0) < 1:
        raise ValueError(
            "samples that top_k or top_p cut cannot be re-scored: set them to 0 and 1 to train"
        )
    seed = subseed(config.seed, "policy", update)
    return collect(envs, policy, specs, seed=seed, progress=progress)


def _learn(
    config: PPOConfig,
    state: TrainState,
    batch: TokenBatch,
    targets: Targets,
    update: int,
    rng: np.random.Generator,
) -> tuple[MetricsRow, set[int]]:
    """Fit critic and actor to one batch; return the numbers of it, and the actor's rows."""
    critic_only = teaches_critic_only(config, update)
    share = learning_rate_share(config, update, config.first_actor_update)
    row: MetricsRow = {"charts/learning_rate": config.actor_lr * share}
    row |= {"charts/kl_coef": config.kl_coef, "charts/entropy_coef": config.entropy_coef}
    if state.critic is not None:
        judged = batch.sampled if targets.value_mask is None else targets.value_mask
        assert targets.earned is not None  # there is a critic
        row["losses/explained_variance"] = explained_variance(
            targets.old_values, targets.earned, judged
        )
        rate = config.critic_lr * learning_rate_share(config, update)
        row["charts/critic_learning_rate"] = rate
        set_rate(state.critic, rate)
        critic = critic_objective(config, state.policy, batch, targets, warming_up=critic_only)
        epochs = config.critic_warmup if critic_only else config.critic_epochs
        row |= fit(config, critic, state.critic, epochs=epochs, rng=rng)
    set_rate(state.actor, config.actor_lr * share)
    actor = actor_objective(config, state.policy, batch, targets)
    epochs, taught = 0 if critic_only else config.epochs, set[int]()
    row |= fit(config, actor, state.actor, epochs=epochs, rng=rng, taken=taught)
    row["rollout/reference_kl"] = kl = rollout_kl(config, batch, targets.reference)
    if not critic_only:
        state.kl.update(kl)
    return row, taught
