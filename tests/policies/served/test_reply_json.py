"""Laws of `policies.served.reply_json`: what a server says becomes plain data, or a ValueError."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.served.api_key import Key
from policies.served.reply_json import MAX_DEPTH, can_be_sent, count_of, part_of, read_json

KEY = "sk-a-long-key-0123"
ANY_TEXT = st.text(st.characters(codec=None, categories=None))  # surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setenv("THE_KEY", KEY)


def read(body):
    return read_json(body, Key("THE_KEY", user=None))


def texts(value):
    if isinstance(value, str):
        return [value]
    if isinstance(value, list):
        return [t for one in value for t in texts(one)]
    return [t for k, x in value.items() for t in [k, *texts(x)]] if isinstance(value, dict) else []


@given(JSON)
def test_all_that_json_can_say_comes_plain(value) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THE_KEY", KEY)
        found = read(json.dumps(value).encode())
    for text in texts(found):
        text.encode("utf-8")  # no lone surrogate is left
    whole = json.dumps(value)
    if all(f"\\u{high}" not in whole for high in ("d8", "d9", "da", "db", "dc", "dd", "de", "df")):
        assert json.dumps(found) == whole


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_refused(body) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THE_KEY", KEY)
        try:
            assert json.dumps(read(body)).encode()
        except ValueError:
            pass


def test_a_lone_surrogate_is_replaced_and_a_pair_is_a_character() -> None:
    assert read(b'{"\\ud800": ["a\\udfffb", "\\ud83d\\ude00"]}') == {"�": ["a�b", "😀"]}
    assert read(b'"\xff"') == "�" and read(b'\xef\xbb\xbf"x"') == "x"


def test_the_key_is_hidden_wherever_it_stands() -> None:
    assert read(json.dumps({KEY: [f"a {KEY}."]}).encode()) == {"[key]": ["a [key]."]}
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    assert read(f'["{escaped}"]'.encode()) == ["[key]"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THE_KEY", 'sk/with"and\\of/it')
        for written in (r"sk/with\"and\\of/it", r"sk\/with\"and\\of\/it"):
            assert read(f'["a {written}"]'.encode()) == ["a [key]"]


def test_depth_is_bounded_on_both_sides_of_the_limit() -> None:
    def nested(depth):
        return (
            b'{"a":' * (depth // 2)
            + b"[" * (depth - depth // 2)
            + b"]" * (depth - depth // 2)
            + b"}" * (depth // 2)
        )

    read(nested(MAX_DEPTH))
    for depth in (MAX_DEPTH + 1, 900, 200_000):
        with pytest.raises(ValueError, match="nested too deeply"):
            read(nested(depth))


def test_numbers_without_end_are_infinite_and_cannot_be_sent() -> None:
    found = read(b"[" + b"9" * 5000 + b", -" + b"9" * 5000 + b", 1e999, NaN, 12]")
    assert found[:3] == [math.inf, -math.inf, math.inf] and math.isnan(found[3])
    assert not can_be_sent(found) and can_be_sent(found[4:])
    assert not can_be_sent({"a": "\ud800"}) and not can_be_sent({"\udc80": 1})


def test_paths_and_counts_are_total() -> None:
    value = {"a": [{"n": 3, "t": True, "f": 2.0, "m": -1, "x": 2**53}]}
    assert part_of(value, "a", 0, "n") == 3
    for path in (("a", 1), ("a", "n"), ("b",), ("a", 0, "n", "x"), (0,)):
        assert part_of(value, *path) is None
    assert [count_of(value, "a", 0, name) for name in "ntfmxy"] == [3, None, None, None, None, None]
