"""Checks of the numbers that an environment is made with."""

from __future__ import annotations

from typing import Any

import numpy as np

from sage_env.frames import Tolerance


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` if it is a whole number in `[least, most]`.

    Raises:
        ValueError: if it is not.
    """
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        limits = f">= {least}" if most is None else f"from {least} to {most}"
        raise ValueError(f"{name} must be a whole number {limits}, got {value!r}")
    return int(value)


def picture_size(size: Any) -> tuple[int, int]:
    """Return `size` if it is `(H, W)` in pixels.

    Raises:
        ValueError: if it is not.
    """
    if len(size) != 2:
        raise ValueError(f"frame_size must be (H, W) in pixels, got {size!r}")
    return whole_number("frame_size", size[0], 1), whole_number("frame_size", size[1], 1)


def tolerance_seconds(name: str, value: Any) -> Tolerance:
    """Return `value` if it is a tolerance: finite seconds, 0 or more, or "auto".

    Raises:
        ValueError: if it is not.
    """
    number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    if value != "auto" and not (number and 0 <= value < np.inf):
        raise ValueError(f'{name} must be seconds, 0 or more, or "auto", got {value!r}')
    return "auto" if value == "auto" else float(value)
