"""The settings of a supervised fine-tuning, one explanation under each. No torch."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal

from sage_env.errors import SageEnvError

EPOCHS = 3
"""Passes over the episodes where neither epochs nor steps are given: a judgement, not measured."""
ScheduleName = Literal["cosine", "linear", "constant"]


class FineTuningError(SageEnvError, ValueError):
    """Episodes or settings that no fine-tuning can be made of; the message names them."""


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """Settings of supervised fine-tuning: AdamW on the actor's LoRA adapter."""

    seed: int = 0
    """Seeds the order of the episodes."""
    epochs: int | None = None
    """Passes over the episodes; by default three."""
    steps: int | None = None
    """Optimiser steps in all, instead of epochs."""
    batch: int = 16
    """Most episodes of a step."""
    batch_tokens: int | None = None
    """Most tokens of a step, prompts included; a longer episode is a step of its own."""
    micro_batch: int = 8
    """Most episodes of a forward pass; changes memory and speed, and the result by rounding."""
    micro_tokens: int | None = None
    """Most tokens of a forward pass, likewise."""
    workers: int = 1
    """Forward passes side by side, each on one core: for small models on a CPU."""
    lr: float = 2e-4
    """Peak learning rate; QLoRA (arXiv 2305.14314, appendix B) has it up to 13B."""
    schedule: ScheduleName = "cosine"
    """How the rate falls after the warm-up: `cosine` or `linear` to `final_lr`, or `constant`."""
    warmup: float = 0.05
    """Share of the steps in which the rate rises linearly."""
    final_lr: float = 0.0
    """Rate at the end, as a share of the peak."""
    weight_decay: float = 0.0
    """Of AdamW (arXiv 1711.05101), on the adapter's matrices."""
    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""
    eval_every: int | None = None
    """Steps between validations; by default one after every epoch. The start and the end are
    validated too."""
    patience: int | None = None
    """Validations without a better loss after which the training ends; by default never."""
    checkpoint_every: int = 50
    """Steps between checkpoints, besides those of a best validation and of an interrupt."""
    keep_last: int = 2
    """Newest checkpoints kept, besides the best."""

    def __post_init__(self) -> None:
        """Refuse settings that cannot train, or that would silently do nothing."""
        for field in fields(self):
            value = getattr(self, field.name)
            whole = field.type in ("int", "int | None")
            least = 0 if field.name == "seed" else 1
            if whole and value is not None and value < least:
                raise FineTuningError(f"{field.name} must be at least {least}, got {value}")
        if self.epochs is not None and self.steps is not None:
            raise FineTuningError(
                f"give epochs or steps, got both: {self.epochs} epochs and {self.steps} steps"
            )
        for name in ("warmup", "final_lr"):
            if not 0 <= getattr(self, name) <= 1:
                raise FineTuningError(f"{name} must be in [0, 1], got {getattr(self, name)}")
        for name in ("lr", "max_grad_norm"):
            if not 0 < getattr(self, name) < float("inf"):
                raise FineTuningError(f"{name} must be above 0, got {getattr(self, name)}")
        if not 0 <= self.weight_decay < float("inf"):
            raise FineTuningError(f"weight_decay must be 0 or more, got {self.weight_decay}")
        if self.schedule == "constant" and self.final_lr != 0:
            raise FineTuningError(
                f"final_lr needs a cosine or linear schedule, got {self.final_lr} with constant"
            )
