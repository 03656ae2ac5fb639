"""When a quota of a day begins again: at midnight in California, by Google's own words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def next_day(now: datetime | None = None) -> str:
    """Return when to go on, in words, by the clock of UTC.

    Args:
        now: the time; `None` for that of the machine.
    """
    zone: tzinfo
    try:
        zone = ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:  # a system without time zones: an hour late in summer
        zone = timezone(timedelta(hours=-8))
    here = (now or datetime.now(UTC)).astimezone(zone)
    midnight = datetime.combine(here.date() + timedelta(days=1), datetime.min.time(), zone)
    told = midnight.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return f"the day's quota begins again at {told}: run this again then, and it goes on from here"
