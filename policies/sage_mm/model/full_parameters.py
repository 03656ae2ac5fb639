"""Training all weights of the language model instead of LoRA, where memory allows.

What is trained, and what is not:

* the actor is the language model: embeddings, layers, norms and output layer, in float32. In 16
  bits a step at usual rates is below half a unit in the last place of most weights, and is lost;
* the vision tower is frozen, so that every frame is still encoded once;
* the critic is a head over the actor's hidden states, detached: its gradient ends at the head.
  A frozen base that it could read does not exist any more, and a copy would cost as much as the
  model. The states are those before an update, so that the head follows an actor that moves;
* the reference of a KL is a frozen copy, made only where `freeze_reference` is called.

Adam holds two numbers per weight and there is one gradient: 16 bytes per parameter of the language
model, 20 with a reference, before any activation. 4 billion parameters take 64 GB, or 80 GB.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AutoTokenizer

from policies.errors import ModelError
from policies.sage_mm.model.activation_checkpointing import Adapter, checkpoint_layers
from policies.sage_mm.model.checkpoint_source import reading
from policies.sage_mm.model.pretrained import KIND, SHIPPED, open_checkpoint
from policies.sage_mm.model.reference_adapter import PREFIX
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.model.value_head import new_value_head
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.feature_cache import CacheSizes
from sage_env.storage.atomic_file import atomic_files

_PROCESSORS = "*preprocessor_config.json"


class FullParameterModel(SageModel):
    """A checkpoint whose language model is the actor itself.

    Args:
        base: the checkpoint in float32; its language model is trained in place.
        tokens: its chat layout.
        tokenizer: of transformers, saved with a checkpoint.
        processors: by name, the texts of files that are saved with it unchanged.
        seed: of the head's initial weights.
        cache: how many bytes of frame features to keep where.
        env_options: arguments of `gym.make` that the checkpoint was trained for.
        checkpointing: whether the backward pass recomputes layers.

    Raises:
        ModelError: if the weights are not float32.
    """

    critic_reads: Adapter = "actor"

    def __init__(
        self,
        base: nn.Module,
        tokens: ChatTokens,
        tokenizer: Any,
        *,
        processors: Mapping[str, str] | None = None,
        seed: int = 0,
        cache: CacheSizes | None = None,
        env_options: Mapping[str, Any] | None = None,
        checkpointing: bool = False,
    ) -> None:
        """Freeze the vision tower, add the head."""
        self._take(base, tokens, "head", cache, env_options)
        if self.dtype != torch.float32:
            raise ModelError(
                f"training all weights needs them in float32, got {self.dtype}: steps are lost in "
                'the rounding of 16 bits; load the checkpoint with dtype="float32"'
            )
        self._tokenizer, self._processors = tokenizer, dict(processors or {})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            head = new_value_head(self.config.hidden_size, "head")
        self.value_head = head.to(self.device)
        named = sorted(self.base.named_parameters())
        self._actor = {n: p for n, p in named if "visual" not in n.split(".")}
        for parameter in self._actor.values():
            parameter.requires_grad_(True)
        if checkpointing:
            checkpoint_layers(self.base.model.language_model.layers, self)
        self._reference: Any = FrozenCopy(self._actor)
        self.adapter: Adapter = "actor"

    def _use(self, adapter: Adapter) -> None:
        """Put the actor's weights, or the reference's, into the network.

        Raises:
            ValueError: if the reference is asked for, and there is none.
        """
        if adapter != "actor" and not self._reference.present:
            raise ValueError(
                "there is no reference: call freeze_reference before training, because the base "
                "that training began from is not kept"
            )
        if (adapter == "actor") != (self.adapter == "actor"):
            self._reference.swap()
        self.adapter = adapter

    def named_parameters(self) -> dict[str, nn.Parameter]:
        """Return every trained tensor by name: the language model, then the value head."""
        heads = {f"critic.head.{name}": p for name, p in self.value_head.named_parameters()}
        return {f"actor.{name}": p for name, p in self._actor.items()} | heads

    def weights_in_use(self) -> list[Tensor]:
        """Return all weights of the language model, in the order of `actor_parameters`."""
        return list(self._actor.values())

    def save_adapter(self, folder: str | Path) -> None:
        """Refuse: there is no adapter.

        Raises:
            ModelError: always.
        """
        raise ModelError(
            f"{folder} is to be an adapter, but all weights were trained: use save_checkpoint"
        )

    def save_checkpoint(self, folder: str | Path) -> None:
        """Write a whole checkpoint, which `SageMM.load` and transformers read; without the head.

        Args:
            folder: made if it is missing.
        """
        settings: dict[str, Any] = {"prompt": self.tokens.style, "env": self.env_options}
        settings["cut_bars"] = self.encoder.cut_bars
        with atomic_files(folder) as partial:
            self.base.save_pretrained(partial)
            self._tokenizer.save_pretrained(partial)
            for name, text in self._processors.items():
                (partial / name).write_text(text, encoding="utf-8")
            (partial / "sage_mm.json").write_text(json.dumps(settings, indent=1) + "\n")


class FrozenCopy:
    """A copy of some parameters as they were at a moment; none before `freeze`.

    Args:
        parameters: by name; the names of the copy's in a state begin with `reference.`.
    """

    def __init__(self, parameters: Mapping[str, nn.Parameter]) -> None:
        """Copy nothing yet."""
        self._parameters = parameters
        self._copies: dict[str, Tensor] = {}

    @property
    def present(self) -> bool:
        """Return whether there is one."""
        return bool(self._copies)

    def freeze(self) -> None:
        """Copy the parameters as they are now."""
        self._copies = {name: p.detach().clone() for name, p in self._parameters.items()}

    def swap(self) -> None:
        """Exchange the contents of parameters and copies; twice is as before, pointers included."""
        for name, parameter in self._parameters.items():
            parameter.data, self._copies[name] = self._copies[name], parameter.data

    def state(self) -> dict[str, Tensor]:
        """Return its tensors, in the parameters' shapes and types, by their names in a state."""
        return {f"{PREFIX}{name}": tensor for name, tensor in self._copies.items()}

    def load(self, state: Mapping[str, Tensor]) -> None:
        """Make it what a state holds: these tensors, or none.

        Raises:
            ValueError: if they are not of the parameters' names and shapes.
        """
        given = {n.removeprefix(PREFIX): x for n, x in state.items() if n.startswith(PREFIX)}
        shapes = {n: tuple(p.shape) for n, p in self._parameters.items()}
        if given and {n: tuple(x.shape) for n, x in given.items()} != shapes:
            raise ValueError(
                "the reference of the state is of another model: load it into a policy with the "
                "same checkpoint"
            )
        like = self._parameters
        self._copies = {n: x.to(like[n].device, like[n].dtype, copy=True) for n, x in given.items()}


def trains_all(train: str) -> bool:
    """Return whether all weights are to be trained, and not an adapter.

    Raises:
        ValueError: if it is neither `full` nor `lora`.
    """
    if train not in ("lora", "full"):
        raise ValueError(f"train must be 'lora' or 'full', got {train!r}")
    return train == "full"


def take_settings(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the settings of `load_full` out of others, and refuse those that only LoRA has.

    Raises:
        ValueError: names the setting that asks for an adapter or a frozen base.
    """
    without = {"adapter": None, "lora": None, "four_bit": False, "critic": "head"}
    for name, value in without.items():
        if (given := settings.pop(name, value)) != value:
            raise ValueError(
                f'train="full" has no adapter and no frozen base: leave {name} out, got {given!r}'
            )
    own = ("dtype", "device", "seed", "cache", "checkpointing")
    return {name: settings.pop(name) for name in own if name in settings}


def load_full(
    checkpoint: str | Path | None = None,
    *,
    dtype: str | torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    seed: int = 0,
    cache: CacheSizes | None = None,
    checkpointing: bool = False,
) -> FullParameterModel:
    """Load a checkpoint to train all its language model's weights.

    Args:
        checkpoint: folder or hub id of a Qwen3-VL checkpoint; `None` for the shipped tiny model.
        dtype: of the weights; only float32 is trained.
        device: where the model goes, by itself or by name.
        seed: of the value head's initial weights.
        cache: how many bytes of frame features to keep where.
        checkpointing: whether the backward pass recomputes layers.

    Raises:
        ModelError: as of `policies.sage_mm.model.sage_model.load`; and unless dtype is float32.
    """
    base, tokens, env, cuts = open_checkpoint(checkpoint, dtype=dtype, device=device)
    source = str(checkpoint or SHIPPED)
    with reading(source, KIND):
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
        files = sorted(Path(source).glob(_PROCESSORS)) if Path(source).is_dir() else []
        processors = {path.name: path.read_text(encoding="utf-8") for path in files}
    model = FullParameterModel(
        base,
        tokens,
        tokenizer,
        processors=processors,
        seed=seed,
        cache=cache,
        env_options=env,
        checkpointing=checkpointing,
    )
    model.encoder.cut_bars = cuts
    return model
