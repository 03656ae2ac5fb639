"""A reply that somebody was asked for, and what that took: tokens, not dollars.

A tool that asks a model behind an API returns a `PaidText`; the environment shows its text, and has
what it took in `info["tool_usage"]`. Prices are not known here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class PaidText(str):
    """A text, and what was used for it.

    Attributes:
        usage: plain data, as JSON has it: `model` (`SERVER/NAME`, as price lists have it),
            `replies` (for each the counts of `policies.turn_usage.TokenCounts` by name, or `None`
            where its server did not say them), `failed` (requests that failed). `None`: nobody was
            asked.
    """

    usage: Mapping[str, Any] | None

    def __new__(cls, text: str, usage: Mapping[str, Any] | None = None) -> PaidText:
        """Make a text with its usage; pickle makes it without, and adds it."""
        made = super().__new__(cls, text)
        made.usage = usage
        return made


def usage_of(text: str) -> Mapping[str, Any] | None:
    """Return what a tool's reply took; `None` where nobody was asked, or nobody says so."""
    return text.usage if isinstance(text, PaidText) else None
