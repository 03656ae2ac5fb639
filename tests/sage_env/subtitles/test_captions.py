"""Laws of `sage_env.subtitles.captions`: nothing that is shown twice is said twice."""

from hypothesis import given
from hypothesis import strategies as st

from sage_env.subtitles.captions import without_repetition
from sage_env.subtitles.line import Cue


def texts(cues):
    return [tuple(line) for line in without_repetition(cues)]


def test_the_same_cue_twice_is_one_line():
    cues = [Cue(1, 2, ("go",)), Cue(1, 2, ("go",)), Cue(2, 3, ("go",)), Cue(9, 10, ("go",))]
    assert texts(cues) == [(1, 3, "go"), (9, 10, "go")]  # said again later


def test_rows_that_roll_up_are_said_once():
    cues = [
        Cue(0, 2, ("one two",)),
        Cue(2, 2.01, ("one two",)),
        Cue(2.01, 4, ("one two", "three")),
        Cue(4, 6, ("three", "four")),
        Cue(6.05, 8, ("four", "three")),
    ]
    assert texts(cues) == [
        (0, 2.01, "one two"),
        (2.01, 4, "three"),
        (4, 6, "four"),
        (6.05, 8, "three"),
    ]


def test_the_most_rows_that_repeat_are_left_out():
    cues = [Cue(0, 1, ("a", "b", "a")), Cue(1, 2, ("a", "b", "a", "c"))]
    assert texts(cues) == [(0, 1, "a b a"), (1, 2, "c")]


def test_a_row_that_grows_is_one_line():
    cues = [
        Cue(0, 1, ("I",)),
        Cue(1, 2, ("I think",)),
        Cue(2, 3, ("I think so",)),
        Cue(3, 4, ("Is it",)),
    ]
    assert texts(cues) == [(0, 3, "I think so"), (3, 4, "Is it")]


def test_a_row_that_begins_with_the_same_letters_is_another():
    assert texts([Cue(0, 1, ("I",)), Cue(1, 2, ("Is it",))]) == [(0, 1, "I"), (1, 2, "Is it")]


def test_two_who_speak_at_once_are_both_kept():
    cues = [Cue(3, 5, ("no",)), Cue(0, 4, ("yes",))]
    assert texts(cues) == [(0, 4, "yes"), (3, 5, "no")]


rows = st.lists(st.sampled_from(["a", "b", "c d"]), min_size=1, max_size=3).map(tuple)
cues = st.lists(
    st.builds(
        lambda start, length, rows: Cue(start, start + length, rows),
        st.integers(0, 20), st.integers(0, 5), rows,
    ),
    max_size=8,
)  # fmt: skip


@given(cues)
def test_lines_are_in_order_and_lose_no_word(some):
    lines = without_repetition(some)
    assert [line.start for line in lines] == sorted(line.start for line in lines)
    assert all(line.start <= line.end for line in lines)
    said = " ".join(line.text for line in lines).split()
    assert set(said) == {word for cue in some for row in cue.rows for word in row.split()}
    assert len(said) <= sum(len(row.split()) for cue in some for row in cue.rows)


@given(cues)
def test_what_was_made_lines_stays_as_it_is(some):
    once = without_repetition(some)
    apart = [Cue(10 * k, 10 * k + 1, (line.text,)) for k, line in enumerate(once)]
    assert [line.text for line in without_repetition(apart)] == [line.text for line in once]
