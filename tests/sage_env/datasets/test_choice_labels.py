"""Laws of `sage_env.datasets.choice_labels`: whose letters count, and how a prompt lists them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.choice_labels import label_choices, lettered


@pytest.mark.parametrize(
    ("choices", "labels", "texts"),
    [
        (["red", "blue"], "AB", ["red", "blue"]),
        (["A. red", "B. blue"], "AB", ["red", "blue"]),
        (["(A) red", "(B) blue"], "AB", ["red", "blue"]),
        (["[a] red", "[b] blue"], "AB", ["red", "blue"]),
        (["a) red", "b) blue", "c)green"], "ABC", ["red", "blue", "green"]),
        (["A: red", "B: blue"], "AB", ["red", "blue"]),
        (["B. red", "A. blue"], "BA", ["red", "blue"]),
        (["1. red", "2. blue"], "12", ["red", "blue"]),
        (["(1) red", "(2) blue"], "12", ["red", "blue"]),
        (["A、red", "B、blue"], "AB", ["red", "blue"]),
        (["A.red", "B:blue"], "AB", ["red", "blue"]),
        (["A.red", "B:blue"], "AB", ["red", "blue"]),
        (["（A）red", "【B】blue"], "AB", ["red", "blue"]),
        (["A - red", "B – blue", "C — green"], "ABC", ["red", "blue", "green"]),
        (["**A.** red", "**B:** blue", "Option C: green"], "ABC", ["red", "blue", "green"]),
        (["1、red", "2）blue"], "12", ["red", "blue"]),
        # times of day, ranges, compounds
        (["A.M.", "P.M."], "AB", ["A.M.", "P.M."]),
        (["1 - 5", "2 - 7"], "AB", ["1 - 5", "2 - 7"]),
        (["A-team", "B-side"], "AB", ["A-team", "B-side"]),
        # no labels: initials, one without, the wrong ones, the same twice, times, decimals, a hole
        (["C. elegans", "E. coli"], "AB", ["C. elegans", "E. coli"]),
        (["A. red", "blue"], "AB", ["A. red", "blue"]),
        (["B. red", "C. blue"], "AB", ["B. red", "C. blue"]),
        (["A. red", "A. blue"], "AB", ["A. red", "A. blue"]),
        (["1:15", "2:30"], "AB", ["1:15", "2:30"]),
        (["1.5", "2.5"], "AB", ["1.5", "2.5"]),
        (["A. ", "B. "], "AB", ["A. ", "B. "]),
    ],
)
def test_labels_by_hand(choices, labels, texts) -> None:
    found = label_choices(choices)
    assert "".join(one.label for one in found) == labels
    assert [one.text for one in found] == texts


def test_a_prompt_has_each_letter_once() -> None:
    assert lettered(["red", "blue"]) == ["A. red", "B. blue"]
    assert lettered(["A. red", "B. blue"]) == ["A. red", "B. blue"]
    assert lettered(["(B) red", "(A) blue"]) == ["(B) red", "(A) blue"]


def test_beyond_z_there_are_no_letters() -> None:
    choices = [f"c{k}" for k in range(28)]
    assert [one.label for one in label_choices(choices)][24:] == ["Y", "Z", "", ""]
    assert lettered(choices)[25:] == ["Z. c25", "c26", "c27"]


@given(st.lists(st.text(min_size=1), min_size=1, max_size=30))
def test_no_choice_is_lost_and_labels_differ(choices) -> None:
    found = label_choices(choices)
    assert len(found) == len(choices) == len(lettered(choices))
    assert all(one.text and one.text in c for one, c in zip(found, choices, strict=True))
    labels = [one.label for one in found if one.label]
    assert len(set(labels)) == len(labels)
