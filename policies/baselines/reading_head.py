"""The demonstrator's eyes: a linear head that reads scene and symbol from a vision tower."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sage_env.synth.symbols import COLOURS, SYMBOLS

BACKDROPS = ("grey", *COLOURS)
"""Backdrops in the order of the head's first 9 rows; grey is the filler between scenes."""
SIGHTS = ("empty", *SYMBOLS)
"""Symbols in the order of its other 13 rows."""


class ReadingHead:
    """A linear reading of a frame's features: which backdrop, which symbol.

    Args:
        weight: float32 `(9 + 13, hidden)`.
        bias: float32 `(9 + 13,)`.
    """

    def __init__(self, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        """Keep the weights."""
        self.weight, self.bias = weight, bias

    @classmethod
    def load(cls, folder: Path) -> ReadingHead:
        """Read `reading_head.safetensors` from a checkpoint folder."""
        from safetensors.numpy import load_file

        tensors = load_file(folder / "reading_head.safetensors")
        return cls(tensors["weight"], tensors["bias"])

    def __call__(self, features: NDArray[np.float32]) -> list[tuple[str, str]]:
        """Return backdrop and symbol of N frames.

        Args:
            features: float32 `(N, hidden)`, the mean of each frame's merged embeddings.
        """
        scores = features @ self.weight.T + self.bias
        backdrops = scores[:, : len(BACKDROPS)].argmax(1)
        sights = scores[:, len(BACKDROPS) :].argmax(1)
        return [(BACKDROPS[b], SIGHTS[s]) for b, s in zip(backdrops, sights, strict=True)]
