"""Laws of `policies.sage_mm.generation.prefix_cache`: one prefill per prompt, within its bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from policies.sage_mm.generation.prefix_cache import PrefixCache  # noqa: E402
from policies.sage_mm.generation.sequence import PrefillState, SequenceInput  # noqa: E402

NBYTES = 40


class Model:
    """Prefills to states that tell whose they are; counts what it was asked for."""

    def __init__(self) -> None:
        self.calls: list[list[SequenceInput]] = []

    def __call__(self, sequences):
        self.calls.append(sequences)
        return [state_of(s) for s in sequences]


def state_of(sequence: SequenceInput) -> PrefillState:
    return PrefillState(sequence.ids, torch.zeros(1, 1, 1, 10, 1), position=len(sequence.ids))


def sequence(text: str, frames: tuple[bytes, ...] = (), number: int = 0) -> SequenceInput:
    return SequenceInput(np.array([ord(c) for c in text]), frames, None, np.full(3, number / 100))


def said(sequence: SequenceInput) -> str:
    return "".join(map(chr, sequence.kv_state.ids))


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from([(), (b"f",), (b"g",)])), max_size=8)
)
def test_each_prompt_is_prefilled_once_and_goes_to_all_who_have_it(prompts):
    cache, model = PrefixCache(10 * NBYTES), Model()
    sequences = [sequence(text, frames, i) for i, (text, frames) in enumerate(prompts)]
    found = cache.share(sequences, model)
    asked = [(chr(s.ids[0]), tuple(s.frames)) for call in model.calls for s in call]
    assert len(model.calls) <= 1 and sorted(asked) == sorted(set(prompts))
    states = {}
    for before, after, prompt in zip(sequences, found, prompts, strict=True):
        assert len(after.ids) == 0 and after.frames == () and said(after) == prompt[0]
        assert after.uniforms is before.uniforms, "each goes on with its own random numbers"
        assert states.setdefault(prompt, after.kv_state) is after.kv_state
    assert len({id(state) for state in states.values()}) == len(states), "other frames, other state"
    cache.share(sequences, model)
    assert len(model.calls) <= 1, "later calls find it"


def test_the_first_of_equal_sequences_stands_for_them():
    cache, model = PrefixCache(0), Model()
    rows = [sequence("b", number=1), sequence("a", number=2), sequence("a", number=3)]
    cache.share(rows, model)
    assert model.calls == [[rows[0], rows[1]]]


def test_running_sequences_are_left_alone():
    cache, model = PrefixCache(10 * NBYTES), Model()
    running = SequenceInput(np.array([1]), (b"f",), state_of(sequence("a")), np.zeros(1))
    assert cache.share([running], model) == [running]
    assert not model.calls


def test_the_least_recently_used_prompt_goes_first_and_bytes_are_bounded():
    cache, model = PrefixCache(2 * NBYTES), Model()
    for text in ("a", "b", "a", "c", "a", "b"):  # c pushes b out, for a was used since
        cache.share([sequence(text)], model)
    assert [chr(call[0].ids[0]) for call in model.calls] == ["a", "b", "c", "b"]
    assert cache._held == NBYTES * len(cache._kept) == 2 * NBYTES
    cache.forget()
    cache.share([sequence("a")], model)
    assert len(model.calls) == 5


def test_a_state_is_at_hand_though_the_same_call_pushes_it_out():
    cache, model = PrefixCache(NBYTES), Model()
    cache.share([sequence("a")], model)
    found = cache.share([sequence("b"), sequence("a"), sequence("c")], model)
    assert [said(s) for s in found] == ["b", "a", "c"]
    assert [chr(s.ids[0]) for s in model.calls[1]] == ["b", "c"]


def test_a_state_that_does_not_fit_pushes_nothing_out():
    cache, model = PrefixCache(NBYTES), Model()
    cache.share([sequence("a")], model)

    def large(sequences):
        return [PrefillState(s.ids, torch.zeros(100), 0) for s in sequences]

    cache.share([sequence("b")], large)
    cache.share([sequence("a")], model)
    assert len(model.calls) == 1
