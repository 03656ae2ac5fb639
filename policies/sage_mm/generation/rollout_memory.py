"""How many bytes a rollout takes on a device, part by part, from a configuration alone.

Nothing is loaded and nothing is on a device: weights are counted on the meta device, keys, values
and features by their shapes, and what a pass holds for a moment by a formula that is above what its
tensors sum to (`tests/policies/sage_mm/generation/test_rollout_memory.py` counts them). Memory that
an allocator loses between blocks is in none of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from typing import Any

import torch

from policies.errors import ModelError
from policies.sage_mm.generation.ngram_drafter import MAX_DRAFT
from policies.sage_mm.generation.pass_memory import (
    decode_bytes,
    encode_bytes,
    prefill_bytes,
    weight_bytes,
)
from policies.sage_mm.generation.sampler import GPU_PREFILL_TOKENS
from sage_env.storage.byte_size import format_bytes

KV_SHARE = 0.75
"""Of the memory that is free on a GPU once the weights are there: keys and values. A judgement: the
rest is for what passes hold for a moment, for frame features, and for gaps between blocks."""
BLOCK_SHARE = 0.25
"""Of the budget of keys and values that the blocks of batches may take; more only for an episode
that needs more by itself. A judgement: states that stay save prefill, larger batches save passes.
"""
STAMP_TOKENS = 12
"""Of a frame beside its visual tokens: `<1234.5 seconds>` has nine in Qwen's vocabulary, and there
are two vision markers."""
PREFIX_BYTES = 1 << 30
"""Of prompts that are kept for rollouts which begin later, unless something else is said."""
MOST_SLOTS = 256
"""Beyond it a GPU gains nothing: 64 episodes are a batch, and the others wait."""


@dataclass(frozen=True, kw_only=True)
class RolloutShape:
    """How large the episodes of a rollout may become, and how many play side by side.

    Attributes:
        slots: episodes that play side by side.
        episodes_per_question: of them that have one question, and share its prompt.
        frames: that an episode may see, the overview included.
        overview_frames: of the first turn.
        frame_size: rows and columns of pixels.
        turns: of an episode.
        max_new_tokens: of a reply.
        opening_tokens: of the first prompt beside its frames: rules, question, choices.
        turn_tokens: of a later prompt beside its frames.
        max_batch: episodes that are sampled together.
        draft_tokens: of one pass of decoding.
    """

    slots: int = 64
    episodes_per_question: int = 8
    frames: int = 128
    overview_frames: int = 32
    frame_size: tuple[int, int] = (448, 448)
    turns: int = 8
    max_new_tokens: int = 256
    opening_tokens: int = 1024
    turn_tokens: int = 64
    max_batch: int = 64
    draft_tokens: int = 192

    def __post_init__(self) -> None:
        """Refuse a shape that no rollout has."""
        if min(self.slots, self.episodes_per_question, self.turns, self.max_batch) < 1:
            raise ValueError(f"expected at least one of everything that plays, got {self}")
        if not 0 <= self.overview_frames <= self.frames:
            raise ValueError(
                f"expected an overview of 0 to {self.frames} frames, got {self.overview_frames}"
            )


@dataclass(frozen=True)
class RolloutBytes:
    """Bytes of a rollout by part. `str` makes a table of them.

    Attributes:
        weights: of the frozen base.
        adapters: of the actor's LoRA, float32.
        states: keys and values of the running episodes, a shared prompt once.
        block: keys and values of the batches that are sampled, beside the states.
        prefixes: prompts that are kept for rollouts which begin later.
        features: visual features that are kept beside the model.
        prefill: what the largest pass of prefill holds for a moment.
        decode: the same of a pass of decoding, the draw included.
        encode: the same of a pass of the vision tower.
        wanted: what `states` would be if nothing were dropped.
    """

    weights: int
    adapters: int
    states: int
    block: int
    prefixes: int
    features: int
    prefill: int
    decode: int
    encode: int
    wanted: int

    @property
    def total(self) -> int:
        """Bytes at the worst moment: passes of different kinds do not overlap."""
        held = self.weights + self.adapters + self.states + self.block + self.prefixes
        return held + self.features + max(self.prefill, self.decode, self.encode)

    def __str__(self) -> str:
        """Return a line for each part, and one for the total."""
        names = ["weights", "adapters", "states", "block", "prefixes", "features"]
        names += ["prefill", "decode", "encode", "total"]
        return "\n".join(f"{name:<9} {format_bytes(getattr(self, name)):>11}" for name in names)


def rollout_bytes(
    config: Any,
    shape: RolloutShape | None = None,
    *,
    dtype: torch.dtype = torch.bfloat16,
    lora_rank: int = 16,
    four_bit: bool = False,
    memory: int | None = None,
    kv_bytes: int | None = None,
    prefix_cache_bytes: int = PREFIX_BYTES,
    feature_bytes: int = 0,
) -> RolloutBytes:
    """Return what a rollout takes on a GPU, before anything is loaded.

    Args:
        config: of a Qwen3-VL checkpoint, as `transformers.AutoConfig` reads it.
        shape: of the rollout.
        dtype: of weights, keys, values and features.
        lora_rank: of the actor's adapter.
        four_bit: whether the linear layers of the language model are held in 4 bits.
        memory: bytes of the device, for the `kv_bytes` that a policy takes there by default.
        kv_bytes: see `SageMM`; with neither, keys and values take what they want.
        prefix_cache_bytes: see `SageMM`.
        feature_bytes: the `gpu` of `CacheSizes`.
    """
    weights, adapters = weight_bytes(config, dtype, lora_rank, four_bit=four_bit)
    if kv_bytes is None and memory is not None:
        kv_bytes = max(0, int(KV_SHARE * (memory - weights - adapters)))
    base = weights, adapters, prefix_cache_bytes, feature_bytes
    return _with_base(config, shape or RolloutShape(), dtype, kv_bytes, base)


def _with_base(
    config: Any,
    shape: RolloutShape,
    dtype: torch.dtype,
    kv_bytes: int | None,
    base: tuple[int, int, int, int],
) -> RolloutBytes:
    """Return the bytes of a rollout.

    Args:
        config: of the checkpoint.
        shape: of the rollout.
        dtype: of weights, keys, values and features.
        kv_bytes: budget of keys and values; `None` for none.
        base: bytes of weights, adapters, kept prompts and kept features, which no shape changes.
    """
    weights, adapters, prefix_cache_bytes, feature_bytes = base
    grid = [side // (_patch(config) * _merge(config)) for side in shape.frame_size]
    visual = grid[0] * grid[1]
    opening, rest = _tokens(shape, visual)
    token = token_bytes(config.get_text_config(), dtype)
    questions = ceil(shape.slots / shape.episodes_per_question)
    wanted = (questions * opening + shape.slots * rest) * token
    single, batch = max(opening + 1, rest) * token, min(shape.slots, shape.max_batch)
    block = min(batch * single, max(single, ceil(wanted * BLOCK_SHARE / (1 - BLOCK_SHARE))))
    states = wanted
    if kv_bytes is not None and states + block > kv_bytes:
        block = min(batch * single, max(single, int(BLOCK_SHARE * kv_bytes)))
        states = max(0, min(wanted, kv_bytes - block))
    tokens = max(batch, min(shape.draft_tokens, batch * (1 + MAX_DRAFT)))
    longest = max(opening, GPU_PREFILL_TOKENS)
    frames = max(shape.overview_frames, GPU_PREFILL_TOKENS // (visual + STAMP_TOKENS))
    return RolloutBytes(
        weights=weights,
        adapters=adapters,
        states=states,
        block=block,
        prefixes=min(prefix_cache_bytes, questions * opening * token),
        features=feature_bytes,
        prefill=prefill_bytes(config, dtype, longest, opening + rest, frames * visual),
        decode=decode_bytes(config, dtype, rows=batch, tokens=tokens, keys=opening + rest),
        encode=encode_bytes(config, dtype, visual * _merge(config) ** 2),
        wanted=wanted,
    )


def slots_for(config: Any, memory: int, shape: RolloutShape | None = None, **settings: Any) -> int:
    """Return how many episodes may play side by side so that no state has to be dropped.

    Every episode is taken to see all frames that it may see, and to use all its turns.

    Args:
        config: of a Qwen3-VL checkpoint.
        memory: bytes that are there for the rollout: those of the GPU, less what others use.
        shape: of the rollout; its `slots` are the most that are asked for.
        settings: of `rollout_bytes`.

    Raises:
        ModelError: if not even one episode fits; says what it needs.
    """
    shape = shape or RolloutShape(slots=MOST_SLOTS)

    dtype = settings.get("dtype", torch.bfloat16)
    alone = rollout_bytes(config, replace(shape, slots=1), memory=memory, **settings)
    base = alone.weights, alone.adapters, settings.get("prefix_cache_bytes", PREFIX_BYTES)
    kv_bytes = settings.get("kv_bytes") or int(KV_SHARE * (memory - sum(base[:2])))

    def fits(slots: int) -> bool:
        one = replace(shape, slots=slots)
        found = _with_base(config, one, dtype, max(0, kv_bytes), (*base, alone.features))
        return found.states == found.wanted and found.total <= memory

    if not fits(1):
        needed = alone.total + alone.wanted - alone.states
        raise ModelError(
            f"one episode needs {format_bytes(needed)} ({format_bytes(alone.weights)} of them "
            f"weights) and does not fit into {format_bytes(memory)}, of which keys and values get "
            f"{KV_SHARE:.0%} beside the weights: take fewer or smaller frames, fewer turns, "
            "four_bit, or a smaller checkpoint"
        )
    few, many = 1, shape.slots + 1  # fits, does not fit
    if fits(shape.slots):
        return shape.slots
    while many - few > 1:
        middle = (few + many) // 2
        few, many = (middle, many) if fits(middle) else (few, middle)
    return few


def slots_on(
    device: torch.device, config: Any, shape: RolloutShape | None = None, **settings: Any
) -> int:
    """Return how many episodes may play side by side on a device, before the model is on it.

    Args:
        device: on a GPU, `slots_for` of what is free there; elsewhere, where memory is rarely what
            is short, the `slots` of the shape.
        config: of a Qwen3-VL checkpoint.
        shape: of the rollout; its `slots` are the most that are asked for.
        settings: of `rollout_bytes`.

    Raises:
        ModelError: if not even one episode fits.
    """
    shape = shape or RolloutShape(slots=MOST_SLOTS)
    if device.type != "cuda":
        return shape.slots
    return slots_for(config, free_bytes(device), shape, **settings)


def free_bytes(device: torch.device) -> int:
    """Return the bytes that torch can still use on a GPU: those that it holds unused count too."""
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return int(torch.cuda.mem_get_info(device)[0] + unused)


def token_bytes(config: Any, dtype: torch.dtype) -> int:
    """Return the bytes of one token's keys and values, from a text configuration."""
    heads, dim = config.num_key_value_heads, config.head_dim
    return int(config.num_hidden_layers * 2 * heads * dim * dtype.itemsize)


def _tokens(shape: RolloutShape, visual: int) -> tuple[int, int]:
    """Return the tokens of a first prompt, and those that an episode may add to it.

    Args:
        shape: of the rollout.
        visual: visual tokens of a frame.
    """
    frame = visual + STAMP_TOKENS
    later = (shape.frames - shape.overview_frames) * frame + (shape.turns - 1) * shape.turn_tokens
    opening = shape.opening_tokens + shape.overview_frames * frame
    return opening, later + shape.turns * shape.max_new_tokens


def _patch(config: Any) -> int:
    return int(config.vision_config.patch_size)


def _merge(config: Any) -> int:
    return int(config.vision_config.spatial_merge_size)
