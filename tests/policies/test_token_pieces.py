"""Laws of `policies.token_pieces`: pieces are the reply's text, one for each token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("transformers")
from policies.sage_mm.tokens.chat_tokens import ChatTokens  # noqa: E402
from policies.token_pieces import stop_spelling, token_pieces  # noqa: E402
from tests.helpers.tiny_model import build_tokenizer  # noqa: E402

TOKENS = ChatTokens(build_tokenizer().backend_tokenizer)
VOCABULARY = TOKENS._tokenizer.get_vocab_size()
IDS = st.lists(st.integers(0, VOCABULARY - 1), max_size=30)


@given(IDS, st.booleans())
def test_pieces_are_one_a_token_and_joined_the_text(ids: list[int], stopped: bool) -> None:
    array = np.array([*ids, TOKENS.stop] if stopped else ids, np.int64)
    pieces = token_pieces(TOKENS.text, array)
    assert len(pieces) == len(array)
    assert "".join(pieces) == TOKENS.text(array)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_a_character_that_is_cut_stands_at_its_last_token(text: str) -> None:
    ids = TOKENS.completion(text)
    pieces = token_pieces(TOKENS.text, ids)
    assert "".join(pieces) == text and pieces[-1] == "", "the stop token adds nothing"
    assert not any("\N{REPLACEMENT CHARACTER}" in p for p in pieces) or "\ufffd" in text
    for end in range(1, len(pieces)):  # nothing is shown before its last byte was sampled
        known = TOKENS.text(ids[:end]).rstrip("\ufffd")
        assert "".join(pieces[:end]).rstrip("\ufffd") == known


def test_by_hand() -> None:
    """Of `aé!` the letter `é` is two bytes, which this tokenizer has as two tokens."""
    ids = TOKENS.completion("aé!")
    assert token_pieces(TOKENS.text, ids) == ["a", "", "é", "!", ""]
    cut = np.concatenate([ids[:2], ids[3:]])  # the second byte never comes
    assert token_pieces(TOKENS.text, cut) == ["a", "", "\ufffd!", ""]
    assert token_pieces(TOKENS.text, ids[:2]) == ["a", "\ufffd"], "that there is no more is certain"
    ended = np.append(ids[:2], TOKENS.stop)
    assert token_pieces(TOKENS.text, ended) == ["a", "\ufffd", ""], "not the stop token's"
    assert token_pieces(TOKENS.text, ids[:0]) == []


def test_the_stop_token_has_a_name_and_no_other_has() -> None:
    assert stop_spelling(TOKENS.text, TOKENS.completion("a")) == "<|im_end|>"
    assert stop_spelling(TOKENS.text, TOKENS.completion("aé")[:-1]) is None
    assert stop_spelling(TOKENS.text, TOKENS.completion("a")[:0]) is None


@given(IDS)
def test_a_decoding_that_drops_the_first_blank_is_still_joined(ids: list[int]) -> None:
    """As tokenizers that write a blank before each word: a part by itself has one less."""

    def words(part: np.ndarray) -> str:
        return "".join(f" {one}" for one in part.tolist())[1:]

    pieces = token_pieces(words, np.array(ids, np.int64))
    assert "".join(pieces) == words(np.array(ids)) and len(pieces) == len(ids)
    assert pieces[1:] == [f" {one}" for one in ids[1:]]
