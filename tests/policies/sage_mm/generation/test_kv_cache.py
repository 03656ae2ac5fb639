"""Laws of `policies.sage_mm.generation.kv_cache`: no holes, no leaks, a spare slot for padding."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
from policies.sage_mm.generation.kv_cache import KeyValueCache  # noqa: E402

LAYERS, HEADS, DIM = 2, 2, 3
CONFIG = SimpleNamespace(num_hidden_layers=LAYERS, num_key_value_heads=HEADS, head_dim=DIM)


def cache_of(known: list[int], slots: int) -> KeyValueCache:
    """Make a cache whose rows hold so many tokens: token j of row i is `100 * i + j + 1`."""
    rows = [[marked([100 * i + j + 1 for j in range(n)])] if n else [] for i, n in enumerate(known)]
    return KeyValueCache(CONFIG, rows, slots, dtype=torch.float32, device=torch.device("cpu"))


def marked(tokens: list[int]) -> torch.Tensor:
    """Return keys and values `(layers, 2, heads, T, dim)` that tell token, layer, kind and head."""
    found = torch.zeros(LAYERS, 2, HEADS, len(tokens), DIM)
    for layer in range(LAYERS):
        for kind in range(2):
            for head in range(HEADS):
                mark = 1000.0 * (4 * layer + 2 * kind + head)
                found[layer, kind, head] = mark + torch.tensor(tokens)[:, None]
    return found


def run_pass(cache, first, starts, tokens):
    """Write a pass as attention layers do; return its mask and what each layer may look at."""
    counts = np.array([len(row) for row in tokens])
    mask = cache.set_write_slots(first, np.array(starts), counts)
    padded = [row + [-7] * (counts.max() - len(row)) for row in tokens]
    new = torch.stack([marked(row) for row in padded], 2)  # (layers, 2, b, heads, L, dim)
    return mask, [cache.update(new[layer, 0], new[layer, 1], layer) for layer in range(LAYERS)]


def held(cache, row, count):
    return cache.data[:, :, row, :, :count]


def test_a_pass_by_hand():
    cache = cache_of([3, 1], slots=6)
    mask, layers = run_pass(cache, 0, [3, 1], [[50], [60, 61]])
    o, x = 0.0, -torch.inf
    assert mask.shape == (2, 1, 2, 4)
    assert mask[0, 0].tolist() == [[o, o, o, o], [o, o, o, o]]
    assert mask[1, 0].tolist() == [[o, o, x, x], [o, o, o, x]]
    assert torch.equal(held(cache, 0, 4), marked([1, 2, 3, 50]))
    assert torch.equal(held(cache, 1, 3), marked([101, 60, 61]))
    assert not cache.data[:, :, 0, :, 4].any(), "padding is not written behind the row"
    assert torch.equal(cache.data[:, :, 0, :, 5:], marked([-7])), "but into the spare slot"
    for layer, (keys, values) in enumerate(layers):
        assert torch.equal(keys, cache.data[layer, 0, :, :, :4])
        assert torch.equal(values, cache.data[layer, 1, :, :, :4])


@given(data=st.data())
def test_rows_hold_what_was_written_last_and_look_at_nothing_else(data):
    """Any passes over any rows, drafts that are taken back, and rows that leave: as with lists."""
    lengths = data.draw(st.lists(st.integers(0, 4), min_size=1, max_size=5), "known")
    slots = 14
    cache = cache_of(lengths, slots)
    rows = [[100 * i + j + 1 for j in range(n)] for i, n in enumerate(lengths)]
    fresh = iter(range(500, 10_000))
    for _ in range(data.draw(st.integers(1, 4), "passes")):
        first = data.draw(st.integers(0, len(rows) - 1), "first")
        last = data.draw(st.integers(first + 1, len(rows)), "last")
        tokens, starts = [], []
        for i in range(first, last):
            rows[i] = rows[i][: data.draw(st.integers(0, min(len(rows[i]), slots - 5)), "kept")]
            starts.append(len(rows[i]))
            tokens.append([next(fresh) for _ in range(data.draw(st.integers(1, 4), "count"))])
            rows[i] = rows[i] + tokens[-1]
        mask, layers = run_pass(cache, first, starts, tokens)
        for i, (start, new) in enumerate(zip(starts, tokens, strict=True)):
            for j in range(len(new)):
                seen = mask[i, 0, j] == 0
                assert seen.tolist() == [k <= start + j for k in range(len(seen))]
                for layer, pair in enumerate(layers):
                    for kind, found in enumerate(pair):
                        expected = marked(rows[first + i])[layer, kind, :, : start + j + 1]
                        assert torch.equal(found[i][:, seen], expected)
        if data.draw(st.booleans(), "leave"):
            stay = sorted(data.draw(st.sets(st.sampled_from(range(len(rows))), min_size=1), "stay"))
            order = cache.compact(np.array(stay))
            assert sorted(order.tolist()) == stay
            rows = [rows[i] for i in order]
        for i, row in enumerate(rows):
            assert torch.equal(held(cache, i, len(row)), marked(row))
    assert torch.isfinite(cache.data).all()


def test_slots_that_nobody_has_written_hold_zeros():
    cache = cache_of([2, 0], slots=5)
    assert not cache.data[:, :, 0, :, 2:].any() and not cache.data[:, :, 1].any()


def test_a_hole_and_a_row_that_is_too_long_are_refused():
    cache = cache_of([2, 0], slots=5)
    with pytest.raises(AssertionError, match="hole"):
        cache.set_write_slots(0, np.array([2, 1]), np.array([1, 1]))
    with pytest.raises(AssertionError, match="spare"):
        cache.set_write_slots(0, np.array([2]), np.array([3]))
    with pytest.raises(AssertionError, match="spare"):
        cache.set_write_slots(0, np.array([2]), np.array([0]))
    cache.set_write_slots(0, np.array([2]), np.array([2]))


def test_few_rows_move_when_others_leave():
    cache = cache_of([1, 1, 1, 1, 1], slots=3)
    assert cache.compact(np.array([1, 3, 4])).tolist() == [3, 1, 4]
    assert cache.data[0, 0, :, 0, 0, 0].tolist() == [301, 101, 401]
    cache.set_write_slots(0, np.array([1, 1, 1]), np.array([1, 1, 1]))  # lengths move with the rows


def test_a_row_with_a_prefix_in_place_holds_what_comes_after_it():
    """Rows 1 and 2 begin with the same three tokens, row 0 with none; then row 0 leaves."""
    prefix = marked([1, 2, 3])
    known = [[marked([20]), marked([21])], [marked([10, 11])], []]
    cache = KeyValueCache(
        CONFIG,
        known,
        6,
        dtype=torch.float32,
        device=torch.device("cpu"),
        prefixes=[None, prefix, prefix],
    )
    mask, layers = run_pass(cache, 0, [2, 5, 3], [[60, 61], [50], [70]])
    assert mask.shape == (3, 1, 2, 4)
    assert (mask[:, 0, 0] == 0).sum(-1).tolist() == [3, 3, 1], "of the own slots"
    for layer, pair in enumerate(layers):
        for kind, found in enumerate(pair):
            assert torch.equal(found.own[0, :, :4], marked([20, 21, 60, 61])[layer, kind])
            assert torch.equal(found.own[1, :, :3], marked([10, 11, 50])[layer, kind])
            ((part, rows, numbers),) = found.prefixes
            assert torch.equal(part, prefix[layer, kind])
            assert rows.tolist() == list(numbers) == [1, 2]
    assert torch.equal(cache.row(1, 5, 6), marked([50])), "by the numbers of tokens"
    assert torch.equal(cache.row(1, 3, 6), marked([10, 11, 50]))
    assert torch.equal(cache.row(0, 1, 4), marked([21, 60, 61]))
    with pytest.raises(AssertionError, match="a prefix is not copied"):
        cache.row(1, 2, 6)
    _, layers = run_pass(cache, 1, [6, 4], [[51], [71]])
    assert layers[0][0].prefixes[0].numbers == (0, 1), "of the pass, not of the block"
    assert cache.compact(np.array([1, 2])).tolist() == [2, 1]
    _, layers = run_pass(cache, 0, [5, 7], [[72], [52]])
    assert layers[0][0].prefixes[0].numbers == (0, 1), "a prefix moves with its row"
    assert torch.equal(cache.row(0, 3, 6), marked([70, 71, 72]))
    assert torch.equal(cache.row(1, 3, 8), marked([10, 11, 50, 51, 52]))


def test_pieces_of_a_row_are_put_end_to_end():
    pieces = [marked([1, 2]), marked([3]), marked([4, 5])]
    cache = KeyValueCache(CONFIG, [pieces, []], 7, dtype=torch.float32, device=torch.device("cpu"))
    assert torch.equal(cache.row(0, 0, 5), marked([1, 2, 3, 4, 5]))
    cache.set_write_slots(0, np.array([5]), np.array([1]))
