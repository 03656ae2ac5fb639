"""Loading a Qwen3-VL checkpoint (arXiv 2511.21631): its kind, device, dtype, tokens and prompt.

Qwen2.5-VL (arXiv 2502.13923) loads as well. It reads each frame as a picture after its time, as
Qwen3-VL does, and not as part of a video: its own absolute times are not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    BitsAndBytesConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen3VLForConditionalGeneration,
    Qwen3VLMoeForConditionalGeneration,
)
from transformers.utils import logging

from policies.errors import ModelError
from policies.sage_mm.model.checkpoint_source import reading, require_source
from policies.sage_mm.tokens.chat_template import template_prefill
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.saved_env_options import saved_env_options
from sage_env.errors import MissingExtra

SHIPPED = Path(__file__).parents[2] / "sage_mm_tiny"
"""The tiny model that comes with the project."""
ARCHITECTURES: dict[str, Any] = {
    "qwen3_vl": Qwen3VLForConditionalGeneration,
    "qwen3_vl_moe": Qwen3VLMoeForConditionalGeneration,
    "qwen2_5_vl": Qwen2_5_VLForConditionalGeneration,
}
"""The classes of transformers by `model_type` in a checkpoint's `config.json`."""
AUTO = "auto"
KIND = "a Qwen3-VL checkpoint"


class Opened(NamedTuple):
    """A checkpoint in parts.

    Attributes:
        base: the network.
        tokens: its chat layout.
        env_options: arguments of `gym.make` that it was trained for.
        cut_bars: whether it was trained on frames without black bars.
    """

    base: Any
    tokens: ChatTokens
    env_options: dict[str, Any]
    cut_bars: bool


def open_checkpoint(
    checkpoint: str | Path | None,
    *,
    dtype: str | torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    four_bit: bool = False,
) -> Opened:
    """Read a checkpoint; see `sage_model.load` for the errors.

    Args:
        checkpoint: folder or hub id; `None` for the shipped tiny model.
        dtype: of the weights, see `find_dtype`.
        device: see `find_device`.
        four_bit: whether linear layers of the language model are held in 4 bits.
    """
    source = str(checkpoint or SHIPPED)
    place = find_device(device)
    if four_bit:
        require_four_bit()
    config, settings = read_configuration(checkpoint)
    tokens = read_tokens(source, config, settings.get("prompt", "full"))
    kind = find_dtype(dtype, config, place)
    options: dict[str, Any] = {"dtype": kind, "attn_implementation": "sdpa"}
    options |= _completed(config, source)
    options["trust_remote_code"] = False  # a checkpoint is weights: none of its code runs
    if four_bit:
        options["quantization_config"] = four_bit_settings(kind)
    if four_bit or place.type != "cpu":
        options["device_map"] = {"": place}  # layer by layer: never all of it in the CPU's memory
    with quiet_loading(source), reading(source, KIND):
        base = ARCHITECTURES[config.model_type].from_pretrained(source, **options)
    return Opened(base, tokens, settings.get("env", {}), settings.get("cut_bars", True))


def read_configuration(checkpoint: str | Path | None) -> tuple[Any, dict[str, Any]]:
    """Return what a checkpoint says of itself, without its weights.

    Args:
        checkpoint: folder or hub id; `None` for the shipped tiny model.

    Returns:
        its configuration, as transformers has it, and what `sage_mm.json` holds.

    Raises:
        ModelError: if it is not a checkpoint that SAGE-MM can use.
        FileNotFoundError: if the shipped model is not there.
    """
    if checkpoint is None and not SHIPPED.is_dir():
        raise FileNotFoundError(
            f"the shipped model is missing ({SHIPPED}): make it with `make tiny`, or name another "
            "checkpoint"
        )
    source = str(checkpoint or SHIPPED)
    require_source(source, KIND)
    with reading(source, KIND):
        config = AutoConfig.from_pretrained(source, trust_remote_code=False)
        settings = _settings(source)
    if config.model_type not in ARCHITECTURES:
        raise ModelError(
            f"SAGE-MM needs a checkpoint of type {' or '.join(ARCHITECTURES)}, but {source} is of "
            f"type {config.model_type}: name a Qwen3-VL checkpoint; as hf:{source} other families "
            "play, but are not trained"
        )
    return config, settings


def _completed(config: Any, source: str) -> dict[str, Any]:
    """Return a configuration that says the width of a head, if it did not: `{"config": config}`.

    Qwen2.5-VL leaves it to its layers, and a KV cache is made from the configuration.

    Raises:
        ModelError: if layers attend within windows, which packed episodes do not have.
    """
    text = config.get_text_config()
    if "sliding_attention" in (getattr(text, "layer_types", None) or ()):
        raise ModelError(
            f"{source} has layers of sliding-window attention, and SAGE-MM reads whole contexts "
            "only: name a checkpoint without use_sliding_window"
        )
    if getattr(text, "head_dim", None) is not None:
        return {}
    text.head_dim = text.hidden_size // text.num_attention_heads
    return {"config": config}


def read_tokens(source: str, config: Any, style: Any) -> ChatTokens:
    """Read a checkpoint's tokenizer, and compare it with its configuration and chat template.

    Args:
        source: folder or hub id.
        config: the checkpoint's.
        style: which prompt it was trained with, a `policies.prompt.Style`.

    Raises:
        ModelError: if it lacks the chat or vision tokens, if the configuration means other ids by
            them, or if the chat template writes a conversation differently than we do.
    """
    with reading(source, KIND):
        tokenizer: Any = AutoTokenizer.from_pretrained(source, trust_remote_code=False)
    tokens = ChatTokens(tokenizer.backend_tokenizer, style)
    named = {
        "video_token_id": tokens.frame_pad,
        "vision_start_token_id": tokens.vision_start,
        "vision_end_token_id": tokens.vision_end,
    }
    for name, index in named.items():
        if getattr(config, name, index) != index:
            raise ModelError(
                f"{source} says {name} = {getattr(config, name)}, but in its tokenizer that token "
                f"is {index}: use the tokenizer and the configuration of one checkpoint"
            )
    if tokenizer.chat_template is None:
        return tokens  # a base that was never taught to chat: nothing to compare with
    return tokens.with_prefill(template_prefill(tokenizer, tokens, source))


def find_device(device: str | torch.device) -> torch.device:
    """Return a device that exists here.

    Args:
        device: by itself or by name; `auto` is the GPU if there is one, else the CPU.

    Raises:
        ModelError: if there is no such device.
    """
    if device == AUTO:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        place = torch.device(device)
    except RuntimeError:
        raise ModelError(
            f"expected a device such as 'cpu', 'cuda' or 'cuda:1', got {device!r}"
        ) from None
    if place.type == "cuda" and (place.index or 0) >= torch.cuda.device_count():
        raise ModelError(
            f"the device {place} was asked for, but torch sees {torch.cuda.device_count()} CUDA "
            "devices: use device='cpu', or a build of torch for your GPU"
        )
    return place


def find_dtype(dtype: str | torch.dtype, config: Any, place: torch.device) -> torch.dtype:
    """Return the floating-point type of the weights.

    Args:
        dtype: by itself or by name; `auto` is the checkpoint's own, but float32 on a CPU, where
            half precision is slow.
        config: the checkpoint's.
        place: where the weights go.

    Raises:
        ModelError: if weights cannot have it: not floating-point, or of less than 16 bits.
    """
    if dtype == AUTO:
        own = config.dtype or getattr(config.get_text_config(), "dtype", None)
        dtype = torch.float32 if place.type == "cpu" or own is None else own
    found = getattr(torch, dtype, None) if isinstance(dtype, str) else dtype
    if not isinstance(found, torch.dtype) or not found.is_floating_point or found.itemsize < 2:
        raise ModelError(
            f"expected a dtype such as 'float32', 'bfloat16' or 'auto', got {dtype!r}; "
            "for a 4-bit base give four_bit=True"
        )
    return found


def require_four_bit() -> None:
    """Refuse 4-bit weights where the package for them is missing.

    Raises:
        MissingExtra: if it is not installed.
    """
    if find_spec("bitsandbytes") is None:
        raise MissingExtra(
            "a 4-bit base needs the package 'bitsandbytes': pip install 'sage-video-qa[quant]'"
        )


def four_bit_settings(
    dtype: torch.dtype, kept: Sequence[str] = ("model.visual", "lm_head")
) -> BitsAndBytesConfig:
    """Return NF4 with double quantisation (QLoRA, arXiv 2305.14314) for the language model.

    The vision tower stays as it is: it is small, and the keys of cached features stand for its
    exact weights. The output layer stays as well: its dtype is that of log-probs.

    Args:
        dtype: in which the 4-bit layers compute.
        kept: names of modules that stay as they are.
    """
    return BitsAndBytesConfig(  # type: ignore[no-untyped-call]
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(kept),
    )


@contextmanager
def quiet_loading(source: str) -> Iterator[None]:
    """Hide transformers' progress bar for a local folder: it would break bars of our own."""
    if not Path(source).is_dir() or not logging.is_progress_bar_enabled():
        yield
        return
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _settings(source: str) -> dict[str, Any]:
    """Read `sage_mm.json`: prompt, environment and frames that the checkpoint was trained with.

    Raises:
        ModelError: if it holds something else.
    """
    path = Path(source) / "sage_mm.json"
    if not path.is_file():
        return {"env": {}}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        prompt, cut_bars = settings.get("prompt", "full"), settings.get("cut_bars", True)
        if not isinstance(cut_bars, bool):
            raise ValueError(f"cut_bars must be true or false, got {cut_bars!r:.60}")
        env = saved_env_options(settings.get("env", {}), path)
        return {"prompt": prompt, "env": env, "cut_bars": cut_bars}
    except AttributeError:
        raise ModelError(f"{path}: expected an object with prompt, env and cut_bars") from None
    except (ValueError, OSError) as error:
        raise ModelError(f"{path} cannot be used: {error}") from error
