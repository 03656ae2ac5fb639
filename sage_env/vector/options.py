"""The seeds, options and actions of many environments: read, checked, one for each."""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sage_env.actions.action import ACTION_NAMES
from sage_env.argument_checks import whole_number
from sage_env.reset_options import Limits, chosen_by, question_index, read_limit, read_seed

Seeds = int | Sequence[int | None] | None
ResetOptions = dict[str, Any] | None


def read_seeds(seed: Seeds, num_envs: int) -> list[int | None]:
    """Return the seed of each environment; from one number, the numbers that follow it.

    Raises:
        ValueError: if a sequence has another length, or one is no whole number of 0 or more.
    """
    if seed is None:
        return [None] * num_envs
    if not isinstance(seed, Sequence | np.ndarray):
        first = whole_number("seed", seed, 0)
        return [first + i for i in range(num_envs)]
    if len(seed) != num_envs:
        raise ValueError(f"seed must be a number or one for each of {num_envs}, got {len(seed)}")
    return [read_seed(each) for each in seed]


def read_options(
    options: Mapping[str, Any] | None, num_envs: int, ids: Mapping[str, int], limits: Limits
) -> tuple[NDArray[np.bool_], list[ResetOptions]]:
    """Return which environments to reset, bool `(num_envs,)`, and the options of each of them.

    Args:
        options: as `VideoQAVectorEnv` describes; it is not changed.
        num_envs: how many environments there are.
        ids: the index of every question by its id.
        limits: of the options that lower the budget.

    Raises:
        ValueError: if the options are not as described.
        DatasetError: if there is no question with such an id.
    """
    rest = dict(options or {})
    chosen_by(rest, limits, also=("reset_mask",))
    mask = _mask(rest.pop("reset_mask", None), num_envs)
    options_of_each: list[dict[str, Any]] = [{} for _ in range(num_envs)]
    for name, given in rest.items():
        shared = isinstance(given, str) or not isinstance(given, Sequence | np.ndarray)
        values = [given] * num_envs if shared else list(given)
        if len(values) != num_envs:
            raise ValueError(f"options[{name!r}] must be one or {num_envs}, got {len(values)}")
        for own_options, reset, value in zip(options_of_each, mask, values, strict=True):
            if not reset or value is None:
                continue
            if name in limits:
                own_options[name] = read_limit(name, value, limits)
            else:
                own_options["index"] = question_index(name, value, ids)
    return mask, [own_options or None for own_options in options_of_each]


def check_actions(actions: Any, ignored: NDArray[np.bool_]) -> None:
    """Check that there is one action for each environment.

    Args:
        actions: what `step` was given.
        ignored: bool `(num_envs,)`, whose action may be anything, because it is reset instead.

    Raises:
        ValueError: if it is not a sequence of that length.
        TypeError: if one is neither an action nor `Invalid`.
    """
    several = isinstance(actions, Sequence | np.ndarray) and not isinstance(actions, str)
    if not several or len(actions) != len(ignored):
        raise ValueError(
            f"step takes a sequence of {len(ignored)} actions, one per environment, got "
            f"{reprlib.repr(actions)}"
        )
    for i, action in enumerate(actions):
        if type(action) not in ACTION_NAMES and not ignored[i]:
            raise TypeError(
                "step takes actions of sage_env.actions or Invalid, got "
                f"{type(action).__name__} for environment {i}: read text with "
                "sage_env.parse_action"
            )


def _mask(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(num_envs, np.bool_)
    good = isinstance(mask, np.ndarray) and mask.shape == (num_envs,) and mask.dtype == np.bool_
    if not good or not mask.any():
        raise ValueError(
            f"options['reset_mask'] must be a bool array of shape ({num_envs},) with a True in it, "
            f"got {mask!r}"
        )
    return np.array(mask, np.bool_)
