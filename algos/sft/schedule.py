"""Learning rates by step: of a fine-tuning, and of the recipe of `sage-mm-tiny`."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from algos.sft.settings import SFTConfig


def learning_rate(config: SFTConfig, step: int, steps: int) -> float:
    """Return the learning rate of a step.

    Of W steps of warm-up, step k has the k-th W-th of the peak. After it, the share of the way that
    is left falls from 1 to 0 at the last step: `linear` is that share, `cosine` half of
    1 + cos(pi * way done) (SGDR, arXiv 1608.03983, equation 5, one period), both between `final_lr`
    and 1.

    Args:
        config: peak, warm-up, shape and end.
        step: 1, 2, ...
        steps: in total.
    """
    warmup = round(config.warmup * steps)
    if step <= warmup:
        return config.lr * step / warmup
    done = (step - warmup) / max(1, steps - warmup)
    left = 1.0
    if config.schedule == "linear":
        left = 1 - done
    elif config.schedule == "cosine":
        left = (1 + math.cos(math.pi * done)) / 2
    return config.lr * (config.final_lr + (1 - config.final_lr) * left)


class Schedule:
    """AdamW with a warm-up-stable-decay schedule of the learning rate.

    It rises linearly over 100 steps, is level, and falls linearly to a tenth of its peak in the
    last 40 % of the steps. Gains (vectors, such as the weights of norms) move five times as fast
    and do not decay: how sharply an attention head can single out a token is limited by the gains
    of its normalised queries and keys, and they start far below what is needed.

    Args:
        parameters: to train.
        lr: at its peak.
        steps: in total.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, steps: int) -> None:
        """Make the optimiser."""
        self.parameters = list(parameters)
        matrices = [p for p in self.parameters if p.ndim > 1]
        gains = [p for p in self.parameters if p.ndim <= 1]
        self.optimizer = torch.optim.AdamW(
            [
                {"params": matrices, "peak": lr, "weight_decay": 0.01},
                {"params": gains, "peak": 5 * lr, "weight_decay": 0.0},
            ],
            lr,
            betas=(0.9, 0.98),
        )
        self._steps, self._step = steps, 0

    def step(self) -> None:
        """Take one step down the gradient, and forget it."""
        self._step += 1
        scale = min(self._step / 100, 1.0, max(0.1, 2.5 * (1 - self._step / self._steps)))
        for group in self.optimizer.param_groups:
            group["lr"] = group["peak"] * scale
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
