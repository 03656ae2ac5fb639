"""Models of the published Qwen3-VL shapes with random weights, on `meta` without memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from policies.sage_mm.model.pretrained import ARCHITECTURES
from policies.sage_mm.model.published_shapes import Size, published_config


def random_model(
    size: Size, *, device: str | torch.device, dtype: torch.dtype = torch.bfloat16, seed: int = 0
) -> Any:
    """Return a model of a published shape with random weights.

    Args:
        size: which published checkpoint.
        device: `meta` takes no memory.
        dtype: of the weights.
        seed: of the weights; the global generator is left alone.
    """
    config = published_config(size)
    config._attn_implementation = "sdpa"
    place = torch.device(device)
    with torch.random.fork_rng(devices=[place] if place.type == "cuda" else []):
        torch.manual_seed(seed)
        with place, _default_dtype(dtype):
            return ARCHITECTURES[config.model_type](config)


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)
