"""Laws of `sage_env.unicode_text`: Gymnasium carries texts unchanged, or refuses them."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.spaces.utils import (
    flatdim,
    flatten,
    flatten_space,
    is_space_dtype_shape_equiv,
    unflatten,
)
from gymnasium.vector.utils import (
    batch_differing_spaces,
    batch_space,
    concatenate,
    create_empty_array,
    create_shared_memory,
    iterate,
    read_from_shared_memory,
    write_to_shared_memory,
)
from gymnasium.wrappers.utils import create_zero_array
from hypothesis import given
from hypothesis import strategies as st

from sage_env import ActionSpace, Skip, UnicodeText
from sage_env.unicode_text import MAX_TEXT, SharedTexts
from tests.helpers.hard_texts import TEXTS

SPACE = UnicodeText(12)
TEXT = st.text(max_size=12)


@given(st.lists(TEXT, min_size=2, max_size=2), TEXT)
def test_shared_memory_gives_every_text_back_and_follows_what_is_written(texts, later) -> None:
    memory = create_shared_memory(SPACE, n=2)
    read = read_from_shared_memory(SPACE, memory, n=2)
    assert tuple(read) == ("", "")
    for index, text in enumerate(texts):
        write_to_shared_memory(SPACE, index, text, memory)
    kept = copy.deepcopy(read)
    assert isinstance(read, SharedTexts) and tuple(read) == tuple(texts) == kept
    assert kept in batch_space(SPACE, 2) and isinstance(kept, tuple)
    write_to_shared_memory(SPACE, 1, later, memory)
    assert tuple(read) == (texts[0], later) and kept == tuple(texts)


@pytest.mark.parametrize("name", TEXTS)
def test_hard_texts_come_through_or_are_refused(name: str) -> None:
    space, text = UnicodeText(), TEXTS[name]
    memory = create_shared_memory(space, n=3, ctx=multiprocessing.get_context("spawn"))
    if len(text) > MAX_TEXT:
        with pytest.raises(ValueError, match=f"at most {MAX_TEXT}.*got a text of {len(text)}"):
            write_to_shared_memory(space, 1, text, memory)
        with pytest.raises(ValueError, match="make the space larger"):
            flatten(space, text)
        assert text not in space
        return
    write_to_shared_memory(space, 1, text, memory)
    read = read_from_shared_memory(space, memory, n=3)
    assert list(read) == ["", text, ""] and read[-2] == text and read[:2] == ["", text]
    assert unflatten(space, flatten(space, text)) == text and text in space


@pytest.mark.parametrize("value", ["\ud800", "a\udfff", "x" * 13, 7, None])
def test_what_is_no_text_of_the_space_is_refused(value) -> None:
    memory = create_shared_memory(SPACE, n=1)
    write_to_shared_memory(SPACE, 0, "before", memory)
    assert value not in SPACE
    with pytest.raises(ValueError, match="UnicodeText"):
        write_to_shared_memory(SPACE, 0, value, memory)
    assert list(read_from_shared_memory(SPACE, memory)) == ["before"]


@given(TEXT)
def test_a_text_comes_back_from_its_flat_numbers(text: str) -> None:
    flat = flatten(SPACE, text)
    assert flat in flatten_space(SPACE) and flat.shape == (flatdim(SPACE),) == (12,)
    assert unflatten(SPACE, flat) == text
    assert unflatten(SPACE, flat.astype(np.float32)) == text  # as part of a larger array


@given(TEXT)
def test_the_numbers_are_those_that_gymnasium_would_have_found_one_by_one(text: str) -> None:
    plain = gym.spaces.utils.flatten.dispatch(gym.spaces.Text)
    assert plain(SPACE, text).tolist() == flatten(SPACE, text).tolist()
    back = gym.spaces.utils.unflatten.dispatch(gym.spaces.Text)
    assert back(SPACE, flatten(SPACE, text)) == text


def test_it_batches_as_gymnasiums_own_text_does() -> None:
    batch = batch_space(SPACE, 3)
    assert batch.sample() in batch and ("", "é", "\0") in batch and ("", "x" * 13, "") not in batch
    assert concatenate(SPACE, ["a", "b"], create_empty_array(SPACE, 2)) == ("a", "b")
    assert create_empty_array(SPACE, 2) == ("", "") and create_zero_array(SPACE) == ""
    assert list(iterate(batch, ("a", "b", "c"))) == ["a", "b", "c"]
    differing = batch_differing_spaces([UnicodeText(3), UnicodeText(5)])
    assert ("abc", "abcde") in differing and ("abcd", "a") not in differing
    assert is_space_dtype_shape_equiv(SPACE, UnicodeText(12))
    assert not is_space_dtype_shape_equiv(SPACE, UnicodeText(13))


def test_it_is_a_text_space_with_every_character() -> None:
    assert isinstance(SPACE, gym.spaces.Text) and SPACE.is_np_flattenable
    assert len(SPACE.character_set) == 0x110000 - 0x800 and SPACE.characters[0] == "\0"
    for char in "\0aé猫\ud7ff\ue000\U0010ffff":
        assert char in SPACE.character_set
        assert SPACE.character_list[SPACE.character_index(char)] == char
    assert "\ud800" not in SPACE.character_set and "ab" not in SPACE.character_set
    with pytest.raises(ValueError, match="not one character"):
        SPACE.character_index("\ud800")


def test_spaces_are_equal_when_they_hold_the_same() -> None:
    assert SPACE == UnicodeText(12) != UnicodeText(13)
    assert SPACE != gym.spaces.Text(12, min_length=0) and gym.spaces.Text(12) != SPACE
    for other in (copy.deepcopy(SPACE), pickle.loads(pickle.dumps(SPACE))):
        assert other == SPACE and repr(other) == "UnicodeText(12)"
        SPACE.seed(3), other.seed(3)
        assert [SPACE.sample() for _ in range(9)] == [other.sample() for _ in range(9)]
    assert UnicodeText(1, seed=0).sample() in UnicodeText(1)
    for length in (0, -1, 2.5, "9", True):
        with pytest.raises(ValueError, match="whole number above 0"):
            UnicodeText(length)


def test_actions_batch_where_their_spaces_differ_and_have_a_zero() -> None:
    spaces = [ActionSpace(10.0, 4), ActionSpace(20.0, 8)]
    batch = batch_differing_spaces(spaces)
    assert list(batch) == spaces and batch.sample() in batch
    assert create_zero_array(spaces[0]) == Skip(0.0) and Skip(0.0) in spaces[0]
    with pytest.raises(ValueError, match="cannot be flattened"):
        flatdim(spaces[0])
