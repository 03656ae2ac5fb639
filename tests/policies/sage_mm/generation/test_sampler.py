"""Laws of `policies.sage_mm.generation.sampler` and `batches`: how sequences are put together."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm.generation import sampler  # noqa: E402
from policies.sage_mm.generation.batches import in_batches  # noqa: E402
from policies.sage_mm.generation.sampler import buckets  # noqa: E402
from policies.sage_mm.generation.sequence import PrefillState, SequenceInput  # noqa: E402


def test_buckets_by_hand(monkeypatch):
    assert buckets([10, 12, 18, 200]) == [(0, 3), (3, 4)]
    assert buckets([10, 20, 21]) == [(0, 2), (2, 3)], "20 is 1.25 * 10 + 7, 21 is over by one half"
    assert buckets([0, 0, 5], first=2) == [(2, 3)]
    assert buckets([0, 0], first=2) == []
    monkeypatch.setattr(sampler, "PREFILL_TOKENS", 36)
    assert buckets([10, 12, 12, 12]) == [(0, 3), (3, 4)], "36 tokens fit, 48 do not"
    assert buckets([12] * 7) == [(0, 3), (3, 6), (6, 7)], "the same for every pass"
    assert buckets([100]) == [(0, 1)], "a prompt is never cut, however long"


@given(st.lists(st.integers(1, 5000), max_size=30), st.integers(0, 5))
def test_every_prompt_is_in_one_bucket_and_padding_is_bounded(lengths, ready):
    lengths = [0] * ready + sorted(lengths)
    found = buckets(lengths, ready)
    assert [i for first, last in found for i in range(first, last)] == list(
        range(ready, len(lengths))
    )
    for first, last in found:
        assert lengths[last - 1] <= sampler.LENGTH_RATIO * lengths[first] + sampler.LENGTH_SLACK
        if last - first > 1:
            assert lengths[last - 1] * (last - first) <= sampler.PREFILL_TOKENS


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), max_size=20),
    st.integers(1, 5),
    st.integers(1, 2),
)
def test_results_come_in_order_from_batches_of_similar_length(sizes, max_batch, workers):
    sequences = [
        SequenceInput(
            np.full(new, i),
            (),
            PrefillState(np.zeros(old, np.int64), torch.zeros(0), 0) if old else None,
            np.zeros(1),
        )
        for i, (old, new) in enumerate(sizes)
    ]
    batches = []

    def function(batch):
        batches.append([s.cached + len(s.ids) for s in batch])
        return [int(s.ids[0]) for s in batch]

    found = in_batches(function, sequences, max_batch=max_batch, workers=workers)
    assert found == list(range(len(sizes)))
    assert all(len(batch) <= max_batch for batch in batches)
    totals = sorted(old + new for old, new in sizes)
    cuts = [totals[at : at + max_batch] for at in range(0, len(totals), max_batch)]
    assert sorted(batches) == sorted(cuts)


def test_batches_that_run_side_by_side_have_one_core_each():
    sequences = [SequenceInput(np.full(3, i), (), None, np.zeros(1)) for i in range(6)]
    before = torch.get_num_threads()
    found = in_batches(
        lambda batch: [torch.get_num_threads()] * len(batch), sequences, max_batch=2, workers=2
    )
    assert found == [1] * 6 and torch.get_num_threads() == before


def test_a_pass_holds_16384_tokens_and_no_more():
    """The bound of its memory, padding included."""
    assert buckets([4096] * 4) == [(0, 4)]
    assert buckets([3277] * 5) == [(0, 4), (4, 5)], "16,385"
    assert buckets([8192, 8192]) == [(0, 2)] and buckets([8192, 8193]) == [(0, 1), (1, 2)]
    assert buckets([5, 5]) == [(0, 2)] and buckets([]) == []


@pytest.mark.parametrize(("max_batch", "workers"), [(3, 1), (3, 2), (1, 1)])
def test_threads_are_begun_only_for_several_batches_and_workers(max_batch, workers):
    sequences = [SequenceInput(np.full(3, i), (), None, np.zeros(1)) for i in range(3)]
    here = threading.get_ident()
    found = in_batches(
        lambda batch: [threading.get_ident() == here] * len(batch),
        sequences,
        max_batch=max_batch,
        workers=workers,
    )
    assert found == [True] * 3
    apart = in_batches(
        lambda batch: [threading.get_ident() == here] * len(batch),
        sequences,
        max_batch=2,
        workers=2,
    )
    assert apart == [False] * 3
