"""`make tiny`: train `sage-mm-tiny` from nothing and write the checkpoint that the project ships.

(a) the vision tower alone on frame labels, then frozen; (b) captions and look-ups; (c) behaviour
cloning of a demonstrator with habits that sometimes pay and sometimes fail, mixed with (b). What
comes out is the supervised base that reinforcement learning starts from: it must leave room.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from torch import nn
from tqdm import tqdm

from algos.sft import Example, Schedule, add_supervised_gradients, batches
from algos.tiny.architecture import build_model, make_config, save_checkpoint, train_tokenizer
from algos.tiny.demonstrations import BUDGET, demonstrate
from algos.tiny.lessons import Lessons
from algos.tiny.pictures import SIZE, Pictures, draw_pictures
from algos.tiny.tower import train_tower
from policies.sage_mm.model import SHIPPED
from policies.sage_mm.prompt import ChatTokens
from policies.sage_mm.vision import FrameEncoder
from policies.scripted import BACKDROPS, SIGHTS, ReadingHead, corner_box
from sage_env.action_text import format_action
from sage_env.actions import Answer, Zoom
from sage_env.synth import sage_synth
from sage_env.synth.symbols import CORNERS


@dataclass(frozen=True)
class TinyConfig:
    """Everything about the recipe."""

    seed: int = 0
    """Of weights, data and order."""
    out: Path = SHIPPED
    """Folder of the checkpoint."""
    picture_videos: int = 1400
    """Videos that labelled frames are drawn from."""
    tower_steps: int = 2500
    """Steps of (a), 96 frames each."""
    lesson_steps: int = 900
    """Steps of (b), 32 lessons each."""
    demonstration_videos: int = 300
    """Videos whose questions the demonstrator plays."""
    cloning_steps: int = 1300
    """Steps of (c)."""
    batch: int = 32
    """Conversations per step of (b) and (c)."""
    lr: float = 2e-3
    """Peak learning rate of (b); (c) uses three quarters of it."""
    lessons_in_cloning: float = 0.25
    """Share of steps in (c) that repeat (b)."""
    threads: int = 2
    """Torch threads of (a); batches side by side in (b) and (c)."""


def run(config: TinyConfig) -> None:
    """Make the checkpoint."""
    torch.set_num_threads(config.threads)
    tokenizer = train_tokenizer(_texts())
    model = build_model(make_config(tokenizer), config.seed)
    pictures = draw_pictures(config.picture_videos)
    head = see(model, pictures, config)
    tokens = ChatTokens(tokenizer.backend_tokenizer, "brief")
    encoder = FrameEncoder(model.model.visual, cache_bytes=6 << 30)
    rng = np.random.default_rng(config.seed)
    lessons = Lessons(pictures, encoder, tokens, rng)
    teach(model, encoder, tokens, lessons, config)
    episodes = demonstrate(
        encoder, head, tokens, videos=config.demonstration_videos, seed=config.seed
    )
    clone(model, encoder, tokens, lessons, episodes, config)
    save(model, tokenizer, head, config.out)


def see(model: Any, pictures: Pictures, config: TinyConfig) -> ReadingHead:
    """(a) Train the vision tower, freeze it, and return what reads its features."""
    visual = model.model.visual
    head, right = train_tower(
        visual, pictures, steps=config.tower_steps, batch=96, lr=2e-3, seed=config.seed
    )
    print(f"(a) the tower reads {right:.1%} of held-out symbols")
    visual.requires_grad_(False)
    weight, bias = head.weight.detach().numpy(), head.bias.detach().numpy()
    return ReadingHead(weight, bias)


def teach(
    model: Any, encoder: FrameEncoder, tokens: ChatTokens, lessons: Lessons, config: TinyConfig
) -> None:
    """(b) Captions and look-ups."""
    schedule = Schedule(_language(model), config.lr, config.lesson_steps)
    bar = tqdm(range(config.lesson_steps), desc="captions and look-ups")
    for _ in bar:
        loss = learn(model, encoder, tokens, schedule, lessons.draw(config.batch), config)
        bar.set_postfix(loss=f"{loss:.3f}", refresh=False)


def clone(
    model: Any,
    encoder: FrameEncoder,
    tokens: ChatTokens,
    lessons: Lessons,
    episodes: list[Example],
    config: TinyConfig,
) -> None:
    """(c) Behaviour cloning, mixed with (b)."""
    rng = np.random.default_rng([config.seed, 1])
    stream = batches(episodes, config.batch, rng)
    schedule = Schedule(_language(model), 0.75 * config.lr, config.cloning_steps)
    bar = tqdm(range(config.cloning_steps), desc="cloning")
    for _ in bar:
        repeats = rng.random() < config.lessons_in_cloning
        examples = lessons.draw(config.batch) if repeats else next(stream)
        loss = learn(model, encoder, tokens, schedule, examples, config)
        if not repeats:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)


def learn(
    model: Any,
    encoder: FrameEncoder,
    tokens: ChatTokens,
    schedule: Schedule,
    examples: list[Example],
    config: TinyConfig,
) -> float:
    """Take one step on a batch of conversations; return its loss."""
    loss = add_supervised_gradients(
        model,
        encoder,
        tokens.frame_pad,
        examples,
        schedule.parameters,
        workers=config.threads,
    )
    schedule.step()
    return loss


def save(model: Any, tokenizer: Any, head: ReadingHead, folder: Path) -> None:
    """Write checkpoint and reading head."""
    save_checkpoint(model, tokenizer, folder, BUDGET | {"frame_size": SIZE})
    tensors = {"weight": head.weight, "bias": head.bias}
    save_file(tensors, folder / "reading_head.safetensors")


def _language(model: Any) -> list[nn.Parameter]:
    return list(model.model.language_model.parameters())


def _texts() -> list[str]:
    """Return examples of everything that the model reads and writes."""
    texts = [item.question + "\n" + ", ".join(item.choices) for item in sage_synth(count=140)]
    texts += [f"{colour} {sight} 12.5 from" for colour in BACKDROPS for sight in SIGHTS] * 3
    rng = np.random.default_rng(0)
    for corner in [*CORNERS] * 150:
        start, end = np.sort(rng.uniform(0, 5000, 2)).round(1).tolist()
        sight = str(rng.choice(SIGHTS))
        thought = f"{rng.choice(BACKDROPS)} {sight}"
        box = corner_box(corner) if rng.random() < 0.1 else None
        texts += [
            format_action(Zoom(start, end + 0.1, 8, box), thought),
            format_action(Answer(sight), thought),
            f"<{start:.1f} seconds>",
            f"\nvideo {end:.1f} seconds. turns left 5, frames left 36.\nFind {sight}, red.",
            f"List the frames. red star {start:.1f} from {start:.1f} to {end:.1f} within",
            f"user\n assistant\n\nturns left 4, frames left 28.; star empty, heart {start:.1f}",
        ]
    return texts
