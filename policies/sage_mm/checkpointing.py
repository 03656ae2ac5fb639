"""Layers that keep their input alone for the backward pass, and compute the rest again there."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

if TYPE_CHECKING:
    from policies.sage_mm.model import SageModel


def checkpoint_layers(model: SageModel) -> None:
    """Make the decoder layers of a model so, in place: less memory, one more pass forward.

    transformers' own checkpointing asks for layers in training mode, and ours are in evaluation
    mode, so that dropout in adapters does not part sampling from re-scoring.
    """
    for layer in model.base.model.language_model.layers:
        layer.forward = partial(_run, model, layer.forward)


def _run(model: SageModel, forward: Any, *args: Any, **kwargs: Any) -> Any:
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
