"""The options of `reset`: which question to ask, and how much of the budget the episode may use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sage_env.argument_checks import whole_number
from sage_env.datasets.loading import find_item
from sage_env.episode import Budget

Limits = Mapping[str, tuple[int, int]]
"""The least and the most of each option that lowers the budget."""


def budget_limits(budget: Budget, overview_frames: int) -> Limits:
    """Return how far `reset` may lower a budget: the overview must still fit."""
    return {
        "max_turns": (1, budget.turns),
        "max_frames": (max(1, overview_frames), budget.frames),
    }


def read_reset(
    options: Mapping[str, Any], ids: Mapping[str, int], budget: Budget, limits: Limits
) -> tuple[int | None, Budget]:
    """Return the index of the question (`None`: the seed picks) and the budget of the episode.

    Args:
        options: as `VideoQAEnv` describes.
        ids: the index of every question by its id.
        budget: the environment's.
        limits: of it, from `budget_limits`.

    Raises:
        ValueError: if an option is not known, or its value is out of range.
        DatasetError: if there is no question with that id.
    """
    names = set(options) - set(limits)
    if names - {"item_id", "index"} or len(names) > 1:
        raise ValueError(
            "options must be {'item_id': …} or {'index': …}, with or without 'max_turns' and "
            f"'max_frames', got {options!r}"
        )
    index = None
    if "item_id" in options:
        index = find_item(ids, options["item_id"])
    elif "index" in options:
        index = whole_number("options['index']", options["index"], 0, len(ids) - 1)
    lowered = {name: read_limit(name, options[name], limits) for name in limits if name in options}
    turns, frames = lowered.get("max_turns"), lowered.get("max_frames")
    return index, replace(
        budget,
        turns=budget.turns if turns is None else turns,
        frames=budget.frames if frames is None else frames,
    )


def read_limit(name: str, value: Any, limits: Limits) -> int:
    """Return the value of an option that lowers the budget.

    Raises:
        ValueError: if it is no whole number within its limits.
    """
    return whole_number(f"options[{name!r}]", value, *limits[name])
