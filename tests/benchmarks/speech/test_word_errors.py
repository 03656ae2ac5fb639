"""Laws of `benchmarks.speech.word_errors`: the rate, worked by hand and against brute force."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.speech.word_errors import WordErrors, spoken_words, word_errors

WORDS = st.lists(st.sampled_from("abc"), max_size=4)


@pytest.mark.parametrize(
    ("heard", "said", "errors", "words"),
    [
        ("the cat sat", "The cat sat.", 0, 3),
        ("the cat sat down", "The cat sat.", 1, 3),  # one put in
        ("cat sat", "The cat sat.", 1, 3),  # one left out
        ("the bat sat", "The cat sat.", 1, 3),  # one exchanged
        ("clean rooms", "cleanrooms", 2, 1),
        ("", "one two", 2, 2),
        ("NASA's here", "NAR: NASA’s here", 0, 2),
    ],
)
def test_errors_by_hand(heard, said, errors, words):
    assert word_errors(heard, said) == WordErrors(errors, words)


@given(WORDS, WORDS)
def test_it_is_the_fewest_changes(heard, said):
    """Of all ways to pair words in order: exchanges, and one change for each unpaired word."""
    fewest = min(
        len(heard)
        + len(said)
        - 2 * size
        + sum(heard[i] != said[j] for i, j in zip(left, right, strict=True))
        for size in range(min(len(heard), len(said)) + 1)
        for left in itertools.combinations(range(len(heard)), size)
        for right in itertools.combinations(range(len(said)), size)
    )
    assert word_errors(" ".join(heard), " ".join(said)).errors == fewest


def test_rates_add_up_by_words():
    total = WordErrors(1, 2) + WordErrors(0, 6)
    assert total == WordErrors(1, 8) and total.rate == 0.125
    assert WordErrors(0, 0).rate == 0.0 and spoken_words("It's 3 o'clock!") == [
        "it's",
        "3",
        "o'clock",
    ]
