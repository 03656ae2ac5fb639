"""Laws of `sage_env.datasets.native.option_text`: options without letters, gold answers."""

import time
from string import ascii_uppercase

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sage_env.datasets.native.option_text import (
    by_index,
    by_letter,
    by_text,
    gold_option,
    numbered_options,
    split_options,
    split_question,
)
from sage_env.errors import DatasetError


@pytest.mark.parametrize(
    ("options", "texts"),
    [
        (["A. red", "B. blue"], ("red", "blue")),
        (["(A) red", "(B) blue"], ("red", "blue")),
        (["red", "blue"], ("red", "blue")),
        ("A. red\nB. blue\nC. not\nred\n", ("red", "blue", "not red")),
        ("['A. red', \"B. it's\"]", ("red", "it's")),
        ("red\nblue", ("red", "blue")),
        (["A. Lincoln", "B. Franklin", "Adams"], ("Lincoln", "Franklin", "Adams")),
        (["A. red", "green", "blue"], ("A. red", "green", "blue")),  # an initial
        (["C. elegans", "E. coli"], ("C. elegans", "E. coli")),
        (["A. 0:15", "B. 1:15"], ("0:15", "1:15")),
        (["0:15", "1:15"], ("0:15", "1:15")),
        ([1, 2.5], ("1", "2.5")),
        ({"A": "red", "B": "blue"}, ("red", "blue")),
        ("{'A': 'red', 'B': 'blue'}", ("red", "blue")),
        (["A. yes", "B. no", "C. yes"], ("A. yes", "B. no", "C. yes")),
        (["yes", "no", "yes"], ("A. yes", "B. no", "C. yes")),
    ],
)
def test_options_lose_their_letters_and_nothing_else(options, texts):
    assert split_options(options) == texts


@pytest.mark.parametrize("options", [[], "", ["A. ", "B. x"], ["x", " "], 3, None, {}])
def test_an_empty_option_is_refused(options):
    with pytest.raises(DatasetError, match="an option is empty, or there is none|must be a list"):
        split_options(options)


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("What?\n(A) one\n(B) two\n(C) three\n(D) four", "What?", ("one", "two", "three", "four")),
        ("What?\nA. one\nB) two\nC: three", "What?", ("one", "two", "three")),
        (
            "Who?\n Answer the question based on the following options: \n (A) x y\n (B) z",
            "Who?", ("x y", "z"),
        ),
        ("What?\n(A) one\n more\n(B) two", "What?", ("one more", "two")),
        ("What? (A) one (B) two (C) three", "What?", ("one", "two", "three")),
        ("Is\n(A) so\n(B) as?\n(A) one\n(B) two", "Is\n(A) so\n(B) as?", ("one", "two")),
        ("Is it (A) so (B) as? (A) one (B) two", "Is it (A) so (B) as?", ("one", "two")),
        ("Which of (A) or (C)?", "Which of (A) or (C)?", ()),
        ("A man\nB. runs", "A man\nB. runs", ()),
        ("Only\n(A) one", "Only\n(A) one", ()),
        ("No options here", "No options here", ()),
        ("Q?\nOptions:\nA. x\nB. y", "Q?", ("x", "y")),
        ("Q? Please choose one of the options: (A) x (B) y", "Q?", ("x", "y")),
        ("Name the options shown:\n(A) x\n(B) y", "Name the options shown:", ("x", "y")),
        ("Options:\nA. x\nB. y", "Options:", ("x", "y")),
    ],
)  # fmt: skip
def test_options_inside_a_question(text, question, options):
    assert split_question(text) == (question, options)


@pytest.mark.parametrize(
    "text",
    [
        "answer options " * 2000 + "\n(A) x\n(B) y",
        " " * 20000 + "x\n(A) x\n(B) y",
        "(A) x\n" * 9000,
    ],
)
def test_a_long_text_takes_no_longer_than_its_length(text):
    started = time.process_time()
    split_question(text)
    assert time.process_time() - started < 1.0  # 88, 10 and 12 s for a rule that looks back


plain = st.text(st.sampled_from("abcde 0123'"), min_size=1, max_size=12).map(
    lambda text: " ".join(text.split())
)
lists = st.lists(plain.filter(bool), min_size=2, max_size=14, unique=True)
styles = st.sampled_from(["({}) ", "{}. ", "{}) ", "{}: ", "[{}] "])


@given(lists, styles, st.booleans())
def test_letters_put_before_options_are_taken_off_again(options, style, as_text):
    letters = [style.format(letter) for letter in ascii_uppercase]
    written = [f"{letter}{text}" for letter, text in zip(letters, options, strict=False)]
    assert split_options("\n".join(written) if as_text else written) == tuple(options)
    assert split_question("\n".join(["What is it?", *written])) == ("What is it?", tuple(options))


@given(lists, styles, st.data())
def test_letter_index_and_text_name_the_same_option(options, style, data):
    place = data.draw(st.integers(0, len(options) - 1))
    letter, text = ascii_uppercase[place], options[place]
    both = style.format(letter) + text
    for answer in (letter, letter.lower(), f"({letter})", f"{letter}.", both):
        assert by_letter(options, answer) == text
    assert by_index(options, place) == by_index(options, str(place)) == text
    assert by_index(options, place + 1, first=1) == by_index(options, f"{place}.0") == text
    assert by_text(options, text) == text
    assert gold_option(options, text) == text  # a text before a letter or an index


@given(lists, st.text(max_size=6))
def test_what_names_no_option_is_refused_and_never_guessed(options, answer):
    for named in (by_letter, by_index, by_text, gold_option):
        try:
            found = named(options, answer)
        except DatasetError:
            continue
        assert found in options
    assume(len(answer.strip()) > 2 and not any(c in "()[].:、" for c in answer))
    with pytest.raises(DatasetError):
        by_letter(options, answer)


def test_a_sentence_that_begins_with_a_letter_is_no_letter():
    options = ("a dog", "a cat")
    for answer in ("A man", "B cat runs", "C", "E", "", "AB", "A. a cat"):
        with pytest.raises(DatasetError):
            by_letter(options, answer)
    assert by_letter(options, "A. A dog.") == "a dog"
    assert by_text(options, "(B) A cat.") == "a cat"
    with pytest.raises(DatasetError, match="none of the options"):
        by_text(("Will", "will"), "WILL")
    for index in (-1, 2):
        with pytest.raises(DatasetError, match="index from 0 to 1"):
            by_index(options, index)


def test_of_options_that_are_the_same_the_letter_names_one():
    options = split_options(["A. yes", "B. no", "C. yes"])
    for answer in ("C", "C. yes", "(c)"):
        assert by_letter(options, answer) == "C. yes"
    assert by_index(options, 2) == "C. yes"
    with pytest.raises(DatasetError):
        by_text(options, "yes")
    assert split_question("Q?\n(A) x\n(B) x") == ("Q?", ("A. x", "B. x"))
    assert numbered_options({"o0": "x", "o1": "x"}, "o") == {0: "A. x", 1: "B. x"}


def test_columns_that_hold_no_option():
    row = {"option0": "x", "option1": "N/A", "option2": "y", "option3": None, "option4": " "}
    assert numbered_options(row, "option") == {0: "x", 2: "y"}
    many = {k: f"text {k}" for k in range(14)}  # as many as CG-Bench has
    assert numbered_options({f"o{k}": text for k, text in many.items()}, "o") == many
    assert numbered_options({"option 0": "A. x", "option 1": "B. y"}, "option ") == {0: "x", 1: "y"}
