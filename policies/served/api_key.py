"""API keys: taken from the environment, shown nowhere."""

from __future__ import annotations

import os

from policies.errors import MissingKey


class Key:
    """An API key. Neither its `repr` nor its pickle holds it: a copy reads the environment anew.

    Args:
        variables: of the environment; the first one that is set is taken.
        user: who needs the key, for the message; `None` if it can do without one.

    Raises:
        MissingKey: if none is set, and there is a `user`; or if it cannot be a key.
    """

    def __init__(self, *variables: str, user: str | None) -> None:
        """Read the environment."""
        self._made_with = variables, user
        found = [name for name in variables if os.environ.get(name, "").strip()]
        if not found and user is not None:
            raise MissingKey(
                f"{user} needs an API key: set the environment variable {' or '.join(variables)}"
            )
        self._value = os.environ[found[0]].strip() if found else ""
        if not (self._value.isascii() and self._value.isprintable()):
            raise MissingKey(f"{found[0]} holds characters that no API key has: set it again")

    def reveal(self) -> str:
        """Return the key, or `""`: for the client, and for nothing else."""
        return self._value

    def hide(self, text: str) -> str:
        """Return `text` with every occurrence of the key replaced."""
        return text.replace(self._value, "[key]") if self._value else text

    def __repr__(self) -> str:
        """Say where the key comes from."""
        return f"Key({', '.join(self._made_with[0])})"

    def __reduce__(self) -> tuple[object, tuple[tuple[str, ...], str | None]]:
        """Pickle the names of the variables."""
        return _read_key, self._made_with


def _read_key(variables: tuple[str, ...], user: str | None) -> Key:
    return Key(*variables, user=user)
