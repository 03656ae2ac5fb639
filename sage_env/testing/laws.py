"""Broken laws, told as an `AssertionError` that begins with the law."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


def require(holds: bool, law: str) -> None:
    """Raise `AssertionError` with the law unless it holds."""
    if not holds:
        raise AssertionError(law)


@contextmanager
def lawful(law: str) -> Iterator[None]:
    """Turn whatever is raised inside the block into an `AssertionError` that begins with the law.

    A law that was already found broken inside is left as it is.
    """
    try:
        yield
    except AssertionError:
        raise
    except Exception as error:
        raise AssertionError(f"{law}: got {type(error).__name__}: {error}") from error
