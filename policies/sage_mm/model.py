"""A Qwen3-VL checkpoint as actor and critic: frozen base, LoRA adapters, value head."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import torch
from peft import LoraConfig, PeftModel, get_peft_model, get_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, Qwen3VLForConditionalGeneration
from transformers.utils import logging

from policies.sage_mm.lora import fuse
from policies.sage_mm.positions import mrope_positions
from policies.sage_mm.prompt import ChatTokens
from policies.sage_mm.vision import FrameEncoder

SHIPPED = Path(__file__).parents[1] / "sage_mm_tiny"
LANGUAGE_LINEARS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
MASKED = -1e9  # exp gives exactly 0, and, unlike -inf, 0 times it is 0 in the entropy

CriticKind = Literal["head", "adapter"]


@dataclass(frozen=True)
class LoraSettings:
    """Adapters on all linear layers of the language model.

    Attributes:
        r: rank.
        alpha: the adapter's output is scaled by alpha / r.
        seed: of the initial weights of adapters and value head.
    """

    r: int = 16
    alpha: int = 32
    seed: int = 0


class SageModel:
    """The network: what a sequence's hidden states, token log-probs and values are.

    Args:
        base: the checkpoint; it is frozen in place.
        tokens: its chat layout.
        lora: rank and scale of new adapters.
        critic: `head` reads values off the frozen base's hidden states with a small MLP;
            `adapter` gives the critic its own LoRA adapter and a linear head.
        adapter: folder or hub id of an actor adapter to start from, made by `save_adapter` or by
            peft; `None` starts from the base itself.
        cache_bytes: bytes of frame features to keep, see `FrameEncoder`.
        env_options: arguments of `gym.make` that the checkpoint was trained for.
    """

    def __init__(
        self,
        base: Qwen3VLForConditionalGeneration,
        tokens: ChatTokens,
        lora: LoraSettings | None = None,
        critic: CriticKind = "head",
        adapter: str | Path | None = None,
        cache_bytes: int = 2 << 30,
        env_options: Mapping[str, Any] | None = None,
    ) -> None:
        """Freeze the base, add the adapters and the head."""
        if critic not in ("head", "adapter"):
            raise ValueError(f"critic must be 'head' or 'adapter', got {critic!r}")
        lora = lora or LoraSettings()
        self.tokens, self.critic = tokens, critic
        self.env_options = dict(env_options or {})
        self.base = cast(Any, base)
        self.base.requires_grad_(False).eval()
        self.config: Any = base.config.get_text_config()
        self.encoder = FrameEncoder(self.base.model.visual, cache_bytes)
        banned = torch.from_numpy(tokens.banned(self.base.lm_head.out_features))
        self._banned = banned.to(self.device)
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
            # peft asks for an attribute that transformers has renamed
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            torch.manual_seed(lora.seed)
            config = LoraConfig(
                r=lora.r,
                lora_alpha=lora.alpha,
                target_modules=LANGUAGE_LINEARS,
                task_type="CAUSAL_LM",
            )
            if adapter is None:
                self._peft: Any = get_peft_model(self.base, config, adapter_name="actor")
            else:
                self._peft = PeftModel.from_pretrained(self.base, adapter, adapter_name="actor")
            if critic == "adapter":
                self._peft.add_adapter("critic", config)
            self.value_head = _value_head(self.config.hidden_size, critic).to(self.device)
        self._layers = [m for m in self.base.modules() if isinstance(m, BaseTunerLayer)]
        for layer in self._layers:
            fuse(layer)
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

    def _use(self, adapter: str | None) -> None:
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

    def hidden(
        self,
        ids: Tensor,
        positions: Tensor,
        frames: Sequence[bytes],
        mask: Tensor | None = None,
        cache: Any = None,
    ) -> Tensor:
        """Run the language model.

        Args:
            ids: int64 `(B, L)`. Right padding needs no mask: no token looks ahead.
            positions: int64 `(3, B, L)`.
            frames: keys of the frames whose visual tokens are in `ids`, row by row.
            mask: bool `(B, 1, L, K)`, which of the K cached tokens each token may look at; `None`
                for all before it.
            cache: keys and values to extend.

        Returns:
            hidden states `(B, L, hidden)` after the last norm.
        """
        features = self.encoder.features(frames) if frames else None
        visual = ids == self.tokens.frame_pad if frames else None
        return language_states(self.base, ids, positions, visual, features, mask, cache)

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

    def log_probs(self, hidden: Tensor, temperature: float) -> Tensor:
        """Return the log-probs float32 `(N, V)` of the token that follows each hidden state.

        Sampling and re-scoring both call this. Ids that must not be sampled are masked before the
        softmax; temperature 0 (greedy) counts as 1.
        """
        logits: Tensor = self.base.lm_head(hidden).float()
        if temperature > 0:
            logits = logits / temperature
        return logits.masked_fill(self._banned, MASKED).log_softmax(-1)

    def save_adapter(self, folder: str | Path) -> None:
        """Write the actor's adapter as a folder that plain peft loads."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = get_peft_model_state_dict(self._peft, adapter_name="actor")
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
        save_file(tensors, folder / "adapter_model.safetensors", metadata={"format": "pt"})
        self._peft.peft_config["actor"].save_pretrained(folder)


def language_states(
    base: Any,
    ids: Tensor,
    positions: Tensor,
    visual: Tensor | None,
    features: Tensor | None,
    mask: Tensor | None = None,
    cache: Any = None,
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
    )
    hidden: Tensor = output.last_hidden_state
    return hidden


def load(
    checkpoint: str | Path | None = None,
    *,
    adapter: str | Path | None = None,
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    lora: LoraSettings | None = None,
    critic: CriticKind = "head",
    cache_bytes: int = 2 << 30,
) -> SageModel:
    """Load a checkpoint (folder or hub id; `None` for the shipped tiny model) for `SageModel`.

    Raises:
        ValueError: if the checkpoint is not a Qwen3-VL model, or its tokenizer lacks the chat and
            vision tokens.
        FileNotFoundError: if the shipped model is not there.
    """
    if checkpoint is None and not SHIPPED.is_dir():
        raise FileNotFoundError(
            f"the shipped model is missing ({SHIPPED}): make it with `make tiny`, or name another "
            "checkpoint"
        )
    source = str(checkpoint or SHIPPED)
    kind = AutoConfig.from_pretrained(source).model_type
    if kind != "qwen3_vl":
        raise ValueError(f"SAGE-MM needs a checkpoint of type qwen3_vl, but {source} is {kind}")
    tokenizer: Any = AutoTokenizer.from_pretrained(source)
    settings = _settings(source)
    tokens = ChatTokens(tokenizer.backend_tokenizer, settings.get("prompt", "full"))
    with _quiet(source):
        base = Qwen3VLForConditionalGeneration.from_pretrained(
            source, dtype=dtype, attn_implementation="sdpa"
        )
    base.to(device)  # type: ignore[arg-type]
    return SageModel(base, tokens, lora, critic, adapter, cache_bytes, settings.get("env"))


@contextmanager
def _quiet(source: str) -> Iterator[None]:
    """Leave out the progress bar of a local folder: it would tear through bars of our own."""
    if not Path(source).is_dir() or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _settings(source: str) -> dict[str, Any]:
    """Read `sage_mm.json`: which prompt and which environment the checkpoint was trained with."""
    path = Path(source) / "sage_mm.json"
    settings: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    env = settings.get("env", {})
    settings["env"] = {k: tuple(v) if isinstance(v, list) else v for k, v in env.items()}
    return settings


def _value_head(hidden: int, critic: CriticKind) -> nn.Module:
    """Make a head that starts at zero, so that a new critic predicts 0 everywhere."""
    last = nn.Linear(hidden, 1)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    if critic == "adapter":
        return last
    return nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), last)
