"""Laws of `algos.data_pipeline.checking.near_duplicates`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from algos.data_pipeline.checking.near_duplicates import (
    find_similarity,
    letter_vectors,
    near_duplicates,
)
from sage_env.datasets.item import QAItem
from sage_env.errors import MissingExtra
from sage_env.tools.grounding import text_embedding

FLASH = QAItem(
    "a",
    Path("v.mp4"),
    "Which symbol flashes on the red backdrop?",
    answer="star",
    evidence=((5, 9),),
)
AGAIN = replace(FLASH, id="b", question="Which symbol blinks on the red backdrop?")


def found(items, videos=None, similar=0.6, embed=letter_vectors) -> dict[str, str]:
    videos = videos or ["v.mp4"] * len(items)
    return {one.id: one.of for one in near_duplicates(items, videos, embed, similar)}


def test_the_same_in_other_words_is_found_and_the_first_stays() -> None:
    assert found([FLASH, AGAIN]) == {"b": "a"}
    assert found([AGAIN, FLASH]) == {"a": "b"}


@pytest.mark.parametrize(
    "other",
    [
        replace(AGAIN, answer="ring"),
        replace(AGAIN, evidence=((20, 22),)),
        replace(AGAIN, evidence=((9, 12),)),  # it begins where the other ends
        replace(FLASH, id="b", question="Who wins the second race of the afternoon?"),
    ],
    ids=["another answer", "elsewhere", "just behind", "another question"],
)
def test_what_is_near_in_one_way_alone_stays(other) -> None:
    assert found([FLASH, other]) == {}


def test_the_same_words_are_the_same_question_where_it_looks_at_the_same() -> None:
    same = replace(FLASH, id="b", question="which symbol  flashes on the RED backdrop")
    assert found([FLASH, replace(same, answer="ring")]) == {"b": "a"}, "one of them is wrong"
    assert found([FLASH, replace(same, evidence=((20, 22),))]) == {"b": "a"}, "which flash?"
    assert found([FLASH, replace(same, answer="ring", evidence=((20, 22),))]) == {}


def test_another_video_has_the_same_question_as_its_own() -> None:
    assert found([FLASH, AGAIN], ["v.mp4", "w.mp4"]) == {}


def test_a_duplicate_of_a_duplicate_is_one_of_the_first() -> None:
    third = replace(AGAIN, id="c", question="Which symbol blinks upon the red backdrop?")
    assert found([FLASH, AGAIN, third]) == {"b": "a", "c": "a"}


def test_a_cosine_of_just_the_limit_is_near() -> None:
    def embed(texts):
        return np.array([[1.0, 0.0], [0.5, 0.75**0.5]], np.float64)[: len(texts)]

    cosine = float(embed(["", ""])[0] @ (embed(["", ""])[1] / np.linalg.norm(embed(["", ""])[1])))
    assert found([FLASH, AGAIN], similar=cosine, embed=embed) == {"b": "a"}
    assert found([FLASH, AGAIN], similar=cosine + 1e-9, embed=embed) == {}


def test_an_alias_is_the_same_answer() -> None:
    assert found([FLASH, replace(AGAIN, answer="a five-pointed star", aliases=("Star",))]) == {
        "b": "a"
    }


def test_letters_see_spelling_and_nothing_else() -> None:
    a, b, c = letter_vectors(["Where is the cat?", "where is the cat", "Qui mange une pomme?"])
    assert (a == b).all()
    cosine = a @ c / np.linalg.norm(a) / np.linalg.norm(c)
    assert cosine < 0.2
    (empty,) = letter_vectors(["?"])
    assert np.isfinite(empty).all()
    kana = [replace(FLASH, question="月はどこ?"), replace(AGAIN, question="月はどこですか?")]
    assert found(kana, similar=0.3)


def test_without_the_weights_letters_are_compared_and_the_record_says_so(monkeypatch) -> None:
    assert find_similarity("letters").name == "letters"

    def missing(texts, source=None):
        raise MissingExtra("no weights")

    monkeypatch.setattr(text_embedding, "embed", missing)
    auto = find_similarity()
    assert auto.embed is letter_vectors and auto.near == 0.6
    assert auto.name.startswith("letters (the weights of ")
    with pytest.raises(MissingExtra):
        find_similarity("some/encoder")


def test_an_encoder_that_is_there_is_taken_and_named(monkeypatch) -> None:
    asked = []

    def embed(texts, source=None):
        asked.append(source)
        return np.ones((len(texts), 4), np.float32)

    monkeypatch.setattr(text_embedding, "embed", embed)
    assert "MiniLM" in find_similarity().name
    other = find_similarity("folder/of/weights")
    assert other.name == "folder/of/weights" and other.embed(["a"]).shape == (1, 4)
    assert asked == [None, "folder/of/weights", "folder/of/weights"]


@pytest.mark.slow
def test_meanings_are_compared_where_the_weights_are_here() -> None:
    if text_embedding.packaged_weights() is None:
        pytest.skip("the weights of all-MiniLM-L6-v2 are not here")
    similarity = find_similarity()
    meant = [
        replace(FLASH, question="What colour is the car that the man gets into?"),
        replace(FLASH, id="b", question="Which color does the vehicle have that the man enters?"),
        replace(FLASH, id="c", question="How many people are standing at the bus stop?"),
    ]
    assert found(meant, similar=similarity.near, embed=similarity.embed) == {"b": "a"}
    assert found(meant, similar=0.6) == {}, "letters do not see it"
