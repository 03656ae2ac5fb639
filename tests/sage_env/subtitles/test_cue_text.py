"""Laws of `sage_env.subtitles.cue_text`: tags go, text stays; times of every spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.subtitles.cue_text import plain_rows, read_time


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ('<font color="#E5E5E5">a</font> <b>b</b>', ("a b",)),
        ("{\\an8}{\\i1}a{\\i0}\\Nb\\hc", ("a", "b c")),
        ("<00:00:01.000><c.yellow.bg_blue>a</c><c> b</c>", ("a b",)),
        ("<v.loud Ann Lee>a</v>\n\n b ", ("a", "b")),
        ("Tom &amp; Jerry &lt;3&nbsp;x", ("Tom & Jerry <3 x",)),
        ("1 < 2 > 0, a <3, {sighs}", ("1 < 2 > 0, a <3, {sighs}",)),
        ("\u200ba\ufeff\u202ab", ("ab",)),
        ("&lt;i&gt;", ("<i>",)),
        ("a\ud800b\udfff", ("a\ufffdb\ufffd",)),
        ("<i></i>", ()),
        ("", ()),
    ],
)
def test_text_without_what_is_for_a_player(text, rows):
    assert plain_rows(text) == rows


@given(
    st.text(
        st.characters(
            codec="utf-8", exclude_characters="<>&{}\\\u2028", categories=["L", "N", "P", "S"]
        )
    )
)
def test_text_without_tags_stays_as_it_is(text):
    assert plain_rows(f"<i>{text}</i>") == ((text,) if text else ())


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("01:02:03,450", 3723.45), ("01:02:03.450", 3723.45), ("02:03.5", 123.5), ("2:03", 123.0),
        ("100:00:00", 360000.0), (12, 12.0), ("12.5", 12.5), ("12.5s", 12.5), (0, 0.0),
        ("", None), ("00:75", None), (None, None), (True, None), (-1, None), ([1], None),
        (float("nan"), None), ("1e400", None),
    ],
)  # fmt: skip
def test_times(value, seconds):
    assert read_time(value) == (None if seconds is None else pytest.approx(seconds))
