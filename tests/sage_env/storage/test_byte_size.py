"""Laws of `sage_env.storage.byte_size`: words and numbers of bytes say the same."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.storage.byte_size import format_bytes, parse_bytes


@pytest.mark.parametrize(
    ("words", "nbytes"),
    [
        ("8GB", 8_000_000_000),
        ("8 GiB", 8 * 2**30),
        ("1.5gib", 3 * 2**29),
        ("512MiB", 2**29),
        ("3kB", 3000),
        ("2KiB", 2048),
        ("7TB", 7 * 10**12),
        ("1 TiB", 2**40),
        ("12B", 12),
        ("4096", 4096),
        (" 0 ", 0),
        (4096, 4096),
    ],
)
def test_words_are_numbers(words: str | int, nbytes: int) -> None:
    assert parse_bytes(words) == nbytes


@pytest.mark.parametrize("words", ["", "GB", "-1GB", "8 G", "8GBs", "1e9", "eight", "8 GB 1", -1])
def test_what_is_no_number_of_bytes_is_refused(words: str | int) -> None:
    with pytest.raises(ValueError, match="expected a number of bytes such as 8GB, 512MiB or 0"):
        parse_bytes(words)


def test_the_largest_unit_is_told() -> None:
    assert format_bytes(0) == "0 B" and format_bytes(1023) == "1023 B"
    assert format_bytes(1024) == "1.0 KiB" and format_bytes(5 * 2**30) == "5.0 GiB"
    assert format_bytes(2**40 * 1.5) == "1.5 TiB"


@given(st.integers(0, 2**50))
def test_there_and_back_loses_less_than_a_tenth_of_a_unit(nbytes: int) -> None:
    assert abs(parse_bytes(format_bytes(nbytes)) - nbytes) <= 0.05 * max(1024, nbytes)
