"""Supervised fine-tuning of an adapter: the steps, read from top to bottom.

The loss is the cross-entropy of the tokens that the assistant writes, stop token included, given
all tokens before them; it is that of `SageMM.evaluate`, so that what is learned is what is sampled
from. Each step divides by its own learned tokens, however it is cut into forward passes. The order
of the episodes and the rates follow from the step's number alone, so that a resumed run is the
uninterrupted one, bit for bit on a CPU.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_
from tqdm import tqdm

from algos.batching.gradients import add_gradients
from algos.runs import checkpoint
from algos.runs.checkpoint import Best, Checkpoint
from algos.runs.metrics import Metrics, MetricsRow, read_metrics
from algos.runs.run_folder import RunFolder
from algos.runs.stopping import Stopped, StopRequest, defer_signals
from algos.sft.examples import Example, digest
from algos.sft.schedule import learning_rate
from algos.sft.settings import FineTuningError, SFTConfig
from algos.sft.step_batches import StepPlan, in_pieces
from algos.sft.validation import Restore, as_batch, nothing_lost, token_scores
from policies.sage_mm.model.adapters import fingerprint
from policies.sage_mm.policy import SageMM

ELSEWHERE = "sage-vqa sft --out FOLDER"
# They change no number beyond rounding, or none at all.
_MAY_DIFFER = {"micro_batch", "micro_tokens", "workers", "checkpoint_every", "keep_last"}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """What came of a fine-tuning.

    Attributes:
        step: that the policy is left at: the best validated one, or the last.
        last: the last step that was taken.
        steps: that were planned.
        adapter: folder of the adapter.
        loss: on the validation episodes at `step`, in nats per token; `None` without any.
        token_accuracy: likewise, the share of tokens that were the likeliest.
    """

    step: int
    last: int
    steps: int
    adapter: Path
    loss: float | None = None
    token_accuracy: float | None = None


def fine_tune(
    config: SFTConfig,
    policy: SageMM,
    training: Sequence[Example],
    run_folder: Path,
    *,
    validation: Sequence[Example] = (),
    restore: Restore | None = None,
    progress: bool = True,
) -> Fitted:
    """Train the actor's adapter in place; go on after the folder's last checkpoint, if it has one.

    SIGTERM and Ctrl-C stop it after the step; everything is saved then.

    Args:
        config: the settings.
        policy: whose actor is trained. It is left at the best validated step, or at the last one.
        training: to learn from.
        run_folder: gets `metrics.jsonl`, `checkpoints/` and, at the end, `adapter/`.
        validation: to choose the best step by, and to stop early.
        restore: see `Restore`; by default the features are held.
        progress: show a progress bar.

    Raises:
        FineTuningError: if there is nothing to learn, or a gradient is not finite.
        ConfigChanged: if the folder belongs to a run with other settings or examples.
        CheckpointError: if it has checkpoints, and none is whole, or the best so far is not.
        Stopped: after a signal, when everything is saved.
    """
    _require_examples(config, training, validation)
    run = _Run(config, policy, training, validation, restore, RunFolder(run_folder))
    bar = tqdm(total=run.steps, initial=max(run.saved, 0), disable=not progress, desc="sft")
    with defer_signals() as stop, bar:
        while not run.over:
            run.advance(bar, stop)
    run.finish()
    folder = RunFolder(run_folder)
    kept = next((r for r in read_metrics(folder.metrics) if r["update"] == run.kept), {})
    scores = kept.get("eval/loss"), kept.get("eval/token_accuracy")
    return Fitted(run.kept, run.at, run.steps, folder.adapter, *scores)


def _require_examples(
    config: SFTConfig, training: Sequence[Example], validation: Sequence[Example]
) -> None:
    for name, examples in (("training", training), ("validation", validation)):
        if not all(example.loss_mask.any() for example in examples):
            raise FineTuningError(f"an episode of the {name} has no token to learn: leave it out")
    if not training:
        raise FineTuningError("no episode is left to train on")
    if not validation and (config.patience or config.eval_every):
        raise FineTuningError(
            "patience and eval_every need episodes to validate on: hold some out, or leave both off"
        )


class _Run:
    """A run and its folder: from where the last checkpoint left off, step by step.

    Attributes:
        at: the last step that was taken; -1 before the validation of the start.
        saved: the step of the newest checkpoint; -1 before the first.
        steps: in total.
        best: the best validated step so far.
        kept: the step that the policy is left at.
    """

    def __init__(
        self,
        config: SFTConfig,
        policy: SageMM,
        training: Sequence[Example],
        validation: Sequence[Example],
        restore: Restore | None,
        folder: RunFolder,
    ) -> None:
        self._config, self._policy, self._folder = config, policy, folder
        self._training, self._validation = training, validation
        self._restore = restore or nothing_lost
        self._lengths = [len(example.ids) for example in training]
        self._plan = StepPlan.of(config, self._lengths)
        self.steps = len(self._plan.batches)
        self._parameters = policy.actor_parameters()
        self._optimizer = torch.optim.AdamW(
            self._parameters, config.lr, weight_decay=config.weight_decay
        )
        self.at = self.saved = self.kept = -1
        self.best: Best | None = None
        data = {"training": digest(training), "validation": digest(validation)}
        data |= {"base": fingerprint(policy.model.base)}
        self._settings = json.loads(json.dumps({**asdict(config), **data}))
        self._go_on()
        self._metrics = Metrics(folder.metrics, keep_through=self.saved)

    def _go_on(self) -> None:
        """Take over the newest checkpoint, if there is one."""
        latest = checkpoint.load_to_go_on(self._folder.checkpoints, elsewhere=ELSEWHERE)
        if latest is None:
            return
        checkpoint.require_same(
            latest.config, self._settings, may_differ=_MAY_DIFFER, elsewhere=ELSEWHERE
        )
        self._policy.load_state(latest.policy)
        checkpoint.load_optimizer(self._optimizer, latest.tensors, "optimizer/")
        self.at = self.saved = latest.update
        self.best = latest.best
        checkpoint.prune(self._folder.checkpoints, self.saved, keep_last=self._config.keep_last)
        if changed := checkpoint.changed_versions(latest.versions):
            _log.warning("going on with other packages, so not bit for bit: %s", changed)

    @property
    def over(self) -> bool:
        """Return whether no step is left, or the patience is spent."""
        return self.at >= self.steps or self._impatient()

    def _impatient(self) -> bool:
        patience = self._config.patience
        if patience is None or self.best is None:
            return False
        since = range(self.best.update + 1, self.at + 1)
        return sum(self._is_validated(step) for step in since) >= patience

    def _is_validated(self, step: int) -> bool:
        if not self._validation:
            return False
        every = self._config.eval_every
        due = step in self._plan.epoch_ends if every is None else step % every == 0
        return due or step in (0, self.steps)

    def advance(self, bar: tqdm[Any], stop: StopRequest) -> None:
        """Take one step; write its numbers and, where due, a checkpoint.

        The first is step 0, which learns nothing: the start is the first candidate for the best.

        Raises:
            Stopped: if a signal asked for it; everything is saved then.
        """
        step, began = self.at + 1, time.perf_counter()
        row = self._learn(step) if step > 0 else {}
        is_best = False
        if self._is_validated(step):
            scores = token_scores(self._policy, self._validation, self._config, self._restore)
            row |= {"eval/loss": scores.loss, "eval/token_accuracy": scores.accuracy}
            is_best = self.best is None or -scores.loss > self.best.score
            self.best = Best(step, -scores.loss) if is_best else self.best
        row["time/step"] = time.perf_counter() - began
        self.at = step
        self._metrics.write(step, row)
        if is_best or self.over or stop.requested or step % self._config.checkpoint_every == 0:
            self._save()
        if step > 0:
            bar.update()
            bar.set_postfix(_shown(row), refresh=False)
        if stop.requested and not self.over:
            raise Stopped(
                f"stopped after step {step} of {self.steps}, which is saved; run the same command "
                "again to go on from there"
            )

    def _learn(self, step: int) -> MetricsRow:
        """Take one optimiser step, and return its numbers."""
        config = self._config
        rate = learning_rate(config, step, self.steps)
        numbers = self._plan.batches[step - 1]
        chosen = [self._training[i] for i in numbers]
        self._optimizer.param_groups[0]["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        loss = add_gradient(config, self._policy, chosen, self._parameters, self._restore)
        try:
            norm = clip_grad_norm_(self._parameters, config.max_grad_norm, error_if_nonfinite=True)
        except RuntimeError as error:
            raise FineTuningError(
                f"the gradient of step {step} is not finite: give a lower lr, or another dtype"
            ) from error
        self._optimizer.step()
        return {
            "charts/learning_rate": rate,
            "losses/sft": loss,
            "losses/grad_norm": float(norm),
            "sft/episodes": len(chosen),
            "sft/tokens": sum(self._lengths[i] for i in numbers),
            "sft/learned_tokens": sum(int(example.loss_mask.sum()) for example in chosen),
        }

    def _save(self) -> None:
        tensors: dict[str, Tensor] = {
            f"policy/{name}": tensor for name, tensor in self._policy.state().items()
        }
        tensors |= checkpoint.optimizer_tensors(self._optimizer, "optimizer/")
        saved = Checkpoint(self.at, tensors, self._settings, self.best)
        checkpoint.save(self._folder.checkpoints, saved, keep_last=self._config.keep_last)
        self.saved = self.at

    def finish(self) -> None:
        """Leave the policy at the best step, and write its adapter."""
        best = checkpoint.load_best(self._folder.checkpoints)
        assert best is not None  # `advance` saves the last step
        self.kept = best.update
        self._policy.load_state(best.policy)
        self._policy.save_adapter(self._folder.adapter)


def add_gradient(
    config: SFTConfig,
    policy: SageMM,
    examples: Sequence[Example],
    parameters: Sequence[torch.nn.Parameter],
    restore: Restore = nothing_lost,
) -> float:
    """Add the gradient of a step's mean cross-entropy over its learned tokens.

    Args:
        config: how many episodes and tokens go through the model at once.
        policy: whose actor learns.
        examples: of the step.
        parameters: what to differentiate by; gradients are added to their `.grad`.
        restore: see `Restore`.

    Returns:
        The cross-entropy, in nats per token.
    """
    lengths = [len(example.ids) for example in examples]
    order = sorted(range(len(examples)), key=lambda i: lengths[i])
    pieces = in_pieces(order, lengths, config.micro_batch, config.micro_tokens)
    # One denominator for all pieces: the gradient does not depend on how the step is cut.
    count = sum(int(example.loss_mask.sum()) for example in examples)

    def loss(piece: Sequence[int]) -> tuple[Tensor, float]:
        chosen = [examples[i] for i in piece]
        restore(chosen)
        scored = policy.evaluate(as_batch(chosen))
        total = -scored.logprobs.sum() / count
        return total, float(total.detach())

    return sum(add_gradients(pieces, loss, parameters, workers=config.workers))


def _shown(row: MetricsRow) -> dict[str, str]:
    names = {"loss": "losses/sft", "val": "eval/loss", "acc": "eval/token_accuracy"}
    return {name: f"{row[key]:.3f}" for name, key in names.items() if row.get(key) is not None}
