"""Laws of `algos.metrics.prices`: the row of the day, its tiers, no price where none is known."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import date, timedelta
from itertools import combinations

import pytest

from algos.metrics.prices import PriceRow, named_price, price_of, price_records, price_rows
from policies.turn_usage import TokenCounts

ROW = PriceRow(
    server="s",
    model="m",
    prompt=2.0,
    completion=12.0,
    cached=0.2,
    long_from=200_000,
    long_prompt=4.0,
    long_completion=18.0,
    long_cached=0.4,
)


def test_a_request_by_hand() -> None:
    counts = TokenCounts(100_000, 1_000, cached=40_000, thinking=900)
    # 60,000 at 2 $, 40,000 at .2 $, 1,000 at 12 $, per million; thinking is in the 1,000
    assert ROW.dollars(counts) == pytest.approx(0.12 + 0.008 + 0.012)
    assert replace(ROW, cached=None).dollars(counts) == pytest.approx(0.2 + 0.012)


def test_a_long_request_costs_more_for_all_of_its_tokens() -> None:
    at, beyond = (TokenCounts(200_000 + more, 0, cached=0) for more in (0, 1))
    assert ROW.dollars(at) == pytest.approx(0.4)
    assert ROW.dollars(beyond) == pytest.approx(4 * 0.200001)
    long = TokenCounts(300_000, 10_000, cached=100_000)
    assert ROW.dollars(long) == pytest.approx(0.8 + 0.04 + 0.18)
    assert replace(ROW, long_from=None).dollars(long) == pytest.approx(0.4 + 0.02 + 0.12)


def test_sound_that_is_not_told_apart_has_no_price() -> None:
    row = PriceRow(server="s", model="m", prompt=0.3, completion=2.5, cached=0.03, audio=1.0)
    assert row.dollars(TokenCounts(10_000, 0)) is None
    assert row.dollars(TokenCounts(10_000, 0, audio=0)) == pytest.approx(0.003)
    assert row.dollars(TokenCounts(10_000, 0, audio=4_000)) == pytest.approx(0.0018 + 0.004)
    assert row.dollars(TokenCounts(10_000, 0, cached=8_000, audio=4_000)) == pytest.approx(
        2_000 * 1e-6 + 8_000 * 0.03e-6
    ), "no more sound is paid in full than was not cached"


def test_the_price_is_that_of_the_day() -> None:
    """Announced rises: the day on which one begins has the new price, the day before the old."""
    for model, day, before, after in (
        ("google/gemini-4-argon", date(2026, 12, 1), (2, 10, 0.1), (4, 20, 0.2)),
        ("google/gemini-3.8-flash", date(2027, 1, 1), (0.75, 3.75, 0.075), (1.5, 7.5, 0.15)),
    ):
        for then, expected in ((day - timedelta(1), before), (day, after)):
            row = price_of(model, then)
            assert row is not None
            assert (row.prompt, row.completion, row.cached) == expected
            assert named_price(row.name) == row
    long = price_of("google/gemini-3.1-pro-preview", date(2026, 12, 1))
    assert long is not None and (long.long_from, long.long_prompt, long.long_completion) == (
        200_000, 4.0, 18.0
    )  # fmt: skip


def test_a_model_that_is_not_in_the_list_has_no_price() -> None:
    for model in ("google/gemini-9", "openai/gpt-4", "gpt-4o", "127.0.0.1/gpt-4o", "/", "google/"):
        assert price_of(model) is None
    assert price_of("openai/gpt-4o") is not None, "the same name, where its own provider bills"
    assert named_price("given") is None


def test_a_record_says_the_whole_row() -> None:
    given, flash = price_records(["google/gemini-3.8-flash until 2027-01-01", "given"])
    assert given == {"name": "given"}, "of prices that the user gave, the settings tell"
    assert flash["prompt"] == 0.75 and flash["until"] == "2027-01-01"
    assert flash["read"] and flash["source"] and json.loads(json.dumps(flash)) == flash


def test_the_list_is_sound() -> None:
    rows = price_rows()
    assert len({row.name for row in rows}) == len(rows) > 20
    for row in rows:
        assert row.source and row.read is not None
        assert min(row.prompt, row.completion, row.cached or 0) >= 0
        assert row.cached is None or row.cached <= row.prompt
        longs = (row.long_from, row.long_prompt, row.long_completion)
        assert all(longs) or not any(longs)
    for one, other in combinations(rows, 2):
        if (one.server, one.model) == (other.server, other.model):
            days = [date(2020, 1, 1) + timedelta(30 * k) for k in range(120)]
            assert not any(one.holds(day) and other.holds(day) for day in days), one.name
