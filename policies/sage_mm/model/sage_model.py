"""A Qwen3-VL checkpoint (arXiv 2511.21631) as actor and critic: frozen base, LoRA, value head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import torch
from peft import LoraConfig
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import Tensor, nn

from policies.sage_mm.model import adapters
from policies.sage_mm.model.activation_checkpointing import Adapter, checkpoint_layers
from policies.sage_mm.model.adapters import LANGUAGE_LINEARS, LoraSettings
from policies.sage_mm.model.fused_lora import fuse
from policies.sage_mm.model.language_model import language_states
from policies.sage_mm.model.packed_attention import use_packed_attention
from policies.sage_mm.model.prefix_packing import PackedSpan
from policies.sage_mm.model.pretrained import SHIPPED, open_checkpoint
from policies.sage_mm.model.reference_adapter import PREFIX, ReferenceAdapter
from policies.sage_mm.model.token_scores import Masking
from policies.sage_mm.model.value_head import CriticKind, new_value_head
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
    "load",
]


class SageModel:
    """The network: what a sequence's hidden states, token log-probs and values are.

    Args:
        base: the checkpoint, a `Qwen3VLForConditionalGeneration` or its MoE; frozen in place.
        tokens: its chat layout.
        lora: new adapters: rank and scale, or any LoRA of peft's.
        critic: `head` is a small MLP over the hidden states of the frozen base; `adapter` gives
            the critic a LoRA adapter of its own and a linear head.
        adapter: folder or hub id of an actor adapter to start from, made by `save_adapter` or by
            peft, which is also the reference of a KL; `None` starts from the base itself.
        cache: how many bytes of frame features to keep where.
        env_options: arguments of `gym.make` that the checkpoint was trained for.
        checkpointing: whether the backward pass recomputes layers instead of keeping their
            activations: less memory, one more forward pass.

    Attributes:
        base: the network with the adapters in it.
        config: its text configuration.
        encoder: the vision tower and the cache of its features.
        value_head: `(..., hidden)` to `(..., 1)`, float32.
        timer: where the time of playing goes.
        adapter: the one in use: `actor`, `critic`, `reference`, or `None`.

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
        self._take(base, tokens, critic, cache, env_options)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(lora.seed if isinstance(lora, LoraSettings) else 0)
            config = adapters.lora_config(lora)
            if adapter is None:
                self._peft: Any = adapters.new_adapter(self.base, config, "actor")
            else:
                self._peft = adapters.read_adapter(self.base, adapter, "actor")
            if critic == "adapter":
                self._peft.add_adapter("critic", config)
            self.value_head = new_value_head(self.config.hidden_size, critic).to(self.device)
        self._peft.eval()  # dropout in adapters would make re-scoring differ from sampling
        self._layers = [m for m in self.base.modules() if isinstance(m, BaseTunerLayer)]
        for layer in self._layers:
            fuse(cast(nn.Module, layer))
        if checkpointing:
            checkpoint_layers(self.base.model.language_model.layers, self)
        self._reference = ReferenceAdapter(self._peft, self.base)
        self._use("actor")
        self.freeze_reference()

    def _take(
        self,
        base: nn.Module,
        tokens: ChatTokens,
        critic: CriticKind,
        cache: CacheSizes | None,
        env_options: Mapping[str, Any] | None,
    ) -> None:
        """Take a checkpoint, frozen, without what is trained; arguments as of the class."""
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

    @property
    def device(self) -> torch.device:
        """Where the language model is."""
        return torch.device(self.base.lm_head.weight.device)

    @property
    def dtype(self) -> torch.dtype:
        """Of hidden states, keys and values: that of the output layer, which is never quantised."""
        dtype: torch.dtype = self.base.lm_head.weight.dtype
        return dtype

    @contextmanager
    def using(self, adapter: Adapter) -> Iterator[None]:
        """Run the block with another adapter, or with none; afterwards the actor's is in use."""
        self._use(adapter)
        try:
            yield
        finally:
            self._use("actor")

    def _use(self, adapter: Adapter) -> None:
        """Switch the adapter in all layers; all trained tensors keep their gradients."""
        self.adapter: Adapter = adapter
        for layer in self._layers:
            layer.enable_adapters(adapter is not None)
            if adapter is not None:
                layer.set_adapter(adapter)
        # peft freezes all adapters but the one in use; here each is trained in its turn
        for parameter in (*self.actor_parameters(), *self.critic_parameters()):
            parameter.requires_grad_(True)

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return every trained tensor by name, in a fixed order: actor, critic, value head."""
        named: dict[str, nn.Parameter] = {}
        for name, parameter in self.base.named_parameters():
            for adapter in ("actor", "critic"):
                if f".{adapter}." in name:
                    named[f"{adapter}.{name}"] = parameter
        heads = {f"critic.head.{name}": p for name, p in self.value_head.named_parameters()}
        return dict(sorted(named.items())) | heads

    def freeze_reference(self) -> None:
        """Keep a copy of the actor's adapter as it is now: the reference of a KL.

        An adapter that changes nothing yet is not copied; the reference is then the base itself.
        """
        self._reference.freeze()
        self._use("actor")

    @property
    def reference(self) -> Adapter:
        """Return which adapter has the reference's scores: `reference`, or none."""
        return "reference" if self._reference.present else None

    def actor_parameters(self) -> list[nn.Parameter]:
        """Return the actor's adapter."""
        return [p for name, p in self.named_parameters().items() if name.startswith("actor.")]

    def critic_parameters(self) -> list[nn.Parameter]:
        """Return the critic's adapter, if it has one, and the value head."""
        return [p for name, p in self.named_parameters().items() if name.startswith("critic.")]

    def state(self) -> dict[str, Tensor]:
        """Return every trained tensor by name, and the reference's: detached copies on the CPU.

        The names of a reference that is not the base itself begin with `reference.`.
        """
        named = self.named_parameters() | self._reference.state()
        return {name: p.detach().cpu().clone() for name, p in named.items()}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Take back what `state` returned, in place.

        Raises:
            ValueError: if the names or shapes are not those of this model.
        """
        named = self.named_parameters()
        shapes = {name: tuple(p.shape) for name, p in named.items()}
        given = {n: tuple(x.shape) for n, x in state.items() if not n.startswith(PREFIX)}
        if given != shapes:
            odd = sorted(name for name, _ in shapes.items() ^ given.items())
            raise ValueError(
                f"the state is of another model: {odd[0]} and {len(odd) - 1} more tensors differ "
                "in name or shape; load it into a policy with the same checkpoint, lora and critic"
            )
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(state[name])
        self._reference.load(state)
        self._use("actor")

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
        """Run the language model with the adapter in use.

        Args:
            ids: int64 `(B, L)`. Right padding needs no mask: no token looks ahead.
            positions: int64 `(3, B, L)`, M-RoPE.
            frames: keys of the frames whose visual tokens are in `ids`, row by row.
            mask: `(B, 1, L, K)`, added to the scores: 0 where a token may look at one of K cached
                tokens, minus infinity elsewhere; `None` for all tokens before it.
            cache: keys and values to extend, a `KeyValueCache`.
            spans: where B is 1 and the row is packed: see `policies.sage_mm.model.prefix_packing`.

        Returns:
            hidden states `(B, L, hidden)` after the last norm, in the base's dtype.
        """
        features = self.encoder.features(frames) if frames else None
        visual = ids == self.tokens.frame_pad if frames else None
        return language_states(self.base, ids, positions, visual, features, mask, cache, spans)

    def positions(self, ids: Tensor, lengths: Sequence[int], frames: Sequence[Any]) -> Tensor:
        """Return the M-RoPE positions of whole sequences.

        Args:
            ids: int64 `(B, L)`, right-padded.
            lengths: tokens of each row.
            frames: keys of each row's frames, in order.

        Returns:
            int64 `(3, B, L)`, 0 on padding.

        Raises:
            ValueError: if a row's frames do not fill its visual tokens exactly.
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
        """Return the log-probs of the token that follows each hidden state.

        Sampling and re-scoring both call this, and so cannot differ in what they mask or scale. Ids
        that must not be sampled are masked before the softmax.

        Args:
            hidden: `(N, hidden)`, from `hidden`.
            temperature: divides the logits; 0 (greedy) counts as 1.
            allowed: bool `(N, V)`, what a grammar allows; the rest is masked too.

        Returns:
            float32 `(N, V)` in nats.
        """
        return self.masking(temperature, allowed).apply(self.base.lm_head(hidden)).log_softmax(-1)

    def masking(self, temperature: float, allowed: Tensor | None = None) -> Masking:
        """Return what is done to logits before a softmax; `allowed` is bool `(N, V)` or `None`."""
        return Masking(temperature, self._banned, allowed)

    critic_reads: Adapter = None
    """With which adapter a critic that is a head reads its hidden states: those of the base."""

    def save_adapter(self, folder: str | Path) -> None:
        """Write the actor's adapter as a folder that plain peft loads."""
        adapters.save_adapter(self._peft, folder, "actor")


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
    cut_bars: bool | None = None,
) -> SageModel:
    """Load a checkpoint for `SageModel`, which explains the other arguments.

    Args:
        checkpoint: folder or hub id of a Qwen3-VL checkpoint of any size, dense or a mixture of
            experts, or a Qwen2.5-VL one; `None` for the shipped tiny model.
        adapter: folder or hub id of an actor adapter to start from.
        dtype: of the frozen base, by itself or by name; `auto` is the checkpoint's own on a GPU and
            float32 on a CPU. Adapters and value head are float32.
        device: where the model goes, by itself or by name; `auto` is the GPU if there is one.
        four_bit: whether the language model's frozen layers are held in 4 bits (NF4).
        lora: see `SageModel`.
        critic: see `SageModel`.
        cache: see `SageModel`.
        checkpointing: see `SageModel`.
        cut_bars: whether frames are read without their black bars, see `FrameEncoder.pictures`;
            `None` for what the checkpoint's `sage_mm.json` says, else true.

    Raises:
        ModelError: if the checkpoint is not a Qwen3-VL model, its tokenizer lacks the chat and
            vision tokens, its chat template is another one, the device is not there, or the adapter
            is for another base.
        MissingExtra: if a 4-bit base is asked for without bitsandbytes.
        FileNotFoundError: if the shipped model is not there.
    """
    opened = open_checkpoint(checkpoint, dtype=dtype, device=device, four_bit=four_bit)
    base, tokens, env, cuts = opened
    model = SageModel(base, tokens, lora, critic, adapter, cache, env, checkpointing)
    model.encoder.cut_bars = cuts if cut_bars is None else cut_bars
    return model
