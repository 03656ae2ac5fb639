"""Laws of `algos.data_pipeline.questions.quota_day`: midnight in California, summer and winter."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest

from algos.data_pipeline.questions.quota_day import next_day


@pytest.mark.parametrize(
    ("now", "then"),
    [
        ("2026-12-01T07:59", "2026-12-01 08:00"),  # it is still November there
        ("2026-12-01T08:00", "2026-12-02 08:00"),
        ("2026-12-01T23:00", "2026-12-02 08:00"),
        ("2026-07-01T06:59", "2026-07-01 07:00"),
        ("2026-07-01T07:00", "2026-07-02 07:00"),
        ("2026-11-01T06:00", "2026-11-01 07:00"),  # the night in which the clocks go back
        ("2026-11-01T08:00", "2026-11-02 08:00"),
    ],
)
def test_the_next_midnight_there_in_utc(now: str, then: str) -> None:
    try:
        ZoneInfo("America/Los_Angeles")
    except ZoneInfoNotFoundError:
        pytest.skip("no time zones here")
    told = next_day(datetime.fromisoformat(now).replace(tzinfo=UTC))
    assert f"begins again at {then} UTC" in told
