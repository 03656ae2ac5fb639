"""Laws of `sage_env.datasets.native.spans`: time references, pairs, their union."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.native.spans import INSTANT, parse_spans, read_spans, within
from sage_env.timeline import clock, covered, merged


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("00:15-00:19", [(15, 19)]),
        ("00:19-00:15", [(15, 19)]),  # reversed
        ("00:15", [(15, 16)]),  # a single time
        ("00:15-00:15", [(15, 16)]),
        ("00:15 – 00:19", [(15, 19)]),
        ("00:15 to 00:19", [(15, 19)]),
        ("00:15~00:19", [(15, 19)]),
        ("75:10-76:00", [(4510, 4560)]),  # minutes beyond an hour
        ("01:02:03-01:02:10", [(3723, 3730)]),
        ("59:58-01:00:02", [(3598, 3602)]),
        ("00:15-00:19, 00:30-00:31; 01:00", [(15, 19), (30, 31), (60, 61)]),
        ("00:15-00:19\n00:30-00:31", [(15, 19), (30, 31)]),
        ("0:5-0:9", [(5, 9)]),
        ("12.5-14", [(12.5, 14)]),
        ("00:15.5 - 00:19.25", [(15.5, 19.25)]),
        ("12s - 14s", [(12, 14)]),
        ("00:15-", [(15, 16)]),
        ("00:75", []),  # no time
        ("n/a", []),
        ("", []),
    ],
)  # fmt: skip
def test_references(text, spans):
    assert list(parse_spans(text)) == spans


seconds = st.integers(0, 5 * 3600)


@given(seconds, seconds, st.sampled_from(["-", " - ", "–", " to ", "~"]))
def test_a_written_span_is_read_back_in_either_order(start, end, between):
    text = f"{clock(start, 0).split('.')[0]}{between}{clock(end, 0).split('.')[0]}"
    low, high = min(start, end), max(start, end)
    assert parse_spans(text) == ((low, high if high > low else low + INSTANT),)


@given(st.text())
def test_whatever_the_text_spans_are_in_order(text):
    assert all(0 <= start < end < math.inf for start, end in parse_spans(text))


def test_pairs_that_are_none_are_passed_over():
    pairs = [[9, 5], [1, 2], [3], "45", [None, 2], [math.nan, 2], [-1, 2], [4, 4], [True, 3]]
    assert read_spans(pairs) == ((5.0, 9.0), (1.0, 2.0), (4.0, 5.0))


spans = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).filter(lambda s: s[0] < s[1]))


@given(spans)
def test_a_union_holds_the_same_seconds_once(some):
    union = merged(some)
    inside = {k for start, end in some for k in range(start, end)}
    assert {k for start, end in union for k in range(start, end)} == inside
    assert covered(union) == len(inside) == sum(end - start for start, end in union)
    assert all(a[1] < b[0] for a, b in zip(union, union[1:], strict=False))


def test_spans_are_cut_at_the_end_of_the_video():
    assert within([(1, 5), (8, 12), (10, 11)], 10) == ((1, 5), (8, 10))
    assert within([(1, 5)], None) == ((1, 5),)
