"""Activation checkpointing: layers keep their input alone, and are recomputed in backward.

Less memory for one more forward pass (arXiv 1604.06174).
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal, Protocol

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Adapter = Literal["actor", "critic", "reference"] | None


class AdapterSwitch(Protocol):
    """A model that runs with one of its adapters at a time, or with none.

    Attributes:
        adapter: the one in use.
    """

    adapter: Adapter

    def using(self, adapter: Adapter) -> AbstractContextManager[None]:
        """Run the block with another adapter."""


def checkpoint_layers(layers: Iterable[nn.Module], model: AdapterSwitch) -> None:
    """Checkpoint decoder layers, in place.

    transformers' own checkpointing is on in training mode only. Our layers are in evaluation mode,
    because dropout in adapters would make re-scoring differ from sampling.

    Args:
        layers: each is called with its hidden states first and the rest by name.
        model: says which adapter a layer ran with, and can run it with that one again.
    """
    for layer in layers:
        layer.forward = partial(_run, model, layer.forward)


def _run(model: AdapterSwitch, forward: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a layer; under autograd, recompute it in backward with the adapter it ran with.

    `using` ends before the backward pass begins, which therefore finds the actor's adapter in use:
    without the switch, the critic's layers would be recomputed with the actor's weights.
    """
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    adapter = model.adapter

    def again(*inputs: Any) -> Any:
        if model.adapter == adapter:
            return forward(*inputs, **kwargs)
        with model.using(adapter):
            return forward(*inputs, **kwargs)

    return checkpoint(again, *args, use_reentrant=False, preserve_rng_state=False)
