"""What a training takes, reckoned from a configuration: nothing is loaded, nothing is played.

Every episode is taken at its largest: all frames of its budget, all turns, every reply at its full
length. So memory is a bound, and time is too long where replies stop early.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import ceil, isqrt
from typing import Any

import torch

from algos.experiment.settings import Training
from algos.rollout.environment_options import FRAMES, SIZES, OptionError
from policies.sage_mm.generation.rollout_memory import (
    STAMP_TOKENS,
    RolloutBytes,
    RolloutShape,
    rollout_bytes,
    slots_for,
)
from policies.sage_mm.model.adapters import LoraSettings
from policies.sage_mm.model.operations import bandwidth, forward, peak, trained
from policies.sage_mm.model.pretrained import find_device, find_dtype, read_configuration
from policies.sage_mm.model.update_memory import EpisodeSize, UpdateBytes, update_bytes
from sage_env.storage.byte_size import format_bytes

CPU_SLOTS = 256
"""Environments side by side on a CPU: beyond the episodes of an update there is nothing to gain."""
SHARE_OF_PEAK = 0.3
"""Of a device's operations per second that passes over many tokens reach. A judgement; what was
measured on a GPU is in the report of `python -m benchmarks.gpu`."""
SHARE_OF_BANDWIDTH = 0.5
"""Of a device's memory bandwidth that a pass of decoding reaches. A judgement, as above."""
REPLY, OPENING, LATER = 256, 1024, 64
"""Tokens of a reply that nobody has bounded, of rules and question, and of a later prompt."""
_ENVIRONMENT = {"max_turns": 10, "max_frames": 128, "overview_frames": FRAMES}


class UnknownShape(OptionError):
    """A training that nobody can reckon yet."""


@dataclass(frozen=True)
class Estimate:
    """What a training takes.

    Attributes:
        device: its name.
        memory: bytes that it has.
        slots: episodes that play side by side.
        rollout: bytes of playing, by part.
        update: bytes of learning, by part.
        episode: tokens of the largest episode, by kind.
        episodes: of an update.
        seconds: of an update, by part; `None` where the device is not known.
    """

    device: str
    memory: int
    slots: int
    rollout: RolloutBytes
    update: UpdateBytes
    episode: EpisodeSize
    episodes: int
    seconds: Mapping[str, float] | None

    @property
    def needed(self) -> int:
        """Bytes of the larger of playing and learning: they do not overlap."""
        return max(self.rollout.total, self.update.total)

    def require_room(self) -> None:
        """Refuse a training that cannot fit.

        Raises:
            OptionError: with what it needs, what there is, and what to change.
        """
        if self.needed > self.memory:
            part = "playing" if self.rollout.total > self.update.total else "an update"
            raise OptionError(
                f"{part} needs {format_bytes(self.needed)}, and {self.device} has "
                f"{format_bytes(self.memory)}: take --checkpointing, --four-bit, a smaller "
                "--ppo.micro-batch, --max-frames, --frame-size or --max-turns, or a smaller "
                "checkpoint"
            )

    def __str__(self) -> str:
        """Return it as plain text."""
        episode = self.episode
        lines = [
            f"device: {self.device}, {format_bytes(self.memory)}",
            f"episodes of an update: {self.episodes}, {self.slots} side by side",
            f"tokens of the largest episode: {episode.tokens}, {episode.visual} of them visual, "
            f"{episode.sampled} sampled, {episode.shared} shared by a question's episodes",
            f"tokens of an update, at most: {self.episodes * episode.tokens:,}",
            "",
            "playing",
            str(self.rollout),
            "",
            "learning",
            *_rows(self.update),
            "",
        ]
        if self.seconds is None:
            return "\n".join([*lines, "seconds of an update: not known for this device"])
        told = ", ".join(f"{name} {value:.0f}" for name, value in self.seconds.items())
        return "\n".join([*lines, f"seconds of an update, reckoned: {told}"])


def estimate(config: Training, frame_size: tuple[int, int] | None = None) -> Estimate:
    """Return what a training takes, from the checkpoint's configuration alone.

    Args:
        config: the settings.
        frame_size: `(H, W)` that the dataset suggests.

    Raises:
        ModelError: if there is no such checkpoint or device, or not even one episode fits.
        UnknownShape: if it is of another family than Qwen3-VL, or all weights are trained.
    """
    known, saved = read_configuration(config.checkpoint)
    if not known.model_type.startswith("qwen3_vl"):
        raise UnknownShape(f"an estimate is for Qwen3-VL, and this is of type {known.model_type}")
    if config.train == "full":
        raise UnknownShape("an estimate is for LoRA: with all weights, each takes 16 bytes")
    place = find_device(config.device)
    dtype = find_dtype(config.dtype, known, place)
    memory = _memory(place)
    shape = _shape(config, saved.get("env", {}), frame_size)
    of_model: dict[str, Any] = {"dtype": dtype, "four_bit": config.four_bit}
    bytes_of = of_model | {"lora_rank": config.lora_rank}
    slots = config.slots or (
        slots_for(known, memory, shape, **bytes_of) if place.type == "cuda" else CPU_SLOTS
    )
    slots = min(slots, shape.slots)
    shape = replace(shape, slots=slots)
    episode, episodes = _episode(shape, known), shape_episodes(config)
    in_pass = config.ppo.micro_batch
    if config.ppo.micro_batch_tokens is not None:
        in_pass = max(1, min(in_pass, config.ppo.micro_batch_tokens // episode.tokens))
    update = update_bytes(
        known,
        episode,
        episodes=episodes,
        in_pass=in_pass,
        lora=LoraSettings(r=config.lora_rank),
        critic=config.critic if config.ppo.uses_critic else None,
        checkpointing=config.checkpointing,
        **of_model,
    )
    on_gpu = place.type == "cuda"
    name = torch.cuda.get_device_name(place) if on_gpu else "the CPU's memory"
    rollout = rollout_bytes(known, shape, memory=memory, **bytes_of)
    seconds = _seconds(name, known, shape, episode, episodes) if on_gpu else None
    return Estimate(name, memory, slots, rollout, update, episode, episodes, seconds)


def side_by_side(config: Training, policy: object, frame_size: tuple[int, int] | None) -> int:
    """Return how many episodes play side by side where nobody said.

    Args:
        config: the settings.
        policy: who plays; a SAGE-MM on a GPU has room for so many.
        frame_size: `(H, W)` that the dataset suggests.

    Raises:
        ModelError: if not even one episode fits.
    """
    device = getattr(getattr(policy, "model", None), "device", None)
    if device is None or device.type != "cuda":
        return CPU_SLOTS
    return estimate(config, frame_size).slots


def require_room(config: Training, frame_size: tuple[int, int] | None) -> None:
    """Refuse a training that cannot fit on its GPU, before anything is loaded.

    Raises:
        OptionError: with what it needs, what there is, and what to change.
        ModelError: if there is no such checkpoint or device, or not even one episode fits.
    """
    if find_device(config.device).type == "cuda" and config.train == "lora":
        with suppress(UnknownShape):
            estimate(config, frame_size).require_room()


def shape_episodes(config: Training) -> int:
    """Return the episodes of an update."""
    return config.ppo.questions_per_update * config.ppo.episodes_per_question


def _shape(
    config: Training, environment: Mapping[str, Any], frame_size: tuple[int, int] | None
) -> RolloutShape:
    """Return how large the episodes become, from the settings and what the checkpoint asks for."""
    given = {name: getattr(config, name) for name in (*_ENVIRONMENT, *SIZES)}
    given = {name: value for name, value in given.items() if value is not None}
    if any(name in given for name in SIZES):
        environment = {name: value for name, value in environment.items() if name not in SIZES}
    asked = {**_ENVIRONMENT, **environment, **given}
    if asked.get("frame_pixels"):  # a square of as many pixels has as many visual tokens
        asked["frame_size"] = (isqrt(int(asked["frame_pixels"])),) * 2
    frames = int(asked["max_frames"])
    return RolloutShape(
        slots=min(config.slots or CPU_SLOTS, shape_episodes(config)),
        episodes_per_question=config.ppo.episodes_per_question,
        frames=frames,
        overview_frames=min(int(asked["overview_frames"]), frames),
        frame_size=tuple(asked.get("frame_size") or frame_size or (224, 224)),
        turns=int(asked["max_turns"]),
        max_new_tokens=config.max_new_tokens or REPLY,
        opening_tokens=OPENING,
        turn_tokens=LATER,
    )


def _episode(shape: RolloutShape, known: Any) -> EpisodeSize:
    """Return the tokens of the largest episode."""
    side = known.vision_config.patch_size * known.vision_config.spatial_merge_size
    visual = (shape.frame_size[0] // side) * (shape.frame_size[1] // side)
    opening = shape.opening_tokens + shape.overview_frames * (visual + STAMP_TOKENS)
    later = (shape.frames - shape.overview_frames) * (visual + STAMP_TOKENS)
    later += (shape.turns - 1) * shape.turn_tokens
    sampled = shape.turns * shape.max_new_tokens
    return EpisodeSize(opening + later + sampled, shape.frames * visual, sampled, opening)


def _seconds(
    name: str, known: Any, shape: RolloutShape, episode: EpisodeSize, episodes: int
) -> dict[str, float] | None:
    """Reckon the seconds of an update on a device that is known; see the shares above."""
    most, fastest = peak(name), bandwidth(name)
    if most is None or fastest is None:
        return None
    text = known.get_text_config()
    questions = ceil(episodes / shape.episodes_per_question)
    read = questions * episode.shared + episodes * (episode.tokens - episode.shared)
    batches = ceil(episodes / min(shape.slots, shape.max_batch))
    steps = batches * shape.turns * shape.max_new_tokens
    weight_bytes = forward(text, 1, 0)  # two operations, and in bfloat16 two bytes, per weight
    found = {
        "prefill": forward(text, read, episode.tokens) / (SHARE_OF_PEAK * most),
        "decoding": steps * weight_bytes / (SHARE_OF_BANDWIDTH * fastest),
        "learning": trained(text, read, episode.tokens) / (SHARE_OF_PEAK * most),
    }
    return {**found, "in all": sum(found.values())}


def _memory(place: torch.device) -> int:
    """Return the bytes of a device: of the GPU, or of this machine."""
    if place.type == "cuda":
        return int(torch.cuda.get_device_properties(place).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _rows(update: UpdateBytes) -> Sequence[str]:
    names = ("weights", "trained", "critic_features", "features", "kept", "work", "scores", "total")
    return [
        f"{name.replace('_', ' '):<15} {format_bytes(getattr(update, name)):>11}" for name in names
    ]
