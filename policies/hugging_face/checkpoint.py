"""Loading a checkpoint of Hugging Face with its own processor; none of its own code is run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    GenerationConfig,
)
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING

from policies.errors import ModelError
from policies.hugging_face.chat_layout import find_layout
from policies.hugging_face.chat_model import ChatModel, render
from policies.sage_mm.model.checkpoint_source import reading, require_source
from policies.sage_mm.model.pretrained import (
    find_device,
    find_dtype,
    four_bit_settings,
    quiet_loading,
    require_four_bit,
)
from sage_env.errors import MissingExtra

KIND = "a Hugging Face image-text-to-text model"
WHOLE_FRAMES: Mapping[str, bool] = {
    "do_image_splitting": False,  # Idefics, SmolVLM
    "crop_to_patches": False,  # InternVL
    "do_pan_and_scan": False,  # Gemma 3
}
"""Settings of image processors that cut a picture into tiles, each of which costs as many tokens as
the picture: a frame holds no more than its own pixels, and is shown whole."""
_NOT_QUANTISED = (
    "lm_head",
    "visual",
    "vision_tower",
    "vision_model",
    "multi_modal_projector",
    "connector",
)
"""Parts that stay as they are beside 4-bit layers, by the names that families give them."""


def open_chat_model(
    source: str,
    *,
    device: str | torch.device,
    dtype: str | torch.dtype,
    four_bit: bool,
    revision: str | None,
    images: Mapping[str, Any],
    template: Mapping[str, Any],
) -> ChatModel:
    """Load a checkpoint.

    Args:
        source: folder or hub id.
        device: see `policies.sage_mm.model.pretrained.find_device`.
        dtype: see `policies.sage_mm.model.pretrained.find_dtype`.
        four_bit: whether linear layers of the language model are held in 4 bits.
        revision: branch, tag or commit of the hub; `None` for `main`.
        images: settings of the image processor, over `WHOLE_FRAMES` and its own.
        template: variables of the chat template.

    Raises:
        ModelError: if there is no such checkpoint, or it is none that chats about pictures.
        MissingExtra: if a package is missing that it needs.
    """
    place = find_device(device)
    if four_bit:
        require_four_bit()
    require_source(source, KIND)
    where: dict[str, Any] = {"revision": revision or "main", "trust_remote_code": False}
    config, processor = _read_config(source, where), _read_processor(source, where)
    layout = find_layout(
        lambda messages, reply: render(processor, messages, reply, template),
        _controls(processor),
        source,
    )
    options: dict[str, Any] = {"dtype": find_dtype(dtype, config, place), **where}
    if four_bit:
        options["quantization_config"] = four_bit_settings(options["dtype"], _NOT_QUANTISED)
    if four_bit or place.type != "cpu":
        options["device_map"] = {"": place}  # layer by layer: never all of it in the CPU's memory
    with quiet_loading(source), _told(source):
        network: Any = AutoModelForImageTextToText.from_pretrained(source, **options)
    network.eval()
    stops = _set_generation(network, processor.tokenizer)
    pictures = processor.image_processor
    whole = {name: value for name, value in WHOLE_FRAMES.items() if hasattr(pictures, name)}
    return ChatModel(network, processor, layout, stops, whole | dict(images), dict(template))


@contextmanager
def _told(source: str) -> Iterator[None]:
    """Turn what the libraries raise into one sentence that says what to do."""
    try:
        with reading(source, KIND):
            yield
    except ImportError as error:
        said = " ".join(str(error).split())
        if "torchvision" in said.lower():  # no extra of ours: its build must be that of torch
            said = "the package 'torchvision', in the build that belongs to your torch: install it"
        raise MissingExtra(f"{source} needs a package that is not here: {said[:300]}") from error
    except ModelError as error:
        if "trust_remote_code" not in str(error.__cause__):
            raise
        raise ModelError(
            f"{source} needs code of its own, and a checkpoint is weights here: none of its code "
            "is run; name a checkpoint whose architecture is part of transformers"
        ) from error


def _read_config(source: str, where: Mapping[str, Any]) -> Any:
    """Read what kind of model it is, and refuse those that do not chat about pictures."""
    with _told(source):
        config = AutoConfig.from_pretrained(source, **where)
    chats = type(config) in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING
    if not chats or getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{source} is of type {config.model_type}, and transformers has no chat model of that "
            "type that takes pictures and text: name one such as Qwen2.5-VL, Gemma 3 or LLaVA"
        )
    return config


def _read_processor(source: str, where: Mapping[str, Any]) -> Any:
    """Read the processor, which pads on the left from now on."""
    with _told(source):
        processor: Any = AutoProcessor.from_pretrained(source, **where)  # type: ignore[no-untyped-call]
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(
            f"{source} has no processor for pictures and text: use a folder that was saved with "
            "its processor"
        )
    if not (getattr(processor, "chat_template", None) or tokenizer.chat_template):
        raise ModelError(
            f"{source} has no chat template, so it was not taught to chat: name the checkpoint "
            "that was, often called Instruct, or save a template with the processor"
        )
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return processor


def _controls(processor: Any) -> set[str]:
    """Return every text that the tokenizer or the processor takes for more than text."""
    tokenizer = processor.tokenizer
    added = tokenizer.added_tokens_decoder.values()
    found = {str(token) for token in added if token.special} | set(tokenizer.all_special_tokens)
    named = (
        getattr(processor, f"{kind}_token", None) for kind in ("image", "video", "audio", "boi")
    )
    return found | {name for name in named if isinstance(name, str)}


def _set_generation(network: Any, tokenizer: Any) -> tuple[int, ...]:
    """Leave the stop tokens of a checkpoint's generation settings, and return them.

    The rest would make replies depend on the batch (a repetition penalty counts padding, too), or
    on a generator that episodes share.
    """
    own = network.generation_config
    named = own.eos_token_id if isinstance(own.eos_token_id, list) else [own.eos_token_id]
    stops = tuple(sorted({one for one in (*named, tokenizer.eos_token_id) if one is not None}))
    network.generation_config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False,
        bos_token_id=own.bos_token_id,
        eos_token_id=list(stops),
        pad_token_id=tokenizer.pad_token_id,
    )
    return stops
