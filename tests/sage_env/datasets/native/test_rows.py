"""Laws of `sage_env.datasets.native.rows`: values under any spelling, texts, numbers, lists."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.datasets.native.rows import Row, group_of, group_text, literal
from sage_env.datasets.report_keys import each_value
from sage_env.errors import DatasetError

ROW = Row("f, row 1", {
    "blank": " ", "nan": math.nan, "none": None, "empty": [], "name": " a b ", "whole": 7.0,
    "flag": True, "listed": ["x", "y"], "spelled": "['x', \"it's\"]", "json": '["x", null]',
    "clock": "01:02:03", "zero": 0, "type": ["one", "two", "one", None],
})  # fmt: skip


def test_the_first_name_that_holds_something_counts():
    assert ROW.get("absent", "blank", "nan", "none", "empty", "name") == " a b "
    assert ROW.get("absent", "blank") is None
    assert ROW.get("zero") == 0
    assert ROW.text("blank", "name") == "a b"
    assert (ROW.text("whole"), ROW.text("zero")) == ("7", "0")
    with pytest.raises(DatasetError, match="absent or blank is missing: the columns are blank"):
        ROW.text("absent", "blank")
    for name in ("listed", "flag"):
        with pytest.raises(DatasetError, match=f"{name} must be a text"):
            ROW.text(name)


def test_numbers_are_seconds_or_nothing():
    assert (ROW.number("clock"), ROW.number("whole"), ROW.number("zero")) == (3723.0, 7.0, 0.0)
    assert ROW.number("name") is ROW.number("nan") is ROW.number("flag") is None
    assert ROW.duration("zero") is None and ROW.duration("clock") == 3723.0


def test_lists_may_be_spelled_as_texts():
    assert ROW.items("listed") == ["x", "y"]
    assert ROW.items("spelled") == ["x", "it's"]
    assert ROW.items("json") == ["x", None]
    with pytest.raises(DatasetError, match="name must be a list"):
        ROW.items("name")


def test_a_text_is_read_and_never_run():
    for text in ("__import__('os').getcwd()", "[" * 10_000, "(1).__class__", "x"):
        assert literal(text) == text


def test_report_keys_are_texts_and_a_list_counts_under_each():
    assert ROW.group("name", "blank", kind="whole") == {"name": "a b", "kind": "7"}
    assert each_value(ROW.group("type")["type"]) == ("one", "two")
    assert group_of({"a": None, "b": "", "c": ["x", "y"]}) == {"c": group_text(["x", "y"])}


words = st.text(st.characters(codec="utf-8", exclude_characters="|"), max_size=8)


@given(st.lists(words))
def test_each_value_of_a_list_is_found_again(values):
    plain = [" ".join(value.split()) for value in values]
    wanted = tuple(dict.fromkeys(value for value in plain if value))
    found = each_value(group_text(values))
    assert found == (wanted or ("",))


@pytest.mark.parametrize(
    "value", [10**400, -(10**400), math.inf, -math.inf, math.nan, True, [], {}]
)
def test_what_no_float_can_hold_is_no_number(value):
    row = Row("f", {"x": value})
    assert row.number("x") is None and row.duration("x") is None


@pytest.mark.parametrize("text", ["{[]: 1}", "{{}}", "{{1: 2}}", "[" * 5000, "1+1", "f()", "\0"])
def test_a_text_that_spells_nothing_is_itself(text):
    assert literal(text) == text
