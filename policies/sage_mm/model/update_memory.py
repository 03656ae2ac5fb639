"""How many bytes an update takes on a GPU, by part, before anything is loaded.

The passes of an update are run on the meta device, where tensors have shapes and no data: with the
layers, the adapters, the attention and the scores that train, at the sizes of a configuration. So
the figures follow the code. Two models of few layers are run; what a layer adds is their
difference, and is the same for each.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import torch
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn
from transformers import Qwen3VLConfig

from policies.sage_mm.model.activation_checkpointing import Adapter, checkpoint_layers
from policies.sage_mm.model.adapters import (
    LANGUAGE_LINEARS,
    LoraSettings,
    lora_config,
    new_adapter,
)
from policies.sage_mm.model.default_dtype import default_dtype
from policies.sage_mm.model.fused_lora import fuse
from policies.sage_mm.model.language_model import language_states
from policies.sage_mm.model.live_bytes import LiveBytes
from policies.sage_mm.model.packed_attention import use_packed_attention
from policies.sage_mm.model.prefix_packing import PackedSpan
from policies.sage_mm.model.pretrained import ARCHITECTURES
from policies.sage_mm.model.token_scores import AT_ONCE, Masking, tiled_scores

_FEW, _MORE = 2, 3
"""Layers of the two models. With one, its input would be the embeddings, which need no gradient."""
_TRAINED_BYTES = 16
"""Of a trained float32 weight: itself, its gradient, and Adam's two moments."""
_FOUR_BIT_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Of a weight in NF4: 4 bits, a scale of 8 bits for each 64 of them, and for each 256 scales one of
32 bits (double quantisation, arXiv 2305.14314)."""


@dataclass(frozen=True)
class EpisodeSize:
    """An episode as an update sees it.

    Attributes:
        tokens: all of it, prompts, visual tokens and replies.
        visual: tokens of frames among them.
        sampled: tokens that the policy chose.
        shared: tokens of the first prompt, which the episodes of a question have in common.
    """

    tokens: int
    visual: int
    sampled: int
    shared: int = 0

    def __post_init__(self) -> None:
        """Refuse parts that are larger than the whole."""
        if not (0 < self.sampled < self.tokens and 0 <= self.visual < self.tokens):
            raise ValueError(f"expected 0 < sampled < tokens and 0 <= visual < tokens, got {self}")
        if not 0 <= self.shared < self.tokens:
            raise ValueError(f"expected 0 <= shared < tokens, got {self}")


@dataclass(frozen=True)
class UpdateBytes:
    """What an update holds on the GPU, in bytes.

    Attributes:
        weights: of the frozen base, vision tower included.
        trained: adapters, value head, their gradients, and Adam's moments.
        critic_features: hidden states of the base at the sampled tokens of all episodes, where the
            critic is a head.
        features: visual features of the frames of one pass.
        kept: activations that a pass keeps for its backward pass.
        work: what the largest layer takes beside them, forward or backward.
        scores: what the tiles of logits take beside them.
    """

    weights: int
    trained: int
    critic_features: int
    features: int
    kept: int
    work: int
    scores: int

    @property
    def total(self) -> int:
        """The most there is at once: a layer and the logits are never computed together."""
        held = self.weights + self.trained + self.critic_features + self.features
        return held + self.kept + max(self.work, self.scores)


class _Counts(NamedTuple):
    """Bytes of one pass: after the forward pass, and the most in each part of it."""

    kept: int
    forward: int
    scores: int
    backward: int


def update_bytes(
    config: Any,
    episode: EpisodeSize,
    *,
    episodes: int,
    in_pass: int = 1,
    dtype: torch.dtype = torch.bfloat16,
    lora: LoraSettings | None = None,
    critic: Literal["head", "adapter"] | None = None,
    checkpointing: bool = True,
    four_bit: bool = False,
) -> UpdateBytes:
    """Return what an update takes, without weights and without a GPU, in seconds.

    In a mixture of experts the layers are counted as dense ones that are as wide as the experts of
    a token together. What bitsandbytes takes to compute with 4-bit layers is not in it.

    Args:
        config: of a Qwen3-VL checkpoint, as `AutoConfig` reads it.
        episode: the size of each.
        episodes: of an update.
        in_pass: episodes of one question in one forward and backward pass, see `micro_batch` and
            `micro_batch_tokens` of `PPOConfig`.
        dtype: of the frozen base.
        lora: the adapters.
        critic: see `SageModel`; `None` where the advantage needs no critic.
        checkpointing: see `SageModel`.
        four_bit: whether the language model's frozen layers are held in 4 bits.
    """
    lora = lora or LoraSettings()
    text = config.get_text_config()
    layers = text.num_hidden_layers
    few, more = (
        _pass_bytes(_trained_shape(config, n, dtype, lora, checkpointing), episode, in_pass)
        for n in (_FEW, _MORE)
    )
    counts = _Counts(*(a + (b - a) * (layers - _FEW) for a, b in zip(few, more, strict=True)))
    maps = 1 + len(config.vision_config.deepstack_visual_indexes)
    seen = episode.shared + in_pass * (episode.tokens - episode.shared)
    visual = min(seen, in_pass * episode.visual)
    states = episodes * episode.sampled * text.hidden_size * dtype.itemsize
    weights, adapted = _weights(config, dtype, lora, four_bit)
    adapters = 2 if critic == "adapter" else 1
    head = text.hidden_size**2 if critic == "head" else 0
    return UpdateBytes(
        weights=weights,
        trained=(adapters * adapted + head) * _TRAINED_BYTES,
        critic_features=states if critic == "head" else 0,
        features=maps * visual * text.hidden_size * dtype.itemsize,
        kept=counts.kept,
        work=max(counts.forward, counts.backward) - counts.kept,
        scores=counts.scores - counts.kept,
    )


def _pass_bytes(base: Any, episode: EpisodeSize, in_pass: int) -> _Counts:
    """Run a forward and a backward pass of the actor, and count what is held in each part of it."""
    spans = _spans(episode, in_pass)
    tokens, sampled = sum(map(len, spans)), in_pass * episode.sampled
    head = base.lm_head.weight
    trained = [p for p in base.parameters() if p.requires_grad]
    with LiveBytes() as counted, torch.device("meta"):
        at, positions = torch.zeros(tokens, dtype=torch.long), torch.zeros(3, 1, tokens).long()
        hidden = language_states(base, at[None], positions, None, None, spans=spans)
        kept, forward = counted.live, counted.peak
        counted.reset_peak()
        masking = Masking(1.0, torch.zeros(len(head), dtype=torch.bool))
        states, chosen = hidden[0, at[:sampled]], at[:sampled]
        if sampled * len(head) > AT_ONCE:
            found = tiled_scores(states, head, chosen, masking, entropy_gradient=False).logprobs
        else:
            found = masking.apply(base.lm_head(states)).log_softmax(-1).gather(1, chosen[:, None])
        scores = counted.peak
        loss = found.sum()
        counted.reset_peak()
        torch.autograd.grad(loss, trained)
        return _Counts(kept, forward, scores, counted.peak)


def _spans(episode: EpisodeSize, in_pass: int) -> list[PackedSpan]:
    """Return the spans of a pass over episodes of one question: what they share, and the rest."""
    shared = episode.shared if in_pass > 1 else 0
    root = [PackedSpan(0, 0, shared, ())] if shared else []
    before = (0,) if shared else ()
    return root + [PackedSpan(row, shared, episode.tokens, before) for row in range(in_pass)]


class _OneAdapter:
    """The actor's adapter, in use throughout: an `AdapterSwitch`."""

    adapter: Adapter = "actor"

    def using(self, adapter: Adapter) -> nullcontext[None]:
        return nullcontext()


def _trained_shape(
    config: Any, layers: int, dtype: torch.dtype, lora: LoraSettings, checkpointing: bool
) -> Any:
    """Return a model on the meta device, with so many layers, an adapter and a small vision tower.

    Args:
        config: of a Qwen3-VL checkpoint.
        layers: of the language model.
        dtype: of the base.
        lora: the adapter.
        checkpointing: whether layers are recomputed.
    """
    small = config.to_dict()
    text, vision = small["text_config"], small["vision_config"]
    text["num_hidden_layers"] = layers
    text.pop("layer_types", None)
    vision |= {"depth": 1, "deepstack_visual_indexes": [0]}
    if "num_experts" in text:
        text["intermediate_size"] = text["num_experts_per_tok"] * text["moe_intermediate_size"]
    names = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")
    known = Qwen3VLConfig(
        text_config={k: v for k, v in text.items() if k != "model_type"},
        vision_config={k: v for k, v in vision.items() if k != "model_type"},
        tie_word_embeddings=config.tie_word_embeddings,
        **{name: small[name] for name in names if name in small},
    )
    with _on_meta(dtype):
        base = ARCHITECTURES["qwen3_vl"](known)
    base.requires_grad_(False).eval()
    use_packed_attention(base.config.get_text_config())
    with torch.random.fork_rng(devices=[]):
        new_adapter(base, lora_config(lora), "actor").eval()
    for layer in list(base.modules()):
        if isinstance(layer, BaseTunerLayer):
            fuse(layer)
    if checkpointing:
        checkpoint_layers(base.model.language_model.layers, _OneAdapter())
    return base


def _weights(
    config: Any, dtype: torch.dtype, lora: LoraSettings, four_bit: bool
) -> tuple[int, int]:
    """Return the bytes of all weights of a base, and how many weights an adapter adds.

    Args:
        config: of a Qwen3-VL checkpoint.
        dtype: of the base.
        lora: the adapter.
        four_bit: whether the linear layers of the language model are held in 4 bits.
    """
    with _on_meta(dtype):
        base = ARCHITECTURES[config.model_type](config)
    total = sum(x.nbytes for x in (*base.parameters(), *base.buffers()))
    linear = {n: m for n, m in base.named_modules() if isinstance(m, nn.Linear)}
    layers = [m for n, m in linear.items() if n.startswith("model.language_model.")]
    if four_bit:
        held = sum(m.weight.numel() for m in layers)
        total += int(held * (_FOUR_BIT_BYTES - dtype.itemsize))
    adapted = [m for n, m in linear.items() if re.fullmatch(LANGUAGE_LINEARS, n)]
    return total, sum(lora.r * (m.in_features + m.out_features) for m in adapted)


@contextmanager
def _on_meta(dtype: torch.dtype) -> Iterator[None]:
    """Make what the block makes on the meta device, in this dtype."""
    with default_dtype(dtype), torch.device("meta"):
        yield
