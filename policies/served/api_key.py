"""API keys: taken from the environment, shown nowhere, plain or encoded."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from urllib.parse import quote_plus

from policies.errors import MissingKey

GEMINI_KEYS = ("GEMINI_API_KEY", "GOOGLE_API_KEY")
OPENAI_KEYS = ("OPENAI_API_KEY",)
KEY_VARIABLES = (*GEMINI_KEYS, *OPENAI_KEYS)
"""The variables of the environment that hold keys."""
_LONG = 8
"""Characters from which on a key is a secret that no other text holds by chance. Shorter ones, such
as the `none` of servers that want any key, are hidden where they stand as a word of their own, and
only in what a server says beside replies: a model may answer `none`."""
_HIDDEN = "[key]"
_SECRET = re.compile(r"(?:^|_)(?:API_?KEY|TOKEN|SECRET|PASSWORD)$")


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
        self._pattern = _pattern_of(self._value)

    def reveal(self) -> str:
        """Return the key, or `""`: for the request's header, and for nothing else."""
        return self._value

    def hide(self, text: str) -> str:
        """Return `text` with the key replaced wherever it stands: plain, quoted, base64 or hex."""
        return text if self._pattern is None else self._pattern.sub(_HIDDEN, text)

    def hide_in_reply(self, text: str) -> str:
        """Return the text of a model likewise; a short key is left, as it may be a word of it."""
        return text if len(self._value) < _LONG else self.hide(text)

    def __repr__(self) -> str:
        """Say where the key comes from."""
        return f"Key({', '.join(self._made_with[0])})"

    def __reduce__(self) -> tuple[object, tuple[tuple[str, ...], str | None]]:
        """Pickle the names of the variables."""
        return _read_key, self._made_with


def hide_keys(text: str) -> str:
    """Return `text` without the value of any variable of the environment that holds a secret.

    What a plug-in raises may hold the key of a service of its own: every variable whose name ends
    like that of a key is taken for one.
    """
    names = [name for name in os.environ if name in KEY_VARIABLES or _SECRET.search(name.upper())]
    for name in sorted(names):
        value = os.environ[name].strip()
        if len(value) >= _LONG and (pattern := _pattern_of(value)) is not None:
            text = pattern.sub(_HIDDEN, text)
    return text


def _read_key(variables: tuple[str, ...], user: str | None) -> Key:
    return Key(*variables, user=user)


def _pattern_of(key: str) -> re.Pattern[str] | None:
    """Return what finds a key in a text, longer forms first; `None` without a key."""
    if not key:
        return None
    if len(key) < _LONG:
        return re.compile(rf"(?<![A-Za-z0-9]){re.escape(key)}(?![A-Za-z0-9])")
    as_json = json.dumps(key)[1:-1]
    forms = {key, quote_plus(key), as_json, html.escape(key)}
    forms |= {json.dumps(as_json)[1:-1], repr(key)[1:-1]}
    forms |= _base64_forms(key.encode())
    found = [re.escape(form) for form in sorted(forms, key=len, reverse=True)]
    percent = "".join(f"(?:{re.escape(c)}|%{ord(c):02x})" for c in key)  # any letters quoted
    hexadecimal = re.escape(key.encode().hex())
    return re.compile("|".join([*found, f"(?i:{hexadecimal})", f"(?i:{percent})"]))


def _base64_forms(key: bytes) -> set[str]:
    """Return the letters of base64 (RFC 4648) that the key alone decides, wherever it begins.

    Three bytes are four letters, so what stands before the key moves it by 0, 1 or 2 bytes: a
    header `Bearer KEY` or `user:KEY` in base64 has none of the letters of the key's own.
    """
    forms = set()
    for before in range(3):
        first = -(-before * 8 // 6)  # the letter in which the key begins holds other bits too
        last = (before + len(key)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            forms.add(encode(b"\0" * before + key)[first:last].decode())
    return forms
