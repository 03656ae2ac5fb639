"""Laws of `sage_env.datasets.matching`: letters, texts, numbers, aliases; a judge for the rest."""

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import decide_answer, judge_answer, match_answer, rule_answer
from sage_env.datasets.validation import validate
from sage_env.errors import JudgeError
from tests.helpers.answers.odd_choices import ODD_CHOICES, ODD_OPEN
from tests.helpers.answers.other_choices import OTHER_CHOICES
from tests.helpers.answers.ways_to_answer import NOT_RIGHT, RIGHT

CHOICES = ("circle", "star", "a square", "The Moon")
WORDS = ("circle", "star", "square", "moon", "heart", "arrow", "drop")


def mcq(answer, choices=CHOICES, **more):
    return QAItem("q", Path("v.mp4"), "Which?", choices, answer, "mcq", **more)


def open_item(answer, **more):
    return QAItem("q", Path("v.mp4"), "What?", (), answer, **more)


@pytest.mark.parametrize(
    "text",
    [
        "B", "b", "(b)", "(B)", "B.", "B)", "B:", " B \n", "B) star", "(B) star", "B. Star.",
        "b: STAR", "Option B", "option (b)", "Choice B", "Answer: B", "The answer is B.",
        "The answer is (B) star", "star", "Star.", "'star'", "the star", "  a  star ",
    ],
)  # fmt: skip
def test_ways_to_name_a_choice(text):
    assert match_answer(mcq("star"), text) is True
    assert match_answer(mcq("circle"), text) is False


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "empty"), ("  ", "empty"), ("E", "no_such_letter"), ("Z.", "no_such_letter"),
        ("A or B", "several_choices"), ("B, C", "several_choices"),
        ("B) circle", "contradiction"), ("none of the above", "no_choice"),
        ("<think> star", "thought"), ("<answer>A</answer> <answer>B</answer>", "several_choices"),
    ],
)  # fmt: skip
def test_what_clearly_names_no_choice_is_wrong(text, rule):
    assert rule_answer(mcq("star"), text) == (False, rule)


@pytest.mark.parametrize(
    "text",
    ["B) star or C) square", "bstar", "stars", "I don't know", "?", "2", "not star", "maybe B"],
)
def test_what_no_rule_can_decide_is_a_judges(text):
    item = mcq("star")
    assert rule_answer(item, text) == (None, "undecided")
    assert decide_answer(item, text)[:2] == (False, "undecided")
    assert decide_answer(item, text, lambda item, text: True)[:2] == (True, "judge")


COLOURS = ("red", "blue", "green", "dark red")


@pytest.mark.parametrize("text", RIGHT)
def test_a_right_answer_is_right_however_it_is_written(text):
    ruling = rule_answer(mcq("blue", COLOURS), text)
    assert ruling.verdict is True
    assert ruling.rule in {"text", "letter", "letter_and_text", "claim"}
    assert rule_answer(mcq("green", COLOURS), text).verdict is False


@pytest.mark.parametrize("text", NOT_RIGHT)
def test_no_wrong_and_no_ambiguous_answer_is_right(text):
    assert rule_answer(mcq("blue", COLOURS), text).verdict is not True


@pytest.mark.parametrize(("choices", "gold", "right", "not_right"), ODD_CHOICES + OTHER_CHOICES)
def test_choices_that_are_hard_to_tell_apart(choices, gold, right, not_right):
    item = mcq(gold, choices)
    assert [text for text in right if rule_answer(item, text).verdict is not True] == []
    assert [text for text in not_right if rule_answer(item, text).verdict is True] == []
    validate([item])


@pytest.mark.parametrize(("gold", "tolerance", "right", "not_right"), ODD_OPEN)
def test_open_answers_with_something_around_them(gold, tolerance, right, not_right):
    item = open_item(gold, tolerance=tolerance)
    assert [text for text in right if rule_answer(item, text).verdict is not True] == []
    assert [text for text in not_right if rule_answer(item, text).verdict is True] == []


@pytest.mark.parametrize("choices", [("red", "blue"), ()])
@pytest.mark.parametrize("mark", ["think", "thinking", "reasoning"])
def test_thoughts_with_nothing_behind_them_are_no_answer(choices, mark):
    item = mcq("blue", choices) if choices else open_item("blue")
    for said in ("blue", "B", "The answer is blue.", ""):
        for text in (f"<{mark}>{said}</{mark}>", f"{said}</{mark}>\n", f"<{mark}>{said}"):
            assert rule_answer(item, text) == (False, "thought"), text
    assert rule_answer(item, f"<{mark}>red</{mark}> blue").verdict is True


@given(st.lists(st.sampled_from(WORDS), min_size=2, max_size=5, unique=True), st.data())
def test_two_choices_are_never_one(choices, data):
    gold, other = data.draw(st.permutations(choices))[:2]
    letters = dict(zip(choices, "ABCDE", strict=False))
    names = st.sampled_from(["{0}", "({1})", "{1}", "{1}. {0}", "**{1}**"])
    one, two = (data.draw(names).format(word, letters[word]) for word in (gold, other))
    joint = data.draw(st.sampled_from([" or ", " and ", ", ", "/", ". ", "\n", " but ", "; no, "]))
    before = data.draw(st.sampled_from(["", "Answer: ", "The answer is ", "I think "]))
    for text in (f"{before}{one}{joint}{two}", f"{before}{two}{joint}{one}"):
        assert rule_answer(mcq(gold, tuple(choices)), text).verdict is not True


@given(st.text(max_size=300))
def test_any_text_has_a_ruling_and_choices_differ_in_it(text):
    right = [choice for choice in COLOURS if rule_answer(mcq(choice, COLOURS), text).verdict]
    assert len(right) <= 1
    rule_answer(open_item("5"), text)


@pytest.mark.parametrize(
    "piece",
    ["the ", "so ", "B, ", "( ", "B is right ", "the answer is ", "and the so ", "<answer>", "{",
     "\\boxed{", "\\a", "1:11", "-", "\n", "A. ", "<think>", "final answer: ", " ", "I'd say "],
)  # fmt: skip
def test_long_answers_are_read_in_linear_time(piece):
    """A law of work done, told by the clock with a margin of a hundred: it was minutes once."""
    text = piece * (60_000 // len(piece))
    start = time.process_time()
    for item in (mcq("blue", COLOURS), open_item("5")):
        assert rule_answer(item, text).verdict is not True
    assert time.process_time() - start < 10


def test_an_article_is_not_the_letter_a():
    assert match_answer(mcq("circle"), "a star") is False
    assert match_answer(mcq("star"), "a star") is True
    assert match_answer(mcq("star"), "a **star**") is True
    assert match_answer(mcq("a square"), "square") is True
    assert match_answer(mcq("circle"), "A") is True


def test_the_text_of_a_choice_wins_over_a_letter():
    item = mcq("A", choices=("B", "A", "C"))
    assert match_answer(item, "A") is True
    assert match_answer(item, "B") is False


@given(st.permutations(WORDS), st.integers(2, 7), st.data())
def test_of_any_choices_exactly_the_gold_one_scores(words, size, data):
    choices = tuple(words[:size])
    gold = data.draw(st.sampled_from(choices))
    item = mcq(gold, choices)
    for index, choice in enumerate(choices):
        letter = chr(ord("A") + index)
        for text in (choice, letter, f"{letter}) {choice}"):
            assert match_answer(item, text) is (choice == gold)


@pytest.mark.parametrize(
    ("gold", "tolerance", "text", "right"),
    [
        ("5", None, "5", True), ("5", None, "5.0", True), ("5", None, "6", False),
        ("5", None, " 5. ", True), ("0.5", None, ".5", True), ("5", None, ".5", False),
        ("-5", None, "5", False), ("-5", None, "-5.0", True), ("1234", None, "1,234", True),
        ("12", 0.3, "12.3", True), ("12.0", 0.3, "12.31", False), ("12", 0.3, "11.7 s", True),
        ("12", 2, "10 seconds", True), ("125", 1, "02:05", True), ("125", 1, "2:07", False),
        ("00:02:05", 1, "125.9", True), ("3723.5", None, "1:02:03.5", True),
        ("12", 2, "1e999", None), ("12", 2, "about twelve", None), ("12", 2, "nan", None),
        ("red ball", None, "The red  ball.", True), ("red ball", None, "blue ball", None),
        ("Café", None, "cafe\u0301", True), ("?", None, "?", True), ("?", None, "!", None),
        ("five", None, "5", None), ("5", None, "", False),
    ],
)  # fmt: skip
def test_open_answers(gold, tolerance, text, right):
    assert match_answer(open_item(gold, tolerance=tolerance), text) is right


@given(st.floats(-1e4, 1e4), st.floats(0, 50), st.floats(-100, 100))
def test_the_tolerance_is_the_limit(gold, tolerance, off):
    item = open_item(repr(gold), tolerance=tolerance)
    given_number = gold + off
    if abs(abs(off) - tolerance) > 1e-3:
        assert match_answer(item, f"{given_number:.9f}") is (abs(off) < tolerance)


def test_an_alias_of_a_choice_does_not_make_an_unclear_answer_right():
    item = mcq("Will", ("Will", "will"), aliases=("William",))
    found = [rule_answer(item, text) for text in ("William", "Will", "will", "WILL", "the william")]
    assert found == [
        (True, "alias"), (True, "text"), (False, "text"), (None, "undecided"), (True, "alias"),
    ]  # fmt: skip


def test_aliases_count_as_the_answer():
    item = open_item("five", aliases=("5", "V"))
    assert [match_answer(item, text) for text in ("Five", "5", "v", "6")] == [
        True,
        True,
        True,
        None,
    ]


def test_the_judge_is_asked_only_where_rules_cannot_tell():
    asked = []

    def judge(item, text):
        asked.append(text)
        return text == "a scarlet sphere"

    item = open_item("red ball")
    texts = ("red ball", "a scarlet sphere", "a cube", "")
    assert [judge_answer(item, text, judge) for text in texts] == [True, True, False, False]
    assert asked == ["a scarlet sphere", "a cube"]
    assert judge_answer(item, "a scarlet sphere") is False
    assert judge_answer(mcq("star"), "circle", judge) is False
    assert len(asked) == 2


def test_a_judge_that_fails_or_mumbles_is_an_error():
    def dead(item, text):
        raise ConnectionError("no route")

    with pytest.raises(JudgeError, match="item 'q'.*no route"):
        judge_answer(open_item("red"), "blue", dead)
    with pytest.raises(JudgeError, match="True, False or None, got 'yes'"):
        judge_answer(open_item("red"), "blue", lambda item, text: "yes")
    with pytest.raises(JudgeError, match="gave no verdict on item 'q'"):
        judge_answer(open_item("red"), "blue", lambda item, text: None)
