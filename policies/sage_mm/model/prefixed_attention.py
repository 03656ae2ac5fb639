"""Attention over a prefix that several rows share, and over each row's own tokens after it.

Rollouts of a question are decoded side by side. Where each row has a copy of the prompt's keys and
values, eight rows read it eight times, and hold it eight times. Here it lies once, and is read once
for all rows: their queries are put together as more queries of one product of matrices. The two
parts of a row, the shared one and its own, are joined by the logarithms of their sums, so that the
result is the softmax over both (Hydragen, arXiv 2402.05099, section 3.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad, scaled_dot_product_attention

DECODE_TOKENS = 16
"""Most tokens per row that are read by products of matrices, whose scores are written to memory:
a newest token with its draft. Longer passes go row by row through a fused kernel. A judgement: the
scores of 16 tokens are small beside the keys that they are of."""


class Prefix(NamedTuple):
    """Keys and values, or one of them, that several rows of a pass begin with.

    Attributes:
        part: `(..., key-value heads, S, dim)`; for attention, without further dimensions.
        rows: int64 `(n,)`, the numbers of these rows in the pass, on the device of the part.
        numbers: the same on the host.
    """

    part: Tensor
    rows: Tensor
    numbers: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class PrefixedCache:
    """Keys, or values, of one layer for a pass of b rows.

    Attributes:
        own: `(b, key-value heads, K, dim)`, of each row's own tokens.
        prefixes: of the rows that have one; no row is in two of them.
    """

    own: Tensor
    prefixes: Sequence[Prefix]


class _Part(NamedTuple):
    """Attention over a part of the keys, not normalised yet; all float32.

    Attributes:
        peak: `(..., Q, 1)`, the largest score of each query; minus infinity without any key.
        total: `(..., Q, 1)`, sum of the exponentials of scores less the peak.
        mixed: `(..., Q, dim)`, values weighed by these exponentials.
    """

    peak: Tensor
    total: Tensor
    mixed: Tensor


def attend_prefixed(
    query: Tensor, key: PrefixedCache, value: PrefixedCache, mask: Tensor, scaling: float | None
) -> Tensor:
    """Return the heads' outputs `(b, L, heads, dim)`, of the dtype of the queries.

    Args:
        query: `(b, heads, L, dim)`, of the dtype of the keys; its tokens stand after their row's
            prefix.
        key: of the layer.
        value: of the layer.
        mask: `(b, 1, L, K)`, added to the scores of each row's own keys: 0 or minus infinity. A
            query sees all of the prefix, and one of its own row's keys at least.
        scaling: factor of the scores; `None` for 1 / sqrt(dim).
    """
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    if query.shape[2] > DECODE_TOKENS:
        return _row_by_row(query, key, value, mask, scale)
    return _by_groups(query, key, value, mask, scale)


def attend_causally(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """Return the heads' outputs `(b, L, heads, dim)` where no token looks ahead, without a mask.

    Args:
        query: `(b, heads, L, dim)`.
        key: `(b, key-value heads, L, dim)`, of the dtype of the queries.
        value: as the keys.
        scaling: factor of the scores; `None` for 1 / sqrt(dim).
    """
    out = scaled_dot_product_attention(
        query, key, value, is_causal=True, scale=scaling, enable_gqa=query.shape[1] != key.shape[1]
    )
    return out.transpose(1, 2).contiguous()


def _by_groups(
    query: Tensor, key: PrefixedCache, value: PrefixedCache, mask: Tensor, scale: float
) -> Tensor:
    """Read each prefix once for all rows that have it."""
    count, heads, length, dim = query.shape
    kv_heads = key.own.shape[1]
    shared_by = heads // kv_heads
    # the heads that share a key-value head are further queries of it: (b, kv heads, Q, dim)
    queries = query.reshape(count, kv_heads, shared_by * length, dim)
    own = _part(queries, key.own, value.own, scale, mask.repeat(1, 1, shared_by, 1))
    peak, total, mixed = own
    for (keys, rows, _), (values, *_) in zip(key.prefixes, value.prefixes, strict=True):
        together = queries[rows].transpose(0, 1).flatten(1, 2)  # (kv heads, n * Q, dim)
        shape = kv_heads, len(rows), shared_by * length, -1
        found = _Part(
            *(x.view(shape).transpose(0, 1) for x in _part(together, keys, values, scale, None))
        )
        joined = _join(_Part(peak[rows], total[rows], mixed[rows]), found)
        peak, total, mixed = (
            x.index_copy(0, rows, y) for x, y in zip((peak, total, mixed), joined, strict=True)
        )
    out = (mixed / total).to(query.dtype)
    return out.view(count, heads, length, dim).transpose(1, 2).contiguous()


def _part(
    queries: Tensor, keys: Tensor, values: Tensor, scale: float, mask: Tensor | None
) -> _Part:
    """Return the attention of queries `(..., Q, dim)` over keys and values `(..., K, dim)`.

    Scores and their sums are float32, as in fused kernels; the weights are rounded to the dtype of
    the values, which are multiplied by them.

    Args:
        queries: `(..., Q, dim)`.
        keys: `(..., K, dim)`.
        values: as the keys.
        scale: factor of the scores.
        mask: `(..., Q, K)`, added to the scores.
    """
    scores = _product(queries, keys.transpose(-1, -2)).mul_(scale)
    if mask is not None:
        scores += mask
    peak = scores.amax(-1, keepdim=True)
    weights = (scores - peak).exp_()
    total = weights.sum(-1, keepdim=True)
    return _Part(peak, total, _product(weights.to(values.dtype), values))


def _product(a: Tensor, b: Tensor) -> Tensor:
    """Return `a @ b` `(..., n, m)` in float32, for `(..., n, k)` and `(..., k, m)` of one dtype.

    A product in half precision would round the scores: at 32, bfloat16 has steps of 1/4.
    """
    if a.dtype == torch.float32:
        return a @ b
    if a.device.type not in ("cuda", "meta"):  # others have no product of two dtypes
        return a.float() @ b.float()
    product: Tensor = torch.bmm(a.flatten(0, -3), b.flatten(0, -3), out_dtype=torch.float32)
    return product.view(*a.shape[:-1], b.shape[-1])


def _join(one: _Part, other: _Part) -> _Part:
    """Return the attention over the keys of two parts together."""
    peak = torch.maximum(one.peak, other.peak)
    left, right = (one.peak - peak).exp(), (other.peak - peak).exp()
    return _Part(
        peak, one.total * left + other.total * right, one.mixed * left + other.mixed * right
    )


def _row_by_row(
    query: Tensor, key: PrefixedCache, value: PrefixedCache, mask: Tensor, scale: float
) -> Tensor:
    """Put each row's prefix before its own keys, for one row at a time: long passes are few."""
    parts = zip(key.prefixes, value.prefixes, strict=True)
    known = {row: (k.part, v.part) for k, v in parts for row in k.numbers}
    found = []
    for row in range(len(query)):
        keys, values, seen = key.own[row], value.own[row], mask[row]
        if row in known:
            keys, values = (
                torch.cat([x, y], 1) for x, y in zip(known[row], (keys, values), strict=True)
            )
            seen = pad(seen, (keys.shape[1] - seen.shape[2], 0))
        times = query.shape[1] // len(keys)  # kernels that take a mask take no groups of heads
        keys, values = (x.repeat_interleave(times, 0)[None] for x in (keys, values))
        found.append(
            scaled_dot_product_attention(
                query[row : row + 1], keys, values, attn_mask=seen[None], scale=scale
            )
        )
    return torch.cat(found).transpose(1, 2).contiguous()
