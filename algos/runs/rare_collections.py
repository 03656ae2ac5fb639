"""Fewer searches for cycles while very many rows are read that live on.

Python looks for cycles after every few hundred new objects, and from time to time among all that
there are: with millions of values of rows, which hold no cycles, a tenth of the time goes there.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_RARELY = (100_000, 20, 100)


@contextmanager
def rare_collections() -> Iterator[None]:
    """Inside the block, or in a function that is decorated with it, search rarely.

    It holds for the whole process; what was set before is set again at the end.
    """
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)
