"""Attention over packed episodes: each span looks at itself and at the spans before it.

It is registered with transformers under a name of its own, because its attention layers call what
is registered under the name in their configuration (`AttentionInterface`). Without spans it is
transformers' SDPA. There is one call per span and none with a mask `(T, T)`: most of it would be
minus infinity, and CPU kernels compute what is masked (benchmarks/reports/ppo_step.md).

A span of L tokens that looks at K keys takes a mask `(L, K)` on a CPU alone. The flash kernel of a
GPU (arXiv 2307.08691) aligns a causal mask with the last keys by itself, and takes groups of heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.backends.cuda import SDPAParams, can_use_flash_attention
from torch.nn.attention.bias import causal_lower_right
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from policies.sage_mm.model.prefix_packing import PackedSpan
from policies.sage_mm.model.prefixed_attention import (
    PrefixedCache,
    attend_causally,
    attend_prefixed,
)

NAME = "sage_packed"


def use_packed_attention(config: Any) -> None:
    """Let the attention layers with this text configuration take `spans` as an argument."""
    config._attn_implementation = NAME


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor | PrefixedCache,
    value: Tensor | PrefixedCache,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    spans: Sequence[PackedSpan] | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return the heads' outputs `(B, L, heads, dim)`, in the form that transformers asks for.

    Args:
        module: the attention layer.
        query: `(B, heads, L, dim)`, of the dtype of the model, as the next two.
        key: `(B, key-value heads, K, dim)`; in decoding also with prefixes that rows share.
        value: as the keys.
        attention_mask: of SDPA, one of no keys for causal attention; ignored where there are spans,
            which say what is masked.
        scaling: factor of the scores; `None` for 1 / sqrt(dim).
        spans: of the one row, B = 1 and L = K = T; `None` for plain attention.
        kwargs: what transformers passes to any attention.
    """
    if isinstance(key, PrefixedCache) or isinstance(value, PrefixedCache):
        assert isinstance(key, PrefixedCache) and isinstance(value, PrefixedCache)
        assert attention_mask is not None, "a cache with prefixes makes a mask for its own part"
        return attend_prefixed(query, key, value, attention_mask, scaling), None
    if attention_mask is not None and not attention_mask.shape[-1]:
        return attend_causally(query, key, value, scaling), None
    if spans is None:
        plain: tuple[Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, scaling=scaling, **kwargs
        )
        return plain
    sizes = [len(span) for span in spans]
    # Splitting has one backward pass; slices would have one each, as wide as the row.
    queries, keys, values = (torch.split(x, sizes, 2) for x in (query, key, value))
    read = []
    for number, span in enumerate(spans):
        own = (*span.before, number)
        k, v = (torch.cat([x[n] for n in own], 2) for x in (keys, values))
        read.append(_causal(queries[number], k, v, scaling))
    return torch.cat(read, 2).transpose(1, 2).contiguous(), None


def _causal(query: Tensor, key: Tensor, value: Tensor, scaling: float | None) -> Tensor:
    """Let the L queries, which stand at the end of the K keys, look at no later key.

    Args:
        query: `(1, heads, L, dim)`.
        key: `(1, key-value heads, K, dim)`, K at least L.
        value: as the keys.
        scaling: factor of the scores.
    """
    if query.device.type != "cpu":
        return _causal_without_mask(query, key, value, scaling)
    length, extent = query.shape[2], key.shape[2]
    shared = query.shape[1] != key.shape[1]
    if length == extent:
        return scaled_dot_product_attention(
            query, key, value, is_causal=length > 1, scale=scaling, enable_gqa=shared
        )
    # is_causal aligns queries with the first keys; here they are the last ones, hence the mask
    if shared:  # kernels that take a mask take no groups of heads
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    mask = torch.ones(length, extent, dtype=torch.bool, device=query.device).tril(extent - length)
    return scaled_dot_product_attention(query, key, value, attn_mask=mask, scale=scaling)


def _causal_without_mask(
    query: Tensor, key: Tensor, value: Tensor, scaling: float | None
) -> Tensor:
    """Do what `_causal` does in a fused kernel, where there is one: without a mask in memory.

    Half precision takes the flash kernel, with groups of heads as they are. Float32 takes the
    memory-efficient one, which aligns a causal mask with the last keys too, but wants a key for
    every head. Torch's `causal_lower_right` chooses it, and makes a mask where no kernel will do.

    Args:
        query: see `_causal`, as the others.
        key: see above.
        value: see above.
        scaling: see above.
    """
    grouped = query.shape[1] != key.shape[1]
    if _takes_flash(query, key, value, grouped):
        # in this operator is_causal means aligned with the last keys, unlike in SDPA itself
        flash = torch.ops.aten._scaled_dot_product_flash_attention
        out: Tensor = flash(query, key, value, 0.0, True, scale=scaling)[0]
        return out
    if grouped:
        groups = query.shape[1] // key.shape[1]
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    bias: Any = causal_lower_right(query.shape[2], key.shape[2])
    return scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scaling)


def _takes_flash(query: Tensor, key: Tensor, value: Tensor, grouped: bool) -> bool:
    """Return whether the flash kernel takes these tensors as they are.

    On the meta device, where memory is counted, a fused kernel is taken to be there for all.
    """
    if query.is_meta:
        return True
    if query.shape[-1] % 8 or query.dtype not in (torch.float16, torch.bfloat16):
        return False
    return can_use_flash_attention(SDPAParams(query, key, value, None, 0.0, False, grouped))


AttentionInterface.register(NAME, attend)
AttentionMaskInterface.register(NAME, sdpa_mask)
