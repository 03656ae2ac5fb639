"""Laws of `algos.metrics.spans` and `answer_spans`: stretches compared as sets of moments."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.metrics.answer_spans import answer_spans
from algos.metrics.spans import best_match, first_hit, iop, iou, precision, recall
from sage_env import Answer
from sage_env.datasets.grounding import read_spans

SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 10)).map(lambda p: (float(p[0]), float(sum(p)))),
    max_size=4,
)


def seconds_of(spans):
    """Return which whole seconds lie in the spans, as a set: what a union is."""
    return {second for a, b in spans for second in range(int(a), int(b))}


@given(SPANS, SPANS)
def test_overlaps_are_those_of_sets_of_seconds(ours, gold) -> None:
    a, b = seconds_of(ours), seconds_of(gold)
    assert iou(ours, gold) == pytest.approx(len(a & b) / len(a | b) if a | b else 0.0)
    assert iop(ours, gold) == pytest.approx(len(a & b) / len(a) if a else 0.0)
    assert iou(ours, gold) == iou(gold, ours)


def test_the_best_of_several_gold_spans_by_hand() -> None:
    """Half of [0, 10) lies in [5, 25), and all of [5, 10): the two maxima are of two spans."""
    overlap, share = best_match([(0.0, 10.0)], [(5.0, 25.0), (0.0, 100.0)])
    assert (overlap, share) == (5 / 25, 1.0)
    assert best_match([], [(0.0, 1.0)]) == best_match([(0.0, 1.0)], []) == (0.0, 0.0)


@given(st.lists(st.integers(0, 40), max_size=9), SPANS)
def test_frames_against_evidence_by_counting(frames, gold) -> None:
    seconds = [float(f) for f in frames]
    if not gold:
        assert recall(seconds, gold) is None and precision(seconds, gold) is None
        return
    seen = [any(a <= t < b for t in seconds) for a, b in gold]
    assert recall(seconds, gold) == np.mean(seen)
    if seconds:
        assert precision(seconds, gold) == np.mean([f in seconds_of(gold) for f in frames])
    else:
        assert precision(seconds, gold) is None


def test_the_first_look_with_evidence_by_hand() -> None:
    assert first_hit([[1.0], [], [9.9, 10.0]], [(10.0, 11.0)]) == 2
    assert first_hit([[10.0], [10.0]], [(10.0, 11.0)]) == 0
    assert first_hit([[11.0]], [(10.0, 11.0)]) is None, "the end is no part of a span"
    assert first_hit([], [(10.0, 11.0)]) is None


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("3.5-9.0 s", ((3.5, 9.0),)),
        ("It happens from 1:05 to 01:09.5.", ((65.0, 69.5),)),
        ("[[0, 4.2], [10, 12]]", ((0.0, 4.2), (10.0, 12.0))),
        ("20s - 10s", ((10.0, 20.0),)),
        ("1:02:03 until 1:02:10", ((3723.0, 3730.0),)),
        ("between 5 and 7 seconds", ((5.0, 7.0),)),
        ("at 7 s", ()),
        ("7-7", ()),
        ("never", ()),
    ],
)
def test_stretches_in_words(text, spans) -> None:
    assert read_spans(text) == spans


@given(st.text(alphabet="0123456789:.-, tos[]", max_size=30))
def test_any_text_is_read_as_stretches_or_none(text) -> None:
    assert all(0 <= start < end for start, end in read_spans(text))


def test_the_text_counts_only_where_a_stretch_is_asked_for() -> None:
    both = Answer("3-4", evidence=((1.0, 2.0),))
    assert answer_spans(both, "ground") == ((3.0, 4.0),)
    assert answer_spans(both, "mcq") == ((1.0, 2.0),)
    assert answer_spans(Answer("?", evidence=((1.0, 2.0),)), "ground") == ((1.0, 2.0),)
    assert answer_spans(Answer("3-4"), "open") is None and answer_spans(None, "ground") is None
