"""The information of many environments as one mapping of arrays, in Gymnasium's layout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

Infos = dict[str, Any]


def add_info(infos: Infos, info: Mapping[str, Any], row: int, num_envs: int) -> Infos:
    """Add what one environment gave to the information of all, and return that.

    `infos[key]` is an object array `(num_envs,)`, `infos["_" + key]` says who gave one (True).
    Mappings become such mappings again, but for an observation (`final_obs`).

    Gymnasium's own arrays have the type of the first value that comes: among bools a later `None`
    becomes False, among floats NaN, among ints an error.

    Args:
        infos: of all environments so far; it is changed.
        info: of one environment.
        row: its number, from 0.
        num_envs: how many environments there are.
    """
    for key, value in info.items():
        if isinstance(value, dict) and key != "final_obs":
            infos[key] = add_info(infos.get(key, {}), value, row, num_envs)
        else:
            infos.setdefault(key, np.full(num_envs, None, object))[row] = value
        infos.setdefault(f"_{key}", np.zeros(num_envs, np.bool_))[row] = True
    return infos
