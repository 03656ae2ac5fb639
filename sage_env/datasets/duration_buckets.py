"""The duration buckets of the SAGE paper (arXiv 2512.13874), by which results are reported."""

from __future__ import annotations

from bisect import bisect_right

BUCKETS = ("0-60", "60-180", "180-300", "300-600", "600-1200", "1200-2400", "2400+")
"""Duration buckets in seconds, each half-open: a video of 60 s is in "60-180"."""
_EDGES = (60.0, 180.0, 300.0, 600.0, 1200.0, 2400.0)


def bucket_of(duration: float | None) -> str:
    """Return the bucket of a duration in seconds; "unknown" for `None`."""
    if duration is None:
        return "unknown"
    return BUCKETS[bisect_right(_EDGES, duration)]
