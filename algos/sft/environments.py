"""Environments that are made for a while: to demonstrate, to play again, to measure. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from algos.sft.settings import FineTuningError
from sage_env.datasets.item import QAItem
from sage_env.env import VideoQAEnv


@contextmanager
def open_envs(
    items: Sequence[QAItem], options: Mapping[str, Any], count: int
) -> Iterator[list[VideoQAEnv]]:
    """Make environments that are alike, and close them at the end of the block.

    Raises:
        FineTuningError: if they cannot be made with these options.
    """
    try:
        envs = [VideoQAEnv(dataset=items, **options) for _ in range(max(1, count))]
    except (ValueError, TypeError) as error:
        told = ", ".join(f"{name}={value!r}" for name, value in options.items())
        raise FineTuningError(f"no environment can be made with {told}: {error}") from error
    try:
        yield envs
    finally:
        for env in envs:
            env.close()
