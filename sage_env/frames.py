"""Frames and the seconds at which each of them is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """N decoded frames.

    Attributes:
        pixels: uint8 `(N, H, W, 3)`, RGB.
        seconds: float64 `(N,)`, the *presentation* time of each frame, not the time that was asked
            for; non-decreasing, one per frame.

    Raises:
        ValueError: if shapes, dtypes or the order of the times are not as above.
    """

    pixels: NDArray[np.uint8]
    seconds: NDArray[np.float64]

    def __post_init__(self) -> None:
        """Refuse illegal values where they are made."""
        pixels, seconds = self.pixels, self.seconds
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] != 3:
            raise ValueError(
                f"pixels must be uint8 (N, H, W, 3), got {pixels.dtype} {pixels.shape}"
            )
        if seconds.dtype != np.float64 or seconds.shape != pixels.shape[:1]:
            raise ValueError(
                f"seconds must be float64 ({len(pixels)},), got {seconds.dtype} {seconds.shape}"
            )
        if not np.isfinite(seconds).all() or (np.diff(seconds) < 0).any():
            raise ValueError(f"seconds must be finite and non-decreasing, got {seconds}")

    def __len__(self) -> int:
        """Return the number of frames."""
        return len(self.seconds)

    def __repr__(self) -> str:
        """Show shapes, not pixels."""
        span = f"{self.seconds[0]:.2f}..{self.seconds[-1]:.2f} s" if len(self) else "empty"
        return f"FrameBatch(pixels={self.pixels.shape}, seconds={span})"
