"""Prices of models behind an API, by the day: what a request cost when it was sent.

`prices.toml` beside this module is the list; it says where it is from, and when it was read.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

from policies.turn_usage import TokenCounts

_FILE = Path(__file__).with_name("prices.toml")


@dataclass(frozen=True, kw_only=True)
class PriceRow:
    """What a model costs in a stretch of time, in dollars per million tokens.

    Attributes:
        server: who bills, e.g. `google`; the host's name of servers that have no other.
        model: its name there.
        prompt: of what is sent.
        completion: of what is generated, thinking included.
        cached: of what is sent and was in the provider's cache; `None` if it costs as `prompt`.
        audio: of what is sent and is sound; `None` if it costs as `prompt`.
        since: the first day; `None` for any before `until`.
        until: the first day on which it no longer holds; `None` for none known.
        long_from: a request of more tokens costs the next three instead; `None` for no such limit.
        long_prompt: as `prompt`.
        long_completion: as `completion`.
        long_cached: as `cached`.
        source: where it was read.
        read: on which day.
    """

    server: str
    model: str
    prompt: float
    completion: float
    cached: float | None = None
    audio: float | None = None
    since: date | None = None
    until: date | None = None
    long_from: int | None = None
    long_prompt: float | None = None
    long_completion: float | None = None
    long_cached: float | None = None
    source: str = ""
    read: date | None = None

    @property
    def name(self) -> str:
        """Return the name of the row: `google/gemini-3.8-flash until 2027-01-01`."""
        days = [("since", self.since), ("until", self.until)]
        words = [f"{word} {day.isoformat()}" for word, day in days if day is not None]
        return " ".join([f"{self.server}/{self.model}", *words])

    def holds(self, day: date) -> bool:
        """Return whether it is the price on a day."""
        begun = self.since is None or self.since <= day
        return begun and (self.until is None or day < self.until)

    def dollars(self, counts: TokenCounts) -> float | None:
        """Return what one request cost; `None` if it may hold sound whose tokens are not told.

        Sound that was cached cannot be told from other cached tokens, and costs as they do.
        """
        if self.audio is not None and counts.audio is None:
            return None
        long = self.long_from is not None and counts.prompt > self.long_from
        prompt = self.long_prompt if long and self.long_prompt is not None else self.prompt
        made = self.long_completion if long and self.long_completion is not None else None
        completion = self.completion if made is None else made
        cached = self.long_cached if long and self.long_cached is not None else self.cached
        fresh = counts.prompt - counts.cached
        sound = min(counts.audio or 0, fresh) if self.audio is not None else 0
        micro = (fresh - sound) * prompt + sound * (self.audio or 0.0)
        micro += counts.cached * (prompt if cached is None else cached)
        return (micro + counts.completion * completion) / 1e6


def price_of(model: str, day: date | None = None) -> PriceRow | None:
    """Return what a model costs on a day; `None` if the list does not have it.

    Args:
        model: `SERVER/NAME`, as `TurnUsage.model`.
        day: by default today, in UTC.
    """
    day = day or datetime.now(UTC).date()
    found = [r for r in price_rows() if f"{r.server}/{r.model}" == model and r.holds(day)]
    return found[0] if found else None


def named_price(name: str) -> PriceRow | None:
    """Return the row of a name that a question's row says as `price`; `None` if there is none."""
    return next((row for row in price_rows() if row.name == name), None)


def price_records(names: Iterable[str]) -> list[dict[str, Any]]:
    """Return the rows of these names as JSON data, for the record of a run; see `named_price`."""
    found = []
    for name in sorted(names):
        row = named_price(name)
        facts = {} if row is None else asdict(row)
        told = {k: str(v) if isinstance(v, date) else v for k, v in facts.items() if v is not None}
        found.append({"name": name, **told})
    return found


@cache
def price_rows() -> Sequence[PriceRow]:
    """Return the list."""
    data = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    about = {name: data[name] for name in ("source", "read")}
    known = {field.name for field in fields(PriceRow)}
    rows = [{**about, **row} for row in data["price"]]
    return tuple(PriceRow(**{k: v for k, v in row.items() if k in known}) for row in rows)
