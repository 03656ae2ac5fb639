"""Laws of `policies.sage_mm.model.prefixed_attention`: a prefix in place is one in each row."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
from policies.sage_mm.model import prefixed_attention  # noqa: E402
from policies.sage_mm.model.prefixed_attention import (  # noqa: E402
    DECODE_TOKENS,
    Prefix,
    PrefixedCache,
    attend_prefixed,
)

DIM = 5


def slowly(query, keys, values, seen, scale):
    """The heads' outputs `(heads, L, dim)` of one row, head by head, in double precision."""
    found = []
    for head, queries in enumerate(query.double()):
        shared = head // (len(query) // len(keys))
        scores = (queries @ keys[shared].double().T) * scale
        found.append(scores.masked_fill(~seen, -math.inf).softmax(-1) @ values[shared].double())
    return torch.stack(found)


@pytest.mark.parametrize("heads, kv_heads", [(4, 2), (3, 3), (4, 1)])
@settings(max_examples=40)
@given(data=st.data())
def test_it_is_the_attention_over_prefix_and_own_keys(data, heads, kv_heads):
    """Rows with the same prefix, with others, with none; any masks; short passes and long ones."""
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 9999), "seed"))

    def random(*shape):
        return torch.randn(*shape, generator=generator)

    groups = data.draw(st.lists(st.sampled_from([None, 0, 1]), min_size=1, max_size=4), "groups")
    length = data.draw(st.sampled_from([1, 2, DECODE_TOKENS, DECODE_TOKENS + 1]), "length")
    extent = data.draw(st.integers(1, 4), "own keys")
    shared = [(random(kv_heads, n, DIM), random(kv_heads, n, DIM)) for n in (3, 6)]
    count = len(groups)
    query, own = random(count, heads, length, DIM), random(2, count, kv_heads, extent, DIM)
    seen = torch.rand(count, 1, length, extent, generator=generator) < 0.5
    seen[..., 0] = True
    mask = torch.zeros(seen.shape).masked_fill(~seen, -torch.inf)
    rows = {n: [i for i, g in enumerate(groups) if g == n] for n in (1, 0)}
    caches = [
        PrefixedCache(
            own[kind],
            [Prefix(shared[n][kind], torch.tensor(r), tuple(r)) for n, r in rows.items() if r],
        )
        for kind in range(2)
    ]
    scale = data.draw(st.sampled_from([None, 0.7]), "scale")
    found = attend_prefixed(query, *caches, mask, scale)
    assert found.shape == (count, length, heads, DIM)
    for row, group in enumerate(groups):
        keys, values = own[:, row]
        sees = seen[row, 0]
        if group is not None:
            keys, values = (
                torch.cat([s, x], 1) for s, x in zip(shared[group], (keys, values), strict=True)
            )
            sees = torch.cat([torch.ones(length, shared[group][0].shape[1], dtype=bool), sees], 1)
        expected = slowly(query[row], keys, values, sees, scale or DIM**-0.5)
        torch.testing.assert_close(
            found[row].transpose(0, 1), expected.float(), atol=1e-5, rtol=1e-5
        )


def test_large_scores_on_either_side_do_not_overflow():
    """The sums are taken relative to the larger peak of the two parts."""
    query = torch.full((1, 1, 1, 1), 100.0)
    for own, prefix in ((200.0, -200.0), (-200.0, 200.0), (200.0, 200.0)):
        key, value = (
            PrefixedCache(
                torch.full((1, 1, 1, 1), a),
                [Prefix(torch.full((1, 1, 1), b), torch.tensor([0]), (0,))],
            )
            for a, b in ((own, prefix), (1.0, 3.0))
        )
        found = attend_prefixed(query, key, value, torch.zeros(1, 1, 1, 1), 1.0)
        expected = 2.0 if own == prefix else 1.0 if own > prefix else 3.0
        assert found.item() == pytest.approx(expected, abs=1e-6)


def test_both_ways_give_the_same(monkeypatch):
    """Short passes by products of matrices, long ones row by row."""
    generator = torch.Generator().manual_seed(3)
    query = torch.randn(3, 4, 7, DIM, generator=generator)
    mask = torch.zeros(3, 1, 7, 9).masked_fill_(~torch.ones(7, 9, dtype=bool).tril(2), -torch.inf)
    part = torch.randn(2, 2, 11, DIM, generator=generator)
    key, value = (
        PrefixedCache(
            torch.randn(3, 2, 9, DIM, generator=generator),
            [Prefix(part[kind], torch.tensor([0, 2]), (0, 2))],
        )
        for kind in range(2)
    )
    short = attend_prefixed(query, key, value, mask, None)
    monkeypatch.setattr(prefixed_attention, "DECODE_TOKENS", 6)
    torch.testing.assert_close(
        attend_prefixed(query, key, value, mask, None), short, atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize("length", [1, DECODE_TOKENS + 1])
def test_scores_of_half_precision_are_not_rounded(length):
    """Scores near 60 that differ by 1/8 would be one in bfloat16, and so would their weights."""
    query = torch.full((1, 1, length, 64), 1.0, dtype=torch.bfloat16)
    keys = torch.full((1, 1, 2, 64), 0.9375, dtype=torch.bfloat16)
    keys[0, 0, 1, :2] = 1.0  # 60 and 60.125
    values = torch.tensor([0.0, 1.0], dtype=torch.bfloat16).view(1, 1, 2, 1).expand(1, 1, 2, 64)
    part = torch.full((1, 1, 64), 0.9375, dtype=torch.bfloat16)
    key = PrefixedCache(keys, [Prefix(part, torch.tensor([0]), (0,))])
    value = PrefixedCache(values, [Prefix(torch.zeros_like(part), torch.tensor([0]), (0,))])
    mask = torch.zeros(1, 1, length, 2, dtype=torch.bfloat16)
    found = attend_prefixed(query, key, value, mask, 1.0)
    expected = math.exp(0.125) / (2 + math.exp(0.125))
    assert found.dtype == torch.bfloat16
    assert found.float().mean().item() == pytest.approx(expected, abs=2e-3)
