"""Laws of `sage_env.tools.grounding.matching`: how well texts fit an event."""

from __future__ import annotations

import numpy as np
import pytest

from sage_env.tools.grounding.matching import match_meanings, match_words, quoted, remembering


def letters(texts):
    """Embed by which of a, b, c, d a text has."""
    found = np.array([[text.count(one) for one in "abcd"] for text in texts], np.float32)
    return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def test_a_score_is_the_cosine_with_the_event() -> None:
    scores = match_meanings("ab", ["ab", "a", "cd", "aab"], letters)
    assert scores == pytest.approx([1.0, 0.5**0.5, 0.0, 3 / 10**0.5], abs=1e-6)
    assert scores.dtype == np.float32 and match_meanings("ab", [], letters).shape == (0,)


def test_quoted_words_count_by_themselves() -> None:
    assert match_meanings('cccc "aab"', ["aab"], letters) == pytest.approx([1.0], abs=1e-6)
    assert quoted('a sign says "Lift out" and “closed”') == ["Lift out", "closed"]
    assert quoted("the driver's bag isn't the captain's") == []


def test_no_cosine_is_below_nothing() -> None:
    assert match_meanings("a", ["b"], lambda texts: np.array([[1.0], [-1.0]], np.float32)) == [0.0]


def test_words_count_by_what_part_of_the_event_is_there() -> None:
    texts = ["The lift is out of order", "lift", "a fire drill", "", "the of a"]
    scores = match_words("lift order", texts)
    assert scores == pytest.approx([1.0, 0.5, 0.0, 0.0, 0.0])


def test_another_form_of_a_word_counts_in_part() -> None:
    # " fe fen enc nce ce " and " fe fen enc nce ces es ": 4 in common of 5 and 6.
    assert match_words("fence", ["fences"]) == pytest.approx([8 / 11])


def test_an_event_of_small_words_alone_fits_nothing() -> None:
    assert match_words("who is it", ["who is it"]) == pytest.approx([0.0])


def test_letters_of_any_script_and_size_are_compared() -> None:
    assert match_words("ПОЖАР", ["Пожар в доме"]) == pytest.approx([1.0])


def test_a_text_is_embedded_once_and_its_vector_is_the_same() -> None:
    asked = []

    def counting(texts):
        asked.extend(texts)
        return letters(texts)

    embedder = remembering(counting, most=3)
    for texts in (["a", "b", "a"], ["b", "ab"], ["cd", "b"], ["a", "b", "ab", "cd"]):
        np.testing.assert_array_equal(embedder(texts), letters(texts))
    assert asked == ["a", "b", "ab", "cd", "b", "a", "b", "ab", "cd"]
