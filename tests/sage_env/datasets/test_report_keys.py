"""Laws of `sage_env.datasets.report_keys`: several values in one text, and out of it again."""

from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.report_keys import each_value, joined


def test_one_value_is_itself_and_none_is_none():
    assert joined(["a | b".replace(" | ", "|")]) == "a|b"
    assert each_value("a|b") == ("a|b",) and each_value("") == ("",)
    assert each_value(None) == ()


@given(st.lists(st.text("ab |,", min_size=1).map(str.strip).filter(lambda v: v and " | " not in v)))
def test_values_come_back_each_once(values):
    plain = [value for value in values if not value.startswith("|") and not value.endswith("|")]
    if plain:
        assert each_value(joined(plain)) == tuple(dict.fromkeys(plain))
