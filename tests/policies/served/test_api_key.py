"""Laws of `policies.served.api_key`: a key is read from the environment, and hidden in any form."""

from __future__ import annotations

import base64
import html
import json
import pickle
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.errors import MissingKey
from policies.served.api_key import KEY_VARIABLES, Key, hide_keys

PRINTABLE = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=8, max_size=40)
SOME = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=5)
FORMS = {
    "plain": lambda s: s,
    "upper": str.upper,
    "repr": repr,
    "json": json.dumps,
    "json of json": lambda s: json.dumps(json.dumps(s)),
    "html": html.escape,
    "quoted": lambda s: quote(s, safe=""),
    "quoted plus": quote_plus,
    "quoted whole": lambda s: "".join(f"%{b:02X}" for b in s.encode()),
    "hex": lambda s: s.encode().hex(),
    "HEX": lambda s: s.encode().hex().upper(),
}
CODES = {"base64": base64.b64encode, "url-safe base64": base64.urlsafe_b64encode}


def key_of(value):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("THE_KEY", value)
        return Key("THE_KEY", user=None)


@given(PRINTABLE, SOME, SOME)
def test_no_usual_form_of_a_key_is_left(value, before, after) -> None:
    key = key_of(value)
    for name, form in FORMS.items():
        assert form(value).strip("'\"") not in key.hide(f"{before}|{form(value)}|{after}"), name


@given(PRINTABLE, SOME, SOME)
def test_no_base64_of_what_holds_a_key_tells_it(value, before, after) -> None:
    """Of `Bearer KEY` or `user:KEY` in base64, too little is left to read any three letters."""
    key = key_of(value)
    for name, code in CODES.items():
        told = code(f"{before}{value}{after}".encode()).decode()
        hidden = key.hide(told)
        assert "[key]" in hidden, name
        left = len(hidden) - len("[key]")
        assert left <= -(-(len(before) + 1) * 4 // 3) + -(-(len(after) + 1) * 4 // 3) + 4, name


def test_by_hand() -> None:
    key = key_of("sk-0123/456+789")
    assert key.hide("a sk-0123/456+789b") == "a [key]b"
    assert key.hide("?key=sk-0123%2F456%2B789&x") == "?key=[key]&x"
    basic = base64.b64encode(b"user:sk-0123/456+789").decode()
    assert "[key]" in key.hide(f"Basic {basic}")
    assert key.hide("nothing of it") == "nothing of it"


def test_a_short_key_is_hidden_as_a_word_and_not_in_what_a_model_says() -> None:
    key = key_of("none")
    assert key.hide("key none, nonesuch, (none)") == "key [key], nonesuch, ([key])"
    assert key.hide_in_reply("none of these") == "none of these"
    long = key_of("longer-than-that")
    assert long.hide_in_reply("longer-than-that") == "[key]"
    assert Key("NOT_SET_ANYWHERE", user=None).hide("as it is") == "as it is"


def test_it_is_shown_and_pickled_without_its_value() -> None:
    key = key_of("sk-0123456789")
    assert "0123456789" not in repr(key) and b"0123456789" not in pickle.dumps(key)
    for odd in ("sk\n1", "s\xe9k", "sk\x001"):
        with pytest.raises(MissingKey if odd != "sk\x001" else (MissingKey, ValueError)) as refused:
            key_of(odd)
        assert odd not in str(refused.value)


@pytest.mark.parametrize(
    "name", [*KEY_VARIABLES, "MY_API_KEY", "my_apikey", "HF_TOKEN", "A_SECRET"]
)
@pytest.mark.parametrize("form", ["plain", "repr", "json", "html", "quoted", "hex"])
def test_what_any_variable_of_a_key_holds_is_hidden(monkeypatch, name, form) -> None:
    secret = "s3cret <&'%-planted"
    monkeypatch.setenv(name, secret)
    told = hide_keys(f"401: wrong key {FORMS[form](secret)}, sorry")
    assert secret not in told and FORMS[form](secret) not in told
    assert told.startswith("401: wrong key") and told.endswith(", sorry")


def test_other_variables_and_short_values_are_words(monkeypatch) -> None:
    monkeypatch.setenv("KEYBOARD", "a long value")
    monkeypatch.setenv("MY_API_KEY", "none")
    assert hide_keys("a long value, none") == "a long value, none"
