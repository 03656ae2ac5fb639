"""One forward pass of a language model of Qwen's over tokens and cached visual features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from policies.sage_mm.model.prefix_packing import PackedSpan


def language_states(
    base: Any,
    ids: Tensor,
    positions: Tensor,
    visual: Tensor | None,
    features: Tensor | None,
    mask: Tensor | None = None,
    cache: Any = None,
    spans: Sequence[PackedSpan] | None = None,
) -> Tensor:
    """Run a Qwen3-VL or Qwen2.5-VL language model on tokens and cached visual features.

    The merged embedding of a frame replaces the embeddings of its visual tokens. Its K DeepStack
    maps (arXiv 2406.04334; Qwen2.5-VL has none) are added to their hidden states after the first K
    layers.

    Args:
        base: the model.
        ids: int64 `(B, L)`.
        positions: int64 `(3, B, L)`, M-RoPE.
        visual: bool `(B, L)`, which tokens are visual; `None` for none.
        features: `(1 + K, visual tokens, hidden)`: merged embedding and DeepStack maps, in the
            order of the visual tokens; `None` for none.
        mask: see `SageModel.hidden`.
        cache: see `SageModel.hidden`.
        spans: see `SageModel.hidden`; for a model that `use_packed_attention` has prepared.

    Returns:
        hidden states `(B, L, hidden)` after the last norm.
    """
    inputs: Tensor = base.model.language_model.embed_tokens(ids)
    maps = None
    if visual is not None and features is not None:
        features = features.to(inputs.device, inputs.dtype)
        inputs = inputs.masked_scatter(visual.unsqueeze(-1), features[0])
        maps = list(features[1:])
    output = base.model.language_model(
        inputs_embeds=inputs,
        position_ids=positions,
        attention_mask=mask,
        past_key_values=cache,
        use_cache=cache is not None,
        **({"visual_pos_masks": visual, "deepstack_visual_embeds": maps} if maps else {}),
        **({} if spans is None else {"spans": spans}),
    )
    hidden: Tensor = output.last_hidden_state
    return hidden
