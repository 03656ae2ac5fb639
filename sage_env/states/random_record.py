"""Random generators as JSON data: a copy goes on with the same numbers, in any process."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

KINDS = ("PCG64", "PCG64DXSM", "Philox", "SFC64", "MT19937")
"""Bit generators of NumPy."""


def random_record(generator: np.random.Generator | None) -> dict[str, Any] | None:
    """Return the state of a random generator as JSON data; `None` for none.

    Its numbers have up to 128 bits, which few readers of JSON keep: they are text.
    """
    return None if generator is None else _to_text(generator.bit_generator.state)


def read_random(record: Mapping[str, Any] | None) -> np.random.Generator | None:
    """Return a generator that goes on where the recorded one was; `None` for none.

    Raises:
        AttributeError, KeyError, TypeError, ValueError: if the record is damaged.
    """
    if record is None:
        return None
    if record["bit_generator"] not in KINDS:
        raise ValueError(f"expected one of {', '.join(KINDS)}, got {record['bit_generator']!r}")
    bits = getattr(np.random, record["bit_generator"])()
    bits.state = _from_text(record)
    return np.random.Generator(bits)


def _to_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _to_text(one) for name, one in value.items()}
    if isinstance(value, np.ndarray):
        return [str(one) for one in value.tolist()]
    return value if isinstance(value, str) else str(int(value))


def _from_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _from_text(one) for name, one in value.items()}
    if isinstance(value, list):
        return np.array([int(one) for one in value], np.uint64)
    return int(value) if value.isdecimal() else value
