"""Layers that keep their input alone for the backward pass, and compute the rest again there."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from functools import partial
from typing import Any, Literal, Protocol

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

Adapter = Literal["actor", "critic"] | None


class AdapterSwitch(Protocol):
    """A model that runs with one of its adapters at a time, or with none."""

    adapter: Adapter

    def using(self, adapter: Adapter) -> AbstractContextManager[None]:
        """Run the block with another adapter."""


def checkpoint_layers(layers: Iterable[nn.Module], model: AdapterSwitch) -> None:
    """Make decoder layers so, in place: less memory, one more pass forward.

    transformers' own checkpointing asks for layers in training mode, and ours are in evaluation
    mode, so that dropout in adapters does not part sampling from re-scoring.
    """
    for layer in layers:
        layer.forward = partial(_run, model, layer.forward)


def _run(model: AdapterSwitch, forward: Any, *args: Any, **kwargs: Any) -> Any:
    """Run a layer; where a gradient will be asked for, so that it can be run once more."""
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    adapter = model.adapter

    def again(*inputs: Any) -> Any:
        if model.adapter == adapter:
            return forward(*inputs, **kwargs)
        with model.using(adapter):  # the backward pass comes when another one is in use again
            return forward(*inputs, **kwargs)

    return checkpoint(again, *args, use_reentrant=False, preserve_rng_state=False)
