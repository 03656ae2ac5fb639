"""Laws of `sage_env.tools.grounding.passages` and `found_spans`: texts and the reply."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.subtitles.line import Line
from sage_env.tools.grounding.found_spans import FoundSpan, best_spans, written_spans
from sage_env.tools.grounding.passages import Passage, scene_passages, spoken_passages

LINES = [Line(0.0, 2.0, "one"), Line(2.5, 4.0, "two"), Line(4.0, 6.0, "three"), Line(9.0, 9.5, "x")]


def test_a_line_and_those_that_follow_without_a_pause_are_passages() -> None:
    found = [(one.start, one.end, one.text) for one in spoken_passages(LINES, 0.0, 20.0)]
    assert found == [
        (0.0, 2.0, "one"),
        (0.0, 4.0, "one two"),
        (0.0, 6.0, "one two three"),
        (2.5, 4.0, "two"),
        (2.5, 6.0, "two three"),
        (4.0, 6.0, "three"),
        (9.0, 9.5, "x"),
    ]


def test_passages_are_cut_at_the_ends_of_the_stretch() -> None:
    found = spoken_passages(LINES[:1], 1.0, 1.5) + spoken_passages(LINES[:1], 2.0, 5.0)
    assert [(one.start, one.end) for one in found] == [(1.0, 1.5)]


def test_lines_of_more_than_half_a_minute_are_not_joined() -> None:
    lines = [Line(0.0, 20.0, "one"), Line(20.0, 31.0, "two")]
    assert [one.text for one in spoken_passages(lines, 0.0, 99.0)] == ["one", "two"]


def test_a_shot_with_text_and_speech_is_one_text_of_both() -> None:
    written = [Passage(1.0, 5.0, "Harbour", "text on screen")]
    spoken = spoken_passages(LINES, 0.0, 20.0)
    shots = [(0.0, 6.5), (6.5, 12.0)]
    (scene,) = scene_passages(written, spoken, shots)
    assert (scene.start, scene.end) == (0.0, 6.5)
    assert sorted(scene.text.split()) == ["Harbour", "one", "three", "two"]


def span(start: float, end: float, score: float, words: str = "w") -> FoundSpan:
    return FoundSpan(start, end, score, "speech", words)


def test_of_two_that_are_much_the_same_the_better_is_told() -> None:
    spans = [span(0, 10, 0.6), span(1, 10, 0.8), span(20, 30, 0.7), span(29, 39, 0.65)]
    assert [one.score for one in best_spans(spans)] == [0.8, 0.7, 0.65]


def test_of_two_that_fit_as_well_the_shorter_is_told() -> None:
    assert best_spans([span(0, 10, 0.8), span(2, 6, 0.8)]) == [span(2, 6, 0.8)]


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 20), st.integers(0, 99)), max_size=30))
def test_no_more_than_the_most_are_told_best_first_and_none_twice(drawn) -> None:
    spans = [span(start, start + length, score / 100) for start, length, score in drawn]
    kept = best_spans(spans, 3)
    assert len(kept) <= 3 and [x.score for x in kept] == sorted(x.score for x in kept)[::-1]
    assert bool(kept) == bool(spans)
    assert all(a.overlap(b) <= 0.3 for i, a in enumerate(kept) for b in kept[:i])
    if spans:
        assert kept[0].score == max(one.score for one in spans)


def test_a_line_of_the_reply_says_when_how_sure_and_why() -> None:
    text = written_spans([span(12, 15.52, 0.834, 'He  said\n"no"'), span(1, 2, 1.0, "")])
    assert text.splitlines() == [
        "[12.0 s - 15.5 s] score 0.83 (speech: \"He said 'no'\")",
        "[1.0 s - 2.0 s] score 1.00 (speech)",
    ]


def test_what_was_found_is_told_in_a_line_however_long_it_is() -> None:
    text = written_spans([span(0, 1, 0.5, "word " * 500)])
    assert len(text) < 200 and text.endswith('…")')


def test_overlap_is_what_is_common_over_the_whole() -> None:
    assert span(0, 10, 1).overlap(span(5, 20, 1)) == pytest.approx(0.25)
    assert span(0, 10, 1).overlap(span(12, 20, 1)) == 0.0
