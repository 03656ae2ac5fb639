"""The vision tower of Qwen3-VL (arXiv 2511.21631) over many frames of one size, as one batch.

transformers (`models/qwen3_vl/modeling_qwen3_vl.py`, `Qwen3VLVisionModel`) attends within each
frame in a Python loop, which costs more than the arithmetic where frames are small. Here the frames
are rows of a batch; weights and results are the same.

The tower of Qwen2.5-VL (arXiv 2502.13923, section 2.1.1) has no learned positions and no DeepStack
maps, and most of its layers attend within windows of a frame: here by a mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.models.qwen3_vl.modeling_qwen3_vl import apply_rotary_pos_emb_vision

from policies.sage_mm.tokens.mrope import Grid

Normal: TypeAlias = tuple[Sequence[float], Sequence[float]]
CLIP: Normal = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)
"""Mean and standard deviation of the colours of CLIP's pictures (arXiv 2103.00020, its code), which
Qwen2.5-VL's checkpoints name in `preprocessor_config.json`."""


class BatchedTower:
    """A vision tower of Qwen3-VL or Qwen2.5-VL, frames side by side.

    Args:
        visual: the tower; its weights are used, not copied, so it may be trained through this.

    Attributes:
        merge: side of a visual token in patches.
        patch: side of a patch in pixels.
        normal: mean and standard deviation of a pixel's three colours, from 0 to 1, that the tower
            was trained with; `None` for 0.5 and 0.5.
    """

    def __init__(self, visual: Any) -> None:
        """Nothing is computed yet."""
        self._maps: list[int] = list(getattr(visual, "deepstack_visual_indexes", ()))
        self._full: list[int] | None = getattr(visual.config, "fullatt_block_indexes", None)
        self._windows: dict[Grid, Tensor] = {}
        self.normal = None if self._full is None else CLIP
        self.visual = visual
        self.merge = int(visual.config.spatial_merge_size)
        self.patch = int(visual.config.patch_size)
        self._positions: dict[Grid, tuple[Tensor, Tensor, Tensor]] = {}

    def __call__(self, rows: Tensor, grid: Grid) -> list[Tensor]:
        """Return the merged embedding and the DeepStack maps (arXiv 2406.04334).

        Args:
            rows: patches of N frames, as `patchify` returns them, of the weights' dtype.
            grid: rows and columns of patches in each frame.

        Returns:
            `1 + K` tensors `(N * tokens, out_hidden)` of the weights' dtype: the embedding, then
            one map for each of the K layers in `deepstack_visual_indexes`, in their order. A token
            is `merge` by `merge` patches.
        """
        visual = self.visual
        position, cos, sin = self._position_embeddings(grid)
        x = self._embed(rows)
        x = x.view(-1, grid[0] * grid[1], x.shape[-1]) + position
        maps = []
        for number, block in enumerate(visual.blocks):
            x = x + _attend(block.attn, block.norm1(x), cos, sin, self._window_mask(number, grid))
            x = x + block.mlp(block.norm2(x))
            if number in self._maps:
                at = self._maps.index(number)
                maps.append(visual.deepstack_merger_list[at](x.flatten(0, 1)))
        return [visual.merger(x.flatten(0, 1)), *maps]

    def _embed(self, rows: Tensor) -> Tensor:
        """Return the embeddings of patches; the convolution over a whole patch is a product."""
        projection = self.visual.patch_embed.proj
        if torch.is_grad_enabled() and projection.weight.requires_grad:
            # Equal but for the order of its sums. Measured once, on a CPU: seven times faster to
            # differentiate than the convolution. Without a gradient the convolution stays, whose
            # results are those of transformers to the last bit.
            return F.linear(rows, projection.weight.flatten(1), projection.bias)
        embedded: Tensor = self.visual.patch_embed(rows)
        return embedded

    def _window_mask(self, block: int, grid: Grid) -> Tensor | None:
        """Return which patches a block's patches look at: bool `(patches, patches)`, `None`: all.

        Args:
            block: its number.
            grid: rows and columns of patches in a frame.
        """
        if self._full is None or block in self._full:
            return None
        if grid not in self._windows:
            config, merge = self.visual.config, self.merge
            side = int(config.window_size) // merge // self.patch  # of a window, in visual tokens
            down, right = (torch.arange(extent // merge) // side for extent in grid)
            window = (down[:, None] * (grid[1] + 1) + right).flatten().repeat_interleave(merge**2)
            place = self.visual.patch_embed.proj.weight.device
            self._windows[grid] = (window[:, None] == window).to(place)
        return self._windows[grid]

    def _position_embeddings(self, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
        """Return what `_capture_position_embeddings` does; kept unless it is being trained."""
        if grid in self._positions:
            return self._positions[grid]
        positions = _capture_position_embeddings(self.visual, grid)
        if not positions[0].requires_grad:
            self._positions[grid] = positions
        return positions


class _StopForward(Exception):
    """Ends a pass through the tower before its first block."""


def _capture_position_embeddings(visual: Any, grid: Grid) -> tuple[Tensor, Tensor, Tensor]:
    """Run the tower on zero patches up to its first block, and capture what that block is given.

    The embedding of a zero patch is set to zero too, so that what reaches the block is the position
    embedding alone. The tower's own code interpolates it and makes the rotary factors: doing that
    here once more would have to follow every change of transformers.

    A tower with windows puts its patches into their order first. There the embedding of a patch is
    its number, so that what reaches the block says where each patch has gone.

    Args:
        visual: the tower.
        grid: rows and columns of patches in a frame.

    Returns:
        The learned position embedding `(patches, hidden)`, and the cosines and sines of the rotary
        embedding `(patches, head_dim)`.
    """
    seen: list[Tensor] = []

    def stop(_: Any, args: tuple[Tensor, ...], kwargs: dict[str, Any]) -> None:
        seen.extend([args[0] if args else kwargs["hidden_states"], *kwargs["position_embeddings"]])
        raise _StopForward

    windowed = hasattr(visual.config, "fullatt_block_indexes")

    def embed(_: Any, __: Any, embedded: Tensor) -> Tensor:
        numbers = torch.arange(len(embedded), dtype=torch.float32, device=embedded.device)
        return numbers[:, None].expand(embedded.shape) if windowed else torch.zeros_like(embedded)

    hooks = [
        visual.patch_embed.register_forward_hook(embed),
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
    position, cos, sin = seen
    if windowed:
        home = position[:, 0].argsort()
        return rows.new_zeros(len(rows), 1), cos[home], sin[home]
    return position, cos, sin


def _attend(
    attention: Any, x: Tensor, cos: Tensor, sin: Tensor, window: Tensor | None = None
) -> Tensor:
    """Return one block's attention within each frame, `(N, patches, hidden)` like `x`.

    Args:
        attention: the block's.
        x: of N frames.
        cos: `(patches, head_dim)`, of the rotary embedding.
        sin: likewise.
        window: bool `(patches, patches)`, what each patch looks at; `None` for its whole frame.
    """
    shape = (*x.shape[:2], 3, attention.num_heads, -1)
    query, key, value = attention.qkv(x).reshape(shape).permute(2, 0, 1, 3, 4)
    query, key = apply_rotary_pos_emb_vision(query, key, cos, sin)
    mixed = F.scaled_dot_product_attention(
        query.transpose(1, 2), key.transpose(1, 2), value.transpose(1, 2), attn_mask=window
    )
    result: Tensor = attention.proj(mixed.transpose(1, 2).flatten(2))
    return result
