"""Laws of `policies.sage_mm.generation.sampler`, `batches`, `sequence` and `token_draw`.

How sequences are put together, and drawn for in parts.
"""

from __future__ import annotations

import threading
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")
from policies.sage_mm.generation import sampler, token_draw  # noqa: E402
from policies.sage_mm.generation.batches import block_slots, in_batches  # noqa: E402
from policies.sage_mm.generation.sampler import buckets  # noqa: E402
from policies.sage_mm.generation.sampling import Sampling  # noqa: E402
from policies.sage_mm.generation.sequence import PrefillState, SequenceInput  # noqa: E402
from policies.sage_mm.generation.token_draw import draw_tokens  # noqa: E402


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


def test_a_batch_has_no_more_sequences_than_fit():
    """Lengths 2 to 5, where a batch may be 10 slots large: 2 and 3; 4 and 5; one alone always."""
    sequences = [SequenceInput(np.full(n, n), (), None, np.zeros(1)) for n in (5, 2, 30, 4, 3)]
    batches = []

    def function(batch):
        batches.append([len(s.ids) for s in batch])
        return [len(s.ids) for s in batch]

    def fits(batch):
        return len(batch) * max(len(s.ids) for s in batch) <= 10

    found = in_batches(function, sequences, max_batch=3, workers=1, fits=fits)
    assert found == [5, 2, 30, 4, 3] and batches == [[2, 3], [4, 5], [30]]
    assert block_slots(sequences, 4, False) == 34 and block_slots(sequences, 0, False) == 31


def test_a_root_that_is_read_in_place_takes_no_slots():
    root = PrefillState(np.arange(7), torch.zeros(7), 7)
    state = PrefillState(np.arange(10), torch.zeros(3), 10, before=root)
    sequence = SequenceInput(np.arange(2), (), state, np.zeros(1))
    assert (sequence.own_tokens(in_place=False), sequence.own_tokens(in_place=True)) == (12, 5)
    assert state.chain == (root, state) and state.root is root.root is root
    assert block_slots([sequence], 4, True) == 9


def test_a_draw_in_parts_is_the_draw(monkeypatch):
    """Each row has its own random number, and its own part of what a grammar allows."""
    head = torch.nn.Linear(3, 11, bias=False)
    generator = torch.Generator().manual_seed(2)
    torch.nn.init.normal_(head.weight, generator=generator)

    class Model:
        base = SimpleNamespace(lm_head=head)

        def log_probs(self, hidden, temperature, allowed=None):
            logits = head(hidden) / temperature
            logits = logits if allowed is None else logits.masked_fill(~allowed, -1e9)
            return logits.log_softmax(-1)

    states = torch.randn(4, 2, 3, generator=generator)
    uniforms = torch.rand(4, 2, generator=generator).double()
    allowed = torch.rand(8, 11, generator=generator) < 0.5
    allowed[:, 4] = True
    with torch.no_grad():
        for legal in (None, allowed):
            whole = draw_tokens(Model(), states, uniforms, Sampling(0.8), legal)
            with monkeypatch.context() as patch:
                patch.setattr(token_draw, "DRAW_ENTRIES", 3 * 11)
                parts = draw_tokens(Model(), states, uniforms, Sampling(0.8), legal)
            assert parts[0] == whole[0] and np.array(parts[0]).shape == (4, 2)
            np.testing.assert_allclose(parts[1], whole[1], atol=1e-6)
            assert len({t for row in whole[0] for t in row}) > 2
            if legal is not None:
                assert legal[torch.arange(8), torch.tensor(whole[0]).flatten()].all()
