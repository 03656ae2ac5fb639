"""Laws of `sage_env.datasets.written_numbers`: numbers, times and units; what is no number."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.written_numbers import clocks_as_seconds, read_number, same_number


@pytest.mark.parametrize(
    ("text", "value", "form"),
    [
        ("5", 5, "plain"), ("-1.5", -1.5, "plain"), ("+3", 3, "plain"),
        ("1,234.5", 1234.5, "plain"),
        ("02:05", 125, "clock"), ("1:02:03.5", 3723.5, "clock"), ("-0:15", -15, "clock"),
        ("12 s", 12, "s"), ("12sec", 12, "s"), ("1.5 seconds", 1.5, "s"), ("5 min", 300, "m"),
        ("2 hours", 7200, "h"), ("1m 5s", 65, "ms"), ("1 minute and 5 seconds", 65, "ms"),
        ("1h 2m 3s", 3723, "hms"), ("1 hour, 30 minutes", 5400, "hm"),
    ],
)  # fmt: skip
def test_numbers_by_hand(text, value, form) -> None:
    assert read_number(text) == (value, form)


@pytest.mark.parametrize(
    "text",
    ["", "s", "-", "five", "5 m", "5 metres", "5%", "1,23", "12,34,567", "1e999", "nan", "inf",
     "5 6", "1:75", "1..5 s", ". s", "5 s 3 m", "١٢", "9" * 100, "1 min 5", "3 apples"],
)  # fmt: skip
def test_what_is_no_number(text) -> None:
    assert read_number(text) is None


@given(st.text(max_size=80))
def test_any_text_is_a_finite_number_or_none(text) -> None:
    number = read_number(text)
    assert number is None or abs(number.value) < float("inf")


def test_a_tolerance_is_met_at_its_limit() -> None:
    assert same_number(12.3, 12.0, 0.3) and not same_number(12.31, 12.0, 0.3)
    assert same_number(0.1 + 0.2, 0.3) and not same_number(0.3001, 0.3)


def test_clocks_become_seconds_wherever_they_stand() -> None:
    assert clocks_as_seconds("from 0:05 to 00:15") == "from 5s-15s"
    assert clocks_as_seconds("1:00:00 – 1:00:10.5") == "3600s-3610.5s"
    assert clocks_as_seconds("after 0:05, red to blue") == "after 5s, red to blue"
    assert clocks_as_seconds("1:75 and 3:2") == "1:75 and 3:2"
