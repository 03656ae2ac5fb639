"""A Qwen3-VL checkpoint as actor and critic: frozen base, LoRA adapters, value head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, cast

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from policies.sage_mm.model import adapters
from policies.sage_mm.model.activation_checkpointing import checkpoint_layers
from policies.sage_mm.model.adapters import LANGUAGE_LINEARS, LoraSettings
from policies.sage_mm.model.fused_lora import fuse
from policies.sage_mm.model.packed_attention import use_packed_attention
from policies.sage_mm.model.prefix_packing import PackedSpan
from policies.sage_mm.model.pretrained import SHIPPED, open_checkpoint
from policies.sage_mm.stage_timer import StageTimer
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.tokens.mrope import mrope_positions
from policies.sage_mm.vision.feature_cache import CacheSizes
from policies.sage_mm.vision.frame_encoder import FrameEncoder

__all__ = [
    "LANGUAGE_LINEARS",
    "SHIPPED",
    "CriticKind",
    "LoraSettings",
    "SageModel",
    "language_states",
    "load",
]

MASKED = -1e9  # exp gives exactly 0, and, unlike -inf, 0 times it is 0 in the entropy

CriticKind = Literal["head", "adapter"]


class SageModel:
    """The network: what a sequence's hidden states, token log-probs and values are.

    Args:
        base: the checkpoint; it is frozen in place.
        tokens: its chat layout.
        lora: new adapters: rank and scale, or any LoRA of peft's.
        critic: `head` reads values off the frozen base's hidden states with a small MLP;
            `adapter` gives the critic its own LoRA adapter and a linear head.
        adapter: folder or hub id of an actor adapter to start from, made by `save_adapter` or by
            peft; `None` starts from the base itself.
        cache: how many bytes of frame features to keep where.
        env_options: arguments of `gym.make` that the checkpoint was trained for.
        checkpointing: whether the backward pass computes layers again instead of keeping what they
            computed: less memory, one more pass forward.

    Attributes:
        adapter: the one in use: `actor`, `critic`, or `None`.

    Raises:
        ModelError: if an adapter or a configuration does not suit the base.
    """

    def __init__(
        self,
        base: nn.Module,
        tokens: ChatTokens,
        lora: LoraSettings | LoraConfig | None = None,
        critic: CriticKind = "head",
        adapter: str | Path | None = None,
        cache: CacheSizes | None = None,
        env_options: Mapping[str, Any] | None = None,
        checkpointing: bool = False,
    ) -> None:
        """Freeze the base, add the adapters and the head."""
        if critic not in ("head", "adapter"):
            raise ValueError(f"critic must be 'head' or 'adapter', got {critic!r}")
        lora = lora or LoraSettings()
        self.tokens, self.critic = tokens, critic
        self.env_options = dict(env_options or {})
        self.base = cast(Any, base)
        self.base.requires_grad_(False).eval()
        self.config: Any = self.base.config.get_text_config()
        use_packed_attention(self.config)
        self.encoder = FrameEncoder(self.base.model.visual, cache)
        self.timer = StageTimer(self.device)
        banned = torch.from_numpy(tokens.banned(self.base.lm_head.out_features))
        self._banned = banned.to(self.device)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lora.seed if isinstance(lora, LoraSettings) else 0)
            config = adapters.lora_config(lora)
            if adapter is None:
                self._peft: Any = adapters.new_adapter(self.base, config, "actor")
            else:
                self._peft = adapters.read_adapter(self.base, adapter, "actor")
            if critic == "adapter":
                self._peft.add_adapter("critic", config)
            self.value_head = _value_head(self.config.hidden_size, critic).to(self.device)
        self._peft.eval()  # dropout in adapters would make sampling and re-scoring differ
        self._layers = [m for m in self.base.modules() if isinstance(m, BaseTunerLayer)]
        for layer in self._layers:
            fuse(cast(nn.Module, layer))
        if checkpointing:
            checkpoint_layers(self.base.model.language_model.layers, self)
        self._use("actor")

    @property
    def device(self) -> torch.device:
        """Where the language model is."""
        return torch.device(self.base.lm_head.weight.device)

    @contextmanager
    def using(self, adapter: Literal["actor", "critic"] | None) -> Iterator[None]:
        """Run the block with another adapter, or with none; the actor's is back afterwards."""
        self._use(adapter)
        try:
            yield
        finally:
            self._use("actor")

    def _use(self, adapter: Literal["actor", "critic"] | None) -> None:
        self.adapter: Literal["actor", "critic"] | None = adapter
        for layer in self._layers:
            layer.enable_adapters(adapter is not None)
            if adapter is not None:
                layer.set_adapter(adapter)
        # peft unfreezes only the adapter in use; here all of them are trained, each in its turn
        for parameter in (*self.actor_parameters(), *self.critic_parameters()):
            parameter.requires_grad_(True)

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return every trained tensor by name, in a fixed order."""
        named: dict[str, nn.Parameter] = {}
        for name, parameter in self.base.named_parameters():
            for adapter in ("actor", "critic"):
                if f".{adapter}." in name:
                    named[f"{adapter}.{name}"] = parameter
        heads = {f"critic.head.{name}": p for name, p in self.value_head.named_parameters()}
        return dict(sorted(named.items())) | heads

    def actor_parameters(self) -> list[nn.Parameter]:
        """Return the actor's adapter."""
        return [p for name, p in self.named_parameters().items() if name.startswith("actor.")]

    def critic_parameters(self) -> list[nn.Parameter]:
        """Return the critic's adapter, if it has one, and the value head."""
        return [p for name, p in self.named_parameters().items() if name.startswith("critic.")]

    def weights_in_use(self) -> list[Tensor]:
        """Return the adapter weights that `hidden` adds to the base now, in the order of names."""
        used: dict[str, Tensor] = {}
        for name, layer in self.base.named_modules():
            if isinstance(layer, BaseTunerLayer) and not layer.disable_adapters:
                for part, parameter in cast(nn.Module, layer).named_parameters():
                    if any(f".{adapter}." in f".{part}" for adapter in layer.active_adapters):
                        used[f"{name}.{part}"] = parameter
        return [used[name] for name in sorted(used)]

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor,
        frames: Sequence[bytes],
        mask: Tensor | None = None,
        cache: Any = None,
        spans: Sequence[PackedSpan] | None = None,
    ) -> Tensor:
        """Run the language model.

        Args:
            ids: int64 `(B, L)`. Right padding needs no mask: no token looks ahead.
            positions: int64 `(3, B, L)`.
            frames: keys of the frames whose visual tokens are in `ids`, row by row.
            mask: bool `(B, 1, L, K)`, which of the K cached tokens each token may look at; `None`
                for all before it.
            cache: keys and values to extend.
            spans: where B is 1 and the row is packed: see `policies.sage_mm.model.prefix_packing`.

        Returns:
            hidden states `(B, L, hidden)` after the last norm.
        """
        features = self.encoder.features(frames) if frames else None
        visual = ids == self.tokens.frame_pad if frames else None
        return language_states(self.base, ids, positions, visual, features, mask, cache, spans)

    def positions(self, ids: Tensor, lengths: Sequence[int], frames: Sequence[Any]) -> Tensor:
        """Return M-RoPE positions `(3, B, L)` of whole right-padded rows; 0 on padding.

        `frames[i]` are the keys of row i's frames.
        """
        out = torch.zeros(3, *ids.shape, dtype=torch.long)
        rows = ids.cpu().numpy()
        for i, (length, keys) in enumerate(zip(lengths, frames, strict=True)):
            grids = self.encoder.grids(keys)
            row, _ = mrope_positions(rows[i, :length], self.tokens.frame_pad, grids)
            out[:, i, :length] = torch.from_numpy(row)
        return out.to(self.device)

    def log_probs(
        self, hidden: Tensor, temperature: float, allowed: Tensor | None = None
    ) -> Tensor:
        """Return the log-probs float32 `(N, V)` of the token that follows each hidden state.

        Sampling and re-scoring both call this. Ids that must not be sampled are masked before the
        softmax, as are those that are not `allowed`, bool `(N, V)`; temperature 0 (greedy) counts
        as 1.
        """
        logits: Tensor = self.base.lm_head(hidden).float()
        if temperature > 0:
            logits = logits / temperature
        banned = self._banned if allowed is None else self._banned | ~allowed.to(logits.device)
        return logits.masked_fill(banned, MASKED).log_softmax(-1)

    def save_adapter(self, folder: str | Path) -> None:
        """Write the actor's adapter as a folder that plain peft loads."""
        adapters.save_adapter(self._peft, folder, "actor")


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
    """Run a Qwen3-VL language model on tokens and ready-made visual features.

    Args:
        base: the model.
        ids: int64 `(B, L)`.
        positions: int64 `(3, B, L)`.
        visual: bool `(B, L)`, which tokens are visual.
        features: `(1 + K, visual tokens, hidden)`: merged embedding and DeepStack maps.
        mask: see `SageModel.hidden`.
        cache: keys and values to extend.
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
        visual_pos_masks=visual,
        deepstack_visual_embeds=maps,
        **({} if spans is None else {"spans": spans}),
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def load(
    checkpoint: str | Path | None = None,
    *,
    adapter: str | Path | None = None,
    dtype: str | torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    four_bit: bool = False,
    lora: LoraSettings | LoraConfig | None = None,
    critic: CriticKind = "head",
    cache: CacheSizes | None = None,
    checkpointing: bool = False,
) -> SageModel:
    """Load a checkpoint for `SageModel`, which explains the other arguments.

    Args:
        checkpoint: folder or hub id of a Qwen3-VL checkpoint of any size, dense or a mixture of
            experts; `None` for the shipped tiny model.
        adapter: see `SageModel`.
        dtype: of the frozen base, by itself or by name; `auto` is the checkpoint's own on a GPU and
            float32 on a CPU. Adapters and value head are float32.
        device: where the model goes, by itself or by name; `auto` is the GPU if there is one.
        four_bit: whether the language model's frozen layers are held in 4 bits (NF4).
        lora: see `SageModel`.
        critic: see `SageModel`.
        cache: see `SageModel`.
        checkpointing: see `SageModel`.

    Raises:
        ModelError: if the checkpoint is not a Qwen3-VL model, its tokenizer lacks the chat and
            vision tokens, its chat template is another one, the device is not there, or the adapter
            is for another base.
        MissingExtra: if a 4-bit base is asked for without bitsandbytes.
        FileNotFoundError: if the shipped model is not there.
    """
    base, tokens, env = open_checkpoint(checkpoint, dtype=dtype, device=device, four_bit=four_bit)
    return SageModel(base, tokens, lora, critic, adapter, cache, env, checkpointing)


def _value_head(hidden: int, critic: CriticKind) -> nn.Module:
    """Make a head that starts at zero, so that a new critic predicts 0 everywhere."""
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if critic == "adapter":
        return last
    return nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), last)
