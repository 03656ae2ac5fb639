"""The floors by name."""

from __future__ import annotations

from policies.floors.choice_floors import ChoiceFloor, constant, longest
from policies.floors.majority_answer import majority
from sage_env.datasets.loading import load_dataset


def named_floor(kind: str, rest: str) -> ChoiceFloor:
    """Return a floor.

    Args:
        kind: `constant`, `longest` or `majority`.
        rest: the position, from 1, of the first; of the last the dataset, whose split `train` is
            read.

    Raises:
        ValueError: if the position is no whole number above 0.
        DatasetError: if the dataset cannot be read.
    """
    if kind == "longest":
        return longest()
    if kind == "majority":
        return majority(load_dataset(rest, split="train"))
    if rest and not rest.isdecimal():
        raise ValueError(f"constant:NUMBER needs a whole number above 0, got 'constant:{rest}'")
    return constant(int(rest or 1))
