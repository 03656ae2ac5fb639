"""Numbers: what counts as one, and checks of those that an environment is made with.

`bool` is a kind of int in Python and never a number here. NumPy's scalars are numbers.
"""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any, TypeGuard

from sage_env.frames import Tolerance


def is_number(value: object) -> TypeGuard[float]:
    """Return whether a value is a real number; infinities and NaN are."""
    return isinstance(value, Real) and not isinstance(value, bool)


def is_whole(value: object) -> TypeGuard[int]:
    """Return whether a value is of a whole type; `2.0` is not."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_finite(value: object) -> TypeGuard[float]:
    """Return whether a value is a number that a float can hold."""
    if type(value) is float:  # the usual case, without asking an abstract class
        return math.isfinite(value)
    try:
        return is_number(value) and math.isfinite(value)
    except OverflowError:  # a whole number beyond the floats
        return False


def whole_number(name: str, value: Any, least: int, most: int | None = None) -> int:
    """Return `value` if it is a whole number in `[least, most]`.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least: the smallest that is allowed.
        most: the largest; `None` for no limit.

    Raises:
        ValueError: if it is not.
    """
    if not is_whole(value) or value < least or (most is not None and value > most):
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
    if value != "auto" and not (is_finite(value) and value >= 0):
        raise ValueError(f'{name} must be seconds, 0 or more, or "auto", got {value!r}')
    return "auto" if value == "auto" else float(value)
