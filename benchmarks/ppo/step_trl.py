"""TRL's `GRPOTrainer` on recorded episodes: its loss, backward pass and optimiser step.

Where TRL would play, it gets recorded episodes as the tensors that it would have made of them: the
first prompt, everything after it with a mask of sampled tokens, pixel values of every frame,
advantages. The rest is its own code. Choices in its favour: gradient checkpointing is off, pixels
are already cut into patches, and the old policy's log-probs can be given to it. TRL computes those
in a pass of its own if a batch has several optimiser steps.
"""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from algos.ppo.config import PPOConfig
from benchmarks.ppo.step_episodes import Recorded
from benchmarks.timing import Seconds, clocks
from policies.sage_mm.model.sage_model import LANGUAGE_LINEARS, SHIPPED, LoraSettings
from policies.sage_mm.vision.frame_encoder import patchify

NAME = "TRL GRPOTrainer"
BATCHES = 2  # one warm-up batch, and the one that is measured


@dataclass(frozen=True, eq=False)
class Learned:
    """Cost of an update, and the first gradient of the adapter (clipped) by weight."""

    cost: Seconds
    gradient: dict[str, Tensor]


def absent() -> str | None:
    """Return why TRL cannot be measured; `None` if it can."""
    missing = [name for name in ("trl", "datasets", "accelerate") if find_spec(name) is None]
    return f"{', '.join(missing)} not installed" if missing else None


def about() -> str:
    """Return the versions of TRL and of what it uses."""
    return f"trl {version('trl')}, transformers {version('transformers')}, peft {version('peft')}"


def inputs(recorded: Recorded, advantages: Tensor) -> dict[str, Any]:
    """Return the tensors that TRL makes of played episodes.

    Args:
        recorded: B episodes.
        advantages: float32 `(B,)`.

    Returns:
        By TRL's names: prompts `(B, P)` padded on the left, completions with masks and old
        log-probs `(B, C)` padded on the right, and the patches of all frames.
    """
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(SHIPPED)
    batch = recorded.batch
    # To TRL every frame is an image; the tower sees the same patches, and M-RoPE the same grids.
    ids = torch.where(batch.ids == config.video_token_id, config.image_token_id, batch.ids)
    first = [int(row.nonzero()[0]) for row in batch.sampled]
    ends = batch.attention.sum(1).tolist()
    prompts = [ids[i, :begin] for i, begin in enumerate(first)]
    rows = list(zip(first, ends, strict=True))
    completions = [ids[i, begin:end] for i, (begin, end) in enumerate(rows)]
    sampled = [batch.sampled[i, begin:end].long() for i, (begin, end) in enumerate(rows)]
    logprobs = [batch.old_logprobs[i, begin:end] for i, (begin, end) in enumerate(rows)]
    prompt_ids = _pad(prompts, left=True)
    completion_ids = _pad(completions)
    vision = config.vision_config
    frames = torch.from_numpy(np.stack([recorded.pixels[k] for row in batch.frames for k in row]))
    grid = [1, *(side // vision.patch_size for side in frames.shape[1:3])]
    images = torch.cat([prompt_ids, completion_ids], 1) == config.image_token_id
    return {
        "prompt_ids": prompt_ids,
        "prompt_mask": _pad([torch.ones_like(x) for x in prompts], left=True),
        "completion_ids": completion_ids,
        "completion_mask": _pad([torch.ones_like(x) for x in completions]),
        "tool_mask": _pad(sampled),
        "advantages": advantages,
        "old_per_token_logps": _pad(logprobs),
        "num_items_in_batch": batch.sampled.sum(),
        "pixel_values": patchify(frames, vision.patch_size, vision.spatial_merge_size),
        "image_grid_thw": torch.tensor([grid] * len(frames)),
        "num_images": [len(row) for row in batch.frames],
        "mm_token_type_ids": images.long(),
    }


def _pad(rows: list[Tensor], left: bool = False) -> Tensor:
    side = "left" if left else "right"
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_side=side)


def _rescored(trainer: Any, given: Mapping[str, Any], micro_batch: int) -> dict[str, Any]:
    """Compute the old policy's log-probs with TRL's own function, as TRL does before it learns."""
    names = ("pixel_values", "image_grid_thw", "num_images", "mm_token_type_ids")
    with torch.no_grad():
        logps, _, _ = trainer._get_per_token_logps_and_entropies(
            trainer.model,
            torch.cat([given["prompt_ids"], given["completion_ids"]], 1),
            torch.cat([given["prompt_mask"], given["completion_mask"]], 1),
            given["completion_ids"].shape[1],
            micro_batch,
            **{name: given[name] for name in names},
        )
    return {**given, "old_per_token_logps": logps}


def update(
    given: Mapping[str, Any],
    lora: LoraSettings,
    start: Mapping[str, Tensor],
    config: PPOConfig,
    *,
    rescore: bool,
) -> Learned:
    """Let TRL learn from a batch once after a warm-up batch, with a model of its own.

    Args:
        given: tensors that `inputs` returned.
        lora: of the adapter.
        start: weights of the adapter, by their names in `SageMM.state`.
        config: micro-batch, minibatches, clipping and learning rate hold for TRL too.
        rescore: let it compute the old policy's log-probs, as it does by default.
    """
    from transformers import Qwen3VLForConditionalGeneration, TrainerCallback
    from trl import GRPOTrainer

    class Given(GRPOTrainer):  # type: ignore[misc]  # TRL is optional: its class is Any here
        def _generate_and_score_completions(self, _: Any) -> dict[str, Any]:
            return _rescored(self, given, config.micro_batch) if rescore else dict(given)

    gradient: dict[str, Tensor] = {}
    readings: list[Seconds] = []

    class Clock(TrainerCallback):
        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.global_step % config.minibatches == 0:
                readings.append(clocks())

        def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if not gradient:
                named = _our_names(kwargs["model"]).items()
                gradient.update({n: p.grad.clone() for n, p in named if p.grad is not None})

        on_step_end = on_step_begin

    base: Any = Qwen3VLForConditionalGeneration.from_pretrained(SHIPPED, attn_implementation="sdpa")
    with tempfile.TemporaryDirectory() as folder, _quiet():
        episodes = len(given["num_images"])
        arguments = _arguments(folder, lora, config, episodes)
        trainer = Given(model=base, callbacks=[Clock()], **arguments)
        with torch.no_grad():
            for name, parameter in _our_names(trainer.model).items():
                parameter.copy_(start[name])
        trainer.train()
    begin, end = readings[-2:]
    return Learned(Seconds(end.cpu - begin.cpu, end.wall - begin.wall), gradient)


def _arguments(folder: str, lora: LoraSettings, config: PPOConfig, episodes: int) -> dict[str, Any]:
    """Return the arguments of TRL's trainer: our settings under its names.

    Args:
        folder: for files of the trainer.
        lora: of the adapter.
        config: our settings.
        episodes: number of recorded episodes.
    """
    from datasets import Dataset
    from peft import LoraConfig
    from transformers import AutoTokenizer
    from trl import GRPOConfig

    passes = episodes // config.micro_batch
    args = GRPOConfig(
        folder,
        use_cpu=True,
        bf16=False,
        gradient_checkpointing=False,
        per_device_train_batch_size=config.micro_batch,
        gradient_accumulation_steps=passes // config.minibatches,
        steps_per_generation=passes,
        num_generations=2,
        max_steps=BATCHES * config.minibatches,
        learning_rate=config.actor_lr,
        lr_scheduler_type="constant",
        epsilon=config.clip_low,
        epsilon_high=config.clip_high,
        loss_type="dapo",
        beta=0.0,
        max_grad_norm=config.max_grad_norm,
        report_to=[],
        save_strategy="no",
        logging_strategy="no",
        disable_tqdm=True,
    )
    adapter = LoraConfig(
        r=lora.r, lora_alpha=lora.alpha, target_modules=LANGUAGE_LINEARS, task_type="CAUSAL_LM"
    )
    return {
        "args": args,
        "peft_config": adapter,
        "reward_funcs": [lambda completions, **_: [0.0] * len(completions)],
        "train_dataset": Dataset.from_dict({"prompt": ["-"] * episodes}),
        "processing_class": AutoTokenizer.from_pretrained(SHIPPED),
    }


def _our_names(model: Any) -> dict[str, nn.Parameter]:
    """Return the adapter's weights by their names in `SageMM.state`."""
    return {
        "actor." + name.removeprefix("base_model.model.").replace(".default.", ".actor."): p
        for name, p in model.named_parameters()
        if ".default." in name
    }


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the messages of TRL and transformers."""
    from transformers.utils import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # transformers has no types here
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(verbosity)
