"""The optimiser of one network: Adam, or AdamW where weights decay."""

from __future__ import annotations

from collections.abc import Sequence

from torch.nn import Parameter
from torch.optim import Adam, AdamW, Optimizer


def make_optimizer(
    parameters: Sequence[Parameter], *, lr: float, weight_decay: float = 0.0
) -> Optimizer:
    """Return Adam (arXiv 1412.6980), or AdamW (arXiv 1711.05101) where there is a decay.

    Only matrices decay: biases and the gains of norms have no other way to be what they need to be.

    Args:
        parameters: of the network, in a fixed order.
        lr: learning rate.
        weight_decay: share of a weight that a step at a rate of 1 would take away.
    """
    if weight_decay == 0:
        return Adam(parameters, lr=lr)
    matrices = [p for p in parameters if p.ndim > 1]
    others = [p for p in parameters if p.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": weight_decay},
        {"params": others, "weight_decay": 0.0},
    ]
    return AdamW([group for group in groups if group["params"]], lr=lr)


def set_rate(optimizer: Optimizer, lr: float) -> None:
    """Set the learning rate of all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def parameters_of(optimizer: Optimizer) -> list[Parameter]:
    """Return all parameters that an optimiser moves, in the order of its state."""
    return [p for group in optimizer.param_groups for p in group["params"]]
