"""What a saved policy may say of the environment that it was trained for: budgets and frame sizes.

These come from files that others made, and become arguments of `gym.make`. So they may shape
observations, and nothing else: no folder, dataset, tool or reward is chosen by a checkpoint.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sage_env.argument_checks import is_number, is_whole

_NUMBERS = ("max_turns", "max_frames", "frames_per_turn", "overview_frames")
SHAPING = (*_NUMBERS, "frame_pixels", "frame_size", "snap", "overview_tolerance")
"""The arguments of `gym.make` that a saved policy may name."""


def saved_env_options(options: object, source: object) -> dict[str, Any]:
    """Return the environment's arguments that a policy's files name, `frame_size` as a tuple.

    Args:
        options: as they were read from JSON.
        source: the file, for the message.

    Raises:
        ValueError: if they name an argument that is not in `SHAPING`, or a value that is none.
    """
    if not isinstance(options, Mapping):
        raise ValueError(f"{source}: expected the environment's arguments, got {options!r:.60}")
    if odd := [name for name in options if name not in SHAPING]:
        raise ValueError(
            f"{source} sets {', '.join(map(repr, odd))} of the environment, and a saved policy may "
            f"set {', '.join(SHAPING)} alone: remove the others, and pass them to gym.make"
        )
    found = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    for name, value in found.items():
        if not _suits(name, value):
            raise ValueError(f"{source} sets {name} to {value!r:.60}, which is no value of it")
    return found


def _suits(name: str, value: object) -> bool:
    if name in (*_NUMBERS, "frame_pixels"):
        return is_whole(value)
    if name == "frame_size":
        return isinstance(value, tuple) and len(value) == 2 and all(map(is_whole, value))
    if name == "snap":
        return isinstance(value, bool)
    return value == "auto" or is_number(value)
