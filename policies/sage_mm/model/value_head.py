"""The value head: hidden states to one number, in float32."""

from __future__ import annotations

from typing import Literal

from torch import nn

CriticKind = Literal["head", "adapter"]


def new_value_head(hidden: int, critic: CriticKind) -> nn.Module:
    """Make a head that starts at zero, so that a new critic predicts 0 everywhere.

    Args:
        hidden: width of the states.
        critic: an `adapter` of its own leaves a linear head; a `head` alone has a hidden layer.
    """
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if critic == "adapter":
        return last
    return nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), last)
