"""What `reset` takes: the seed, which question to ask, how much of the budget may be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sage_env.argument_checks import whole_number
from sage_env.datasets.loading import find_item
from sage_env.episode import Budget

Limits = Mapping[str, tuple[int, int]]
"""The least and the most of each option that lowers the budget."""


def read_seed(seed: Any) -> int | None:
    """Return the seed of `reset` as Python's own number, `None` for none.

    Raises:
        ValueError: if it is neither `None` nor a whole number of 0 or more.
    """
    return None if seed is None else whole_number("seed", seed, 0)


def budget_limits(budget: Budget, overview_frames: int) -> Limits:
    """Return how far `reset` may lower a budget: the overview must still fit."""
    return {
        "max_turns": (1, budget.turns),
        "max_frames": (min(max(1, overview_frames), budget.frames), budget.frames),
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
    name = chosen_by(options, limits)
    index = None if name is None else question_index(name, options[name], ids)
    lowered = {name: read_limit(name, options[name], limits) for name in limits if name in options}
    turns, frames = lowered.get("max_turns"), lowered.get("max_frames")
    return index, replace(
        budget,
        turns=budget.turns if turns is None else turns,
        frames=budget.frames if frames is None else frames,
    )


def chosen_by(options: Mapping[str, Any], limits: Limits, also: Sequence[str] = ()) -> str | None:
    """Return the option that chooses the question, `item_id` or `index`; `None` without one.

    Args:
        options: what `reset` was given.
        limits: of the options that lower the budget.
        also: further options that there are.

    Raises:
        ValueError: if both are given, or an option is not known.
    """
    further = (*also, *limits)
    names = set(options) - set(further)
    if names - {"item_id", "index"} or len(names) > 1:
        raise ValueError(
            "options must be {'item_id': …} or {'index': …}, with or without "
            f"{', '.join(map(repr, further[:-1]))} and {further[-1]!r}, got {options!r}"
        )
    return next(iter(names), None)


def question_index(name: str, value: Any, ids: Mapping[str, int]) -> int:
    """Return the index of the question that an option names.

    Args:
        name: `item_id` or `index`.
        value: of the option.
        ids: the index of every question by its id.

    Raises:
        ValueError: if it is no index of a question.
        DatasetError: if there is no question with that id.
    """
    if name == "item_id":
        return find_item(ids, value)
    return whole_number("options['index']", value, 0, len(ids) - 1)


def read_limit(name: str, value: Any, limits: Limits) -> int:
    """Return the value of an option that lowers the budget.

    Raises:
        ValueError: if it is no whole number within its limits.
    """
    return whole_number(f"options[{name!r}]", value, *limits[name])
