"""LoRA adapters (arXiv 2106.09685): made from settings or a peft configuration, read, saved.

The file format is peft's (`adapter_config.json`, `adapter_model.safetensors`): peft and vLLM load
what is saved here.
"""

from __future__ import annotations

import copy
import hashlib
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import (
    LoraConfig,
    PeftConfig,
    get_peft_model,
    get_peft_model_state_dict,
    set_peft_model_state_dict,
)
from peft.tuners.tuners_utils import BaseTunerLayer
from peft.utils.save_and_load import load_peft_weights
from safetensors import safe_open
from safetensors.torch import save_file

from policies.errors import ModelError
from policies.sage_mm.model.checkpoint_source import reading, require_source
from sage_env.storage.atomic_file import atomic_files
from sage_env.storage.digests import DIGESTS, damage, write_digests

LANGUAGE_LINEARS = r".*language_model.*\.(q_proj|k_proj|v_proj|o_proj|gate_proj|up_proj|down_proj)"
"""What new adapters change: every linear layer of the language model. In a mixture of experts these
are the attention's (and those of dense layers): the experts are not linear layers there."""
KIND = "a peft adapter"
WEIGHTS, SETTINGS = "adapter_model.safetensors", "adapter_config.json"
_SAMPLE = 64  # rows of the embedding in a fingerprint: 151,936 rows of 8B would be 1.2 GB to hash


@dataclass(frozen=True)
class LoraSettings:
    """Adapters on all linear layers of the language model.

    Attributes:
        r: rank.
        alpha: the adapter's output is scaled by alpha / r (section 4.1 of the paper).
        seed: of the initial weights of adapters and value head.
    """

    r: int = 16
    alpha: int = 32
    seed: int = 0


def lora_config(lora: LoraSettings | LoraConfig) -> LoraConfig:
    """Return peft's configuration of new adapters.

    Raises:
        ModelError: if a given configuration asks for what is not LoRA alone.
    """
    if isinstance(lora, LoraSettings):
        return LoraConfig(
            r=lora.r,
            lora_alpha=lora.alpha,
            target_modules=LANGUAGE_LINEARS,
            task_type="CAUSAL_LM",
        )
    return _require_plain(copy.deepcopy(lora), "the given LoraConfig")


def new_adapter(base: Any, config: LoraConfig, name: str) -> Any:
    """Put a new adapter into a base, and return peft's model around it.

    Args:
        base: the checkpoint; its linear layers are replaced in place.
        config: of the adapter; it is copied.
        name: under which peft knows the adapter.

    Raises:
        ModelError: if the configuration does not suit the base, or reaches beyond its language
            model.
    """
    width = base.config.get_text_config().hidden_size
    if config.r > width:  # before memory is asked for; such matrices are not of low rank
        raise ModelError(
            f"the rank of an adapter must be at most {width}, the width of this checkpoint, got "
            f"{config.r}"
        )
    try:
        with warnings.catch_warnings():
            # peft asks for an attribute that transformers has renamed
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing`", FutureWarning)
            model = get_peft_model(base, copy.deepcopy(config), adapter_name=name)
    except ValueError as error:
        raise ModelError(f"the LoRA configuration does not suit the checkpoint: {error}") from error
    beyond = [n for n, m in base.named_modules() if isinstance(m, BaseTunerLayer) and _vision(n)]
    if beyond:
        raise ModelError(
            f"the LoRA configuration adapts {beyond[0]}, but the vision tower is frozen so that "
            "every frame is encoded once: restrict target_modules to the language model"
        )
    return model


def read_adapter(base: Any, adapter: str | Path, name: str) -> Any:
    """Put the adapter of a folder or hub id into a base, and return peft's model around it.

    Args:
        base: the checkpoint; its linear layers are replaced in place.
        adapter: folder or hub id.
        name: under which peft knows the adapter.

    Raises:
        ModelError: if it is not LoRA, or was trained on another base. That is seen by the shapes of
            its weights and, if `save_adapter` wrote it, by the fingerprint of its base.
    """
    source = str(adapter)
    require_source(source, KIND)
    with reading(source, KIND):
        problem = damage(Path(source), (WEIGHTS, SETTINGS))
    if problem:
        raise ModelError(
            f"the adapter {source} is damaged ({problem}): save it anew, or delete {DIGESTS} if "
            "the change was meant"
        )
    with reading(source, KIND):
        config = PeftConfig.from_pretrained(source)
        weights = load_peft_weights(source, device="cpu")
    if not isinstance(config, LoraConfig):
        raise ModelError(f"expected a LoRA adapter, but {source} is of type {config.peft_type}")
    _require_base(base, source)
    model = new_adapter(base, _require_plain(config, source), name)
    expected = _shapes(get_peft_model_state_dict(model, adapter_name=name).items())
    given = _shapes(weights.items())
    if given != expected:
        odd = sorted(key for key, _ in given.items() ^ expected.items())
        raise ModelError(
            f"the adapter {source} is for another base: {odd[0]} is {given.get(odd[0], 'absent')} "
            f"there and {expected.get(odd[0], 'absent')} here, and {len(set(odd)) - 1} more "
            "weights differ; load the checkpoint that it was trained on"
        )
    set_peft_model_state_dict(model, weights, adapter_name=name)
    return model


def save_adapter(model: Any, folder: str | Path, name: str) -> None:
    """Write an adapter as a folder that plain peft loads, with a fingerprint of its base.

    Beside it are the digests of its files, so that `read_adapter` sees a bit that flips in them.

    Args:
        model: peft's, from `new_adapter` or `read_adapter`.
        folder: made if it is missing.
        name: of the adapter.
    """
    state = get_peft_model_state_dict(model, adapter_name=name)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in state.items()}
    metadata = {"format": "pt", "base": fingerprint(model.get_base_model())}
    with atomic_files(folder, seal=DIGESTS) as partial:
        save_file(tensors, partial / WEIGHTS, metadata=metadata)
        model.peft_config[name].save_pretrained(partial)
        write_digests(partial, (WEIGHTS, SETTINGS))


def fingerprint(base: Any) -> str:
    """Return 32 hexadecimal digits that tell one base's weights from another's.

    They stand for the norms and for some embeddings, rounded to bfloat16. These stay as they are in
    a 4-bit base, so that a base has one fingerprint in whatever type it is loaded (but float16,
    which rounds differently), and reading all weights of a large model would take long.
    """
    digest = hashlib.blake2b(digest_size=16)
    language = base.model.language_model
    named = {n: p for n, p in language.named_parameters() if "norm" in n and "lora_" not in n}
    named["embed_tokens"] = language.embed_tokens.weight[:: _step(language.embed_tokens.weight)]
    for key, tensor in sorted(named.items()):
        values = tensor.detach().to("cpu", torch.bfloat16).contiguous()
        digest.update(key.encode())
        digest.update(values.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _step(embedding: torch.Tensor) -> int:
    return max(1, len(embedding) // _SAMPLE)


def _require_base(base: Any, source: str) -> None:
    """Compare fingerprints where the adapter has one; a float16 base has rounded its weights."""
    path = Path(source) / WEIGHTS
    if not path.is_file() or base.model.language_model.embed_tokens.weight.dtype == torch.float16:
        return
    with safe_open(path, "pt") as file:
        trained_on = (file.metadata() or {}).get("base")
    if trained_on is not None and trained_on != fingerprint(base):
        raise ModelError(
            f"the adapter {source} was trained on a base with other weights: load the checkpoint "
            "that it was trained on"
        )


def _require_plain(config: LoraConfig, source: str) -> LoraConfig:
    """Refuse an adapter that trains more than low-rank matrices: only these are saved."""
    if config.modules_to_save or config.bias != "none" or config.use_dora:
        raise ModelError(
            f"{source} asks for modules_to_save, bias or DoRA beside plain LoRA: leave them out"
        )
    config.inference_mode = False
    config.base_model_name_or_path = None  # where it was made; peft writes that of the base
    return config


def _shapes(tensors: Iterable[tuple[str, torch.Tensor]]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in tensors}


def _vision(name: str) -> bool:
    return "visual" in name.split(".")
