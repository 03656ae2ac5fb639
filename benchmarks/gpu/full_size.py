"""Speed and memory at full size, with random weights: rollout and one update of PPO.

Random weights never stop a reply by themselves, so that every reply has its full length: a fixed
amount of work. What the numbers say nothing of is whether anything is learned.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch.optim import Adam

from algos.batching.token_batches import collate
from algos.ppo.config import PPOConfig
from algos.ppo.targets import make_targets
from algos.ppo.update import actor_objective, fit
from benchmarks.gpu.episodes import play, questions
from benchmarks.published_shapes import Size, random_model
from policies.sage_mm import SageMM
from policies.sage_mm.model.operations import forward, peak, trained
from policies.sage_mm.model.sage_model import SHIPPED, LoraSettings, SageModel
from policies.sage_mm.stage_timer import GENERATE, PREFILL
from policies.sage_mm.tokens.chat_tokens import ChatTokens

GIB = 1 << 30
TURNS, REPLY = 3, 48
"""Turns of an episode, the answer included, and tokens of every reply."""


def measure(
    device: str,
    size: Size,
    *,
    episodes: int = 16,
    frames: int = 32,
    side: int = 448,
    model: Any = None,
) -> dict[str, Any]:
    """Play episodes at a published shape, then learn from them once.

    Args:
        device: where the model is.
        size: of the published checkpoint.
        episodes: side by side, eight of each question.
        frames: of the overview.
        side: of a frame, in pixels.
        model: a base in place of that size, for a try on a CPU.
    """
    began = time.perf_counter()
    base = model or random_model(size, device=device)
    # The shipped tokenizer stands in for Qwen's: which tokens they are has no influence on time.
    tokens = ChatTokens(Tokenizer.from_file(str(SHIPPED / "tokenizer.json")), "full")
    built = SageModel(base, tokens, LoraSettings(r=16), checkpointing=True)
    policy = SageMM(built, max_new_tokens=REPLY, max_batch=episodes)
    found: dict[str, Any] = {"seconds to build": time.perf_counter() - began}
    found["weights, GiB"] = sum({p.data_ptr(): p.nbytes for p in base.parameters()}.values()) / GIB
    environment: dict[str, Any] = dict(overview_frames=frames, frames_per_turn=8, max_frames=128)
    environment |= dict(max_turns=TURNS, frame_size=(side, side))
    asked = questions(max(1, episodes // 8))
    each = min(8, episodes)
    play(policy, asked[:1], 1, **environment)  # kernels are chosen and memory is taken once
    with _stage(found, "rollout", device):
        played = play(policy, asked, each, **environment)
    found |= _of_rollout(policy, built, found)
    with _stage(found, "update", device):
        lengths = _learn(policy, played)
    return found | _of_update(built, found, lengths, device)


def _of_rollout(policy: SageMM, built: SageModel, found: dict[str, Any]) -> dict[str, Any]:
    timer = built.timer
    prefilled, sampled = timer.count(PREFILL), timer.count(GENERATE)
    return {
        "prefilled tokens": prefilled,
        "prefilled tokens/s": prefilled / max(1e-9, timer.seconds(PREFILL)),
        "generated tokens": sampled,
        "generated tokens/s": sampled / max(1e-9, timer.seconds(GENERATE)),
    }


def _learn(policy: SageMM, played: Any) -> list[int]:
    """Take one step of the actor over all episodes, and return their lengths in tokens."""
    config = PPOConfig(advantage="group", minibatches=1, micro_batch=2, whiten=False, kl_coef=0.0)
    batch = collate(played, 1.0, policy.model.device)
    groups = [episode.item_id for episode in played]
    targets = make_targets(config, policy, batch, groups)
    targets.advantages[batch.sampled] = 1.0  # all episodes have a gradient, whatever they earned
    objective = actor_objective(config, policy, batch, targets)
    optimizer = Adam(policy.actor_parameters(), lr=1e-5)
    fit(config, objective, optimizer, epochs=1, rng=np.random.default_rng(0))
    lengths: list[int] = batch.attention.sum(1).tolist()
    return lengths


def _of_update(
    built: SageModel, found: dict[str, Any], lengths: list[int], device: str
) -> dict[str, Any]:
    tokens, seconds = sum(lengths), found["update, seconds"]
    length = tokens / len(lengths)
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else ""
    top = peak(name)
    done = trained(built.config, tokens, length)
    return {
        "trained tokens": tokens,
        "trained tokens/s": tokens / seconds,
        "trained, 1e12 operations/s": done / seconds / 1e12,
        "MFU of the update": None if top is None else done / seconds / top,
        "operations of a token forward, 1e9": forward(built.config, 1, length) / 1e9,
    }


@contextmanager
def _stage(found: dict[str, Any], name: str, device: str) -> Iterator[None]:
    """Add the seconds and the peak memory of a block."""
    on_gpu = device.startswith("cuda")
    if on_gpu:
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    yield
    if on_gpu:
        torch.cuda.synchronize(device)
        found[f"{name}, peak GiB"] = torch.cuda.max_memory_allocated(device) / GIB
    found[f"{name}, seconds"] = time.perf_counter() - began
