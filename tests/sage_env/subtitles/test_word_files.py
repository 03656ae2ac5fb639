"""Laws of `sage_env.subtitles.word_files`: words become lines, and none is lost."""

from hypothesis import given
from hypothesis import strategies as st

from sage_env.subtitles.line import Cue
from sage_env.subtitles.word_files import LONGEST_LINE, LONGEST_PAUSE, gathered, read_json_cues


def words(*texts, step=0.3):
    return [Cue(k * step, k * step + 0.2, (text,)) for k, text in enumerate(texts)]


def test_a_line_ends_with_its_sentence_at_a_pause_or_when_it_is_long():
    lines = gathered(words("we", "go", ".", "now", "?", "yes"))
    assert [line.rows for line in lines] == [("we go.",), ("now?",), ("yes",)]
    paused = [*words("a", "b"), Cue(0.5 + LONGEST_PAUSE, 2, ("c",)), Cue(3.1, 4, ("d",))]
    assert [line.rows for line in gathered(paused)] == [("a b c",), ("d",)]
    long = gathered(words(*["word"] * 40))
    assert [len(line.rows[0].split()) for line in long] == [16, 16, 8]


def test_scripts_without_blanks_get_none():
    assert gathered(words("今日", "は", "hot", "안녕", "하세요"))[0].rows == (
        "今日は hot 안녕 하세요",
    )


tokens = st.lists(st.text("abc.?今", min_size=1, max_size=90), max_size=30)


@given(tokens, st.floats(0.1, 2))
def test_no_letter_is_lost_and_times_hold(texts, step):
    cues = words(*texts, step=step)
    lines = gathered(cues)
    assert "".join(line.rows[0].replace(" ", "") for line in lines) == "".join(texts)
    assert all(a.start < b.start for a, b in zip(lines, lines[1:], strict=False))
    assert all(len(line.rows[0]) <= max(LONGEST_LINE, *map(len, texts)) for line in lines)
    if lines:
        assert (lines[0].start, max(x.end for x in lines)) == (0.0, max(c.end for c in cues))


def test_rows_out_of_order_are_put_in_order():
    text = '[{"start": 5, "text": "b"}, {"start": 1, "text": "a"}]'
    assert read_json_cues(text, "f") == [Cue(1, 5, ("a",)), Cue(5, 7, ("b",))]
