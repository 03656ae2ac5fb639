"""The vision tower over many frames of one size, as one batch.

transformers attends within each frame in a Python loop, which costs more than the arithmetic where
frames are small. Here the frames are rows of a batch; weights and results are the same.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

from policies.sage_mm.tokens.mrope import Grid


class BatchedTower:
    """A Qwen3-VL vision tower, frames side by side.

    Args:
        visual: the tower; its weights are used, not copied, so it may be trained through this.

    Attributes:
        merge: side of a visual token in patches.
        patch: side of a patch in pixels.
    """

    def __init__(self, visual: Any) -> None:
        """Nothing is computed yet."""
        self.visual = visual
        self.merge = int(visual.config.spatial_merge_size)
        self.patch = int(visual.config.patch_size)
        self._places: dict[Grid, tuple[Tensor, Tensor, Tensor]] = {}

    def __call__(self, rows: Tensor, grid: Grid) -> list[Tensor]:
        """Return the merged embedding and the DeepStack maps.

        Args:
            rows: patches of N frames, as `patchify` returns them.
            grid: rows and columns of patches in each frame.

        Returns:
            `1 + K` tensors `(N * tokens, out_hidden)`.
        """
        visual = self.visual
        place, cos, sin = self._placed(grid)
        x = self._embed(rows)
        x = x.view(-1, grid[0] * grid[1], x.shape[-1]) + place
        maps = []
        for number, block in enumerate(visual.blocks):
            x = x + _attend(block.attn, block.norm1(x), cos, sin)
            x = x + block.mlp(block.norm2(x))
            if number in visual.deepstack_visual_indexes:
                at = visual.deepstack_visual_indexes.index(number)
                maps.append(visual.deepstack_merger_list[at](x.flatten(0, 1)))
        return [visual.merger(x.flatten(0, 1)), *maps]

    def _embed(self, rows: Tensor) -> Tensor:
        """Return the embeddings of patches; the convolution over a whole patch is a product."""
        projection = self.visual.patch_embed.proj
        if torch.is_grad_enabled() and projection.weight.requires_grad:
            # Equal but for the order of its sums, and seven times faster to differentiate.
            return F.linear(rows, projection.weight.flatten(1), projection.bias)
        embedded: Tensor = self.visual.patch_embed(rows)
        return embedded

    def _placed(self, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return the position embedding and the rotary factors of a frame; kept while frozen."""
        if grid in self._places:
            return self._places[grid]
        places = _capture_position_embeddings(self.visual, grid)
        if not places[0].requires_grad:
            self._places[grid] = places
        return places


class _StopForward(Exception):
    """Ends a pass through the tower before its first block."""


def _capture_position_embeddings(visual: Any, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Let the tower itself say where the patches of a frame are: its patches are set to zero."""
    seen: list[Tensor] = []

    def stop(_: Any, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        seen.extend([args[0] if args else kwargs["hidden_states"], *kwargs["position_embeddings"]])
        raise _StopForward

    hooks = [
        visual.patch_embed.register_forward_hook(lambda *call: torch.zeros_like(call[2])),
        visual.blocks[0].register_forward_pre_hook(stop, with_kwargs=True),
    ]
    weight = visual.patch_embed.proj.weight
    rows = weight.new_zeros(grid[0] * grid[1], weight[0].numel())
    try:
        visual(rows, grid_thw=torch.tensor([[1, *grid]], device=weight.device))
    except _StopForward:
        pass
    finally:
        for hook in hooks:
            hook.remove()
    place, cos, sin = seen
    return place, cos, sin


def _attend(attention: Any, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    shape = (*x.shape[:2], 3, attention.num_heads, -1)
    query, key, value = attention.qkv(x).reshape(shape).permute(2, 0, 1, 3, 4)
    query, key = apply_rotary_pos_emb_vision(query, key, cos, sin)
    mixed = F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2)
    )
    result: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2))
    return result
