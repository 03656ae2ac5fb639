"""Laws of `algos.sft.step_batches`: every episode once a pass, within the limits, as seeded."""

from __future__ import annotations

from itertools import islice

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.sft.examples import Example
from algos.sft.settings import SFTConfig
from algos.sft.step_batches import StepPlan, batches, epoch_batches, in_pieces

LENGTHS = st.lists(st.integers(1, 50), min_size=1, max_size=80)


@given(LENGTHS, st.integers(1, 5), st.none() | st.integers(1, 120), st.integers(0, 3))
def test_a_pass_has_every_episode_once_within_the_limits(lengths, size, tokens, seed) -> None:
    found = list(epoch_batches(lengths, size, tokens, np.random.default_rng(seed)))
    assert sorted(number for batch in found for number in batch) == list(range(len(lengths)))
    for batch in found:
        assert 1 <= len(batch) <= size
        assert len(batch) == 1 or tokens is None or sum(lengths[i] for i in batch) <= tokens


def test_pieces_by_hand() -> None:
    lengths = [5, 4, 3, 9, 2]
    assert in_pieces([0, 1, 2, 3, 4], lengths, 2, None) == [[0, 1], [2, 3], [4]]
    assert in_pieces([0, 1, 2, 3, 4], lengths, 9, 8) == [[0], [1, 2], [3], [4]]
    assert in_pieces([0, 1], lengths, 9, 9) == [[0, 1]]


@settings(max_examples=40)
@given(LENGTHS, st.integers(1, 4), st.integers(1, 12))
def test_steps_are_a_beginning_of_the_epochs(lengths, size, steps) -> None:
    config = SFTConfig(batch=size, steps=steps, seed=3)
    plan = StepPlan.of(config, lengths)
    whole = StepPlan.of(SFTConfig(batch=size, epochs=12, seed=3), lengths)
    assert plan.batches == whole.batches[:steps] and len(plan.batches) == steps
    assert plan.epoch_ends == tuple(end for end in whole.epoch_ends if end <= steps)
    assert StepPlan.of(SFTConfig(batch=size, epochs=2), lengths).epoch_ends[-1] * size >= len(
        lengths
    )


def test_epochs_differ_and_seeds_do() -> None:
    plan = StepPlan.of(SFTConfig(batch=4, epochs=2), range(1, 41))
    first, second = plan.batches[:10], plan.batches[10:]
    assert plan.epoch_ends == (10, 20) and first != second
    assert plan.batches != StepPlan.of(SFTConfig(batch=4, epochs=2, seed=1), range(1, 41)).batches


def test_the_endless_stream_draws_as_it_always_did() -> None:
    """Who shares the generator with it, as the small model's recipe does, sees the same draws."""
    sizes = np.random.default_rng(7).integers(1, 30, 50)
    examples = [Example(np.zeros(n, np.int64), np.zeros(n, bool), ()) for n in sizes]
    ours, theirs = np.random.default_rng(0), np.random.default_rng(0)
    stream, reference = batches(examples, 2, ours), _as_it_was(examples, 2, theirs)
    for batch in islice(stream, 60):
        assert list(map(id, batch)) == list(map(id, next(reference)))
        assert ours.random() == theirs.random()


def _as_it_was(examples, size, rng):
    while True:
        order = rng.permutation(len(examples))
        for at in range(0, len(order), 16 * size):
            pool = sorted(order[at : at + 16 * size], key=lambda i: len(examples[i].ids))
            chunks = [pool[i : i + size] for i in range(0, len(pool), size)]
            for number in rng.permutation(len(chunks)):
                yield [examples[i] for i in chunks[number]]
