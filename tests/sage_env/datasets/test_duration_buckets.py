"""Laws of `sage_env.datasets.duration_buckets`: half-open, and named by their edges."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.duration_buckets import BUCKETS, bucket_of


@given(st.floats(0, 1e6))
def test_a_duration_lies_between_the_edges_that_its_bucket_names(duration):
    low, _, high = bucket_of(duration).rstrip("+").partition("-")
    assert float(low) <= duration and (not high or duration < float(high))


@pytest.mark.parametrize(
    ("duration", "bucket"),
    [(0, "0-60"), (59.9, "0-60"), (60, "60-180"), (2400, "2400+"), (7200, "2400+")],
)
def test_an_edge_belongs_to_the_longer_bucket(duration, bucket):
    assert bucket_of(duration) == bucket and bucket in BUCKETS


def test_a_video_of_unknown_length_is_in_no_bucket():
    assert bucket_of(None) == "unknown" and "unknown" not in BUCKETS
