"""`make tiny`: train `sage-mm-tiny` from nothing and write the checkpoint that the project ships.

1. (a) `train_vision`: the vision tower alone, on frame labels; then it is frozen.
2. (b) `train_lessons`: the language model on captions and look-ups, with auxiliary losses.
3. (c) `clone_demonstrator`: behaviour cloning of a demonstrator, mixed with (b). Its habits
   sometimes pay and sometimes fail.

The result is the supervised base that reinforcement learning starts from. It must not be as good as
it could be: what PPO is to find has to be left for it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_tensors
from torch import nn
from tqdm import tqdm

from algos.runs.checkpoint import require_same
from algos.runs.run_folder import read_json, write_json
from algos.sft.examples import Example
from algos.sft.schedule import Schedule
from algos.sft.step_batches import batches
from algos.sft.supervised_loss import add_supervised_gradients
from algos.tiny.architecture import build_model, make_config, save_checkpoint, train_tokenizer
from algos.tiny.demonstrations import BUDGET, demonstrate
from algos.tiny.hint_labels import Labeller
from algos.tiny.hints import Hints
from algos.tiny.lessons import Lessons
from algos.tiny.pictures import SIZE, Pictures, draw_pictures
from algos.tiny.tower import train_tower
from policies.baselines.reading_head import BACKDROPS, SIGHTS, ReadingHead
from policies.baselines.scripted import corner_box
from policies.sage_mm.model.pretrained import SHIPPED
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from policies.sage_mm.vision.batched_tower import BatchedTower
from policies.sage_mm.vision.feature_cache import CacheSizes
from policies.sage_mm.vision.frame_encoder import FrameEncoder, patchify
from sage_env.actions.action import Answer, Zoom
from sage_env.actions.action_text import format_action
from sage_env.storage.atomic_file import atomic_path
from sage_env.synth import sage_synth
from sage_env.synth.symbols import CORNERS


@dataclass(frozen=True)
class TinyConfig:
    """Everything about the recipe."""

    seed: int = 0
    """Of weights, data and order."""
    out: Path = SHIPPED
    """Folder of the checkpoint."""
    work: Path = Path("runs/tiny")
    """Folder of what (a) and (b) leave behind; an interrupted recipe goes on after them."""
    picture_videos: int = 1400
    """Videos that labelled frames are drawn from."""
    tower_steps: int = 2500
    """Steps of (a), 96 frames each."""
    lesson_steps: int = 2200
    """Steps of (b)."""
    lesson_frames: int = 16
    """Most frames of a lesson; it begins with six, and grows as soon as they are read."""
    demonstration_videos: int = 1400
    """Videos whose questions the demonstrator plays."""
    cloning_steps: int = 1500
    """Steps of (c)."""
    batch: int = 16
    """Conversations per step of (b) and (c)."""
    lr: float = 2e-3
    """Peak learning rate of (b); (c) uses half of it."""
    lessons_in_cloning: float = 0.25
    """Share of steps in (c) that repeat (b)."""
    threads: int = 2
    """Torch threads of (a); batches side by side in (b) and (c)."""


MAY_DIFFER = {
    "out",
    "work",
    "demonstration_videos",
    "cloning_steps",
    "lessons_in_cloning",
    "threads",
}
TEXT_NORM = 1.13  # of a fresh embedding: 128 numbers of deviation 0.1, so 0.1 * sqrt(128)
FIRST_FRAMES = 6.0  # most frames of the first lessons: few, so that a guess is often right
EXAM_FRAMES = 12
"""Frames of each lesson in an exam of (b): as many as the overview of (c), `BUDGET`."""
EXAM_EVERY = 200
"""Steps of (b) between exams, which are only printed: eleven in 2200 steps. More often shows sooner
that a recipe does not learn, and costs a forward pass over 32 lessons each. Not measured."""
# Running loss, in nats per token, at which lessons get half a frame longer: lower waits longer at
# every length, higher goes on before a length is learned.
READ_WELL = 0.35


def run(config: TinyConfig) -> None:
    """Make the checkpoint."""
    _save_settings(config)
    tokenizer = train_tokenizer(_texts())
    model = build_model(make_config(tokenizer), config.seed)
    pictures = draw_pictures(config.picture_videos)
    torch.set_num_threads(config.threads)
    head = train_vision(model, pictures, config)
    torch.set_num_threads(1)
    tokens = ChatTokens(tokenizer.backend_tokenizer, "brief")
    encoder = FrameEncoder(model.model.visual, CacheSizes(cpu=6 << 30))
    rng = np.random.default_rng(config.seed)
    lessons = Lessons(pictures, encoder, tokens, rng)
    names = [str(tokenizer.decode([i])) for i in range(len(tokenizer))]
    hints = Hints(model, Labeller(tokens, names, encoder, head))
    train_lessons(model, encoder, tokens, lessons, hints, config)
    episodes = demonstrate(
        encoder, head, tokens, videos=config.demonstration_videos, seed=config.seed
    )
    clone_demonstrator(model, encoder, tokens, lessons, episodes, hints, config)
    save(model, tokenizer, head, config.out)


def _save_settings(config: TinyConfig) -> None:
    """Write the settings; refuse a folder whose stages were made with others."""
    now = json.loads(json.dumps(asdict(config), default=str))
    path = config.work / "config.json"
    if path.exists():
        require_same(read_json(path), now, may_differ=MAY_DIFFER)
    write_json(path, now)


def train_vision(model: Any, pictures: Pictures, config: TinyConfig) -> ReadingHead:
    """Do (a): train the vision tower, freeze it, and return the head that reads its features."""
    visual, path = model.model.visual, config.work / "tower.safetensors"
    if not path.exists():
        head, right = train_tower(
            visual, pictures, steps=config.tower_steps, batch=96, lr=2e-3, seed=config.seed
        )
        print(f"(a) the tower reads {right:.1%} of held-out symbols")
        tensors = {f"visual.{name}": tensor for name, tensor in visual.state_dict().items()}
        _keep(path, tensors | {"weight": head.weight.detach(), "bias": head.bias.detach()})
    tensors = load_file(path)
    weight, bias = tensors.pop("weight").numpy(), tensors.pop("bias").numpy()
    visual.load_state_dict({name.removeprefix("visual."): t for name, t in tensors.items()})
    weight /= scale_outputs(visual, pictures)
    # Rounded as it will be shipped, so that all later training uses the features of the very same
    # weights.
    visual.load_state_dict({name: t.bfloat16().float() for name, t in visual.state_dict().items()})
    visual.requires_grad_(False)
    return ReadingHead(weight, bias)


def train_lessons(
    model: Any,
    encoder: FrameEncoder,
    tokens: ChatTokens,
    lessons: Lessons,
    hints: Hints,
    config: TinyConfig,
) -> None:
    """Do (b): captions and look-ups, of more frames as soon as those of fewer are answered.

    Args:
        model: whose language model is trained, in place.
        encoder: the frozen tower.
        tokens: the chat layout.
        lessons: draws examples without end.
        hints: the auxiliary losses.
        config: of the recipe; an existing `lessons.safetensors` in its work folder is used instead.
    """
    language, path = model.model.language_model, config.work / "lessons.safetensors"
    if not path.exists():
        trained = _language(model) + list(hints.parameters())
        schedule = Schedule(trained, config.lr, config.lesson_steps)
        bar = tqdm(range(config.lesson_steps), desc="captions and look-ups")
        frames, recent = FIRST_FRAMES, math.inf
        for _ in bar:
            examples = lessons.draw(config.batch, (int(frames) // 2, int(frames)))
            loss = take_step(model, encoder, tokens, schedule, examples, config, hints)
            recent = loss if recent == math.inf else 0.9 * recent + 0.1 * loss
            if recent < READ_WELL and frames < config.lesson_frames:
                frames, recent = frames + 0.5, recent + 0.05
            bar.set_postfix(loss=f"{recent:.3f}", frames=int(frames), refresh=False)
            if bar.n % EXAM_EVERY == EXAM_EVERY - 1:
                test = lessons.draw(32, (EXAM_FRAMES, EXAM_FRAMES))
                right = hints.exam(encoder, tokens.frame_pad, test)
                bar.write(f"(b) {bar.n + 1}: {right:.1%} right about {EXAM_FRAMES} frames")
        _keep(path, language.state_dict())
    language.load_state_dict(load_file(path))


def clone_demonstrator(
    model: Any,
    encoder: FrameEncoder,
    tokens: ChatTokens,
    lessons: Lessons,
    episodes: list[Example],
    hints: Hints,
    config: TinyConfig,
) -> None:
    """Do (c): behaviour cloning, mixed with (b).

    Args:
        model: whose language model is trained, in place.
        encoder: the frozen tower.
        tokens: the chat layout.
        lessons: draws examples of (b).
        episodes: of the demonstrator.
        hints: the auxiliary losses.
        config: of the recipe.
    """
    rng = np.random.default_rng([config.seed, 1])
    stream = batches(episodes, config.batch, rng)
    trained = _language(model) + list(hints.parameters())
    schedule = Schedule(trained, 0.5 * config.lr, config.cloning_steps)
    bar = tqdm(range(config.cloning_steps), desc="cloning")
    for _ in bar:
        repeats = rng.random() < config.lessons_in_cloning
        longest = config.lesson_frames
        examples = lessons.draw(config.batch, (6, longest)) if repeats else next(stream)
        loss = take_step(model, encoder, tokens, schedule, examples, config, hints)
        if not repeats:
            bar.set_postfix(loss=f"{loss:.3f}", refresh=False)


def scale_outputs(visual: Any, pictures: Pictures) -> float:
    """Give the tower's outputs the norm of a text embedding; return the first output's factor.

    They come out many times larger. What attention adds to a visual token would then be negligible,
    and with it the time that is written before the frame.
    """
    tower = BatchedTower(visual)
    rows = len(pictures.pixels) // 512 + 1
    some = torch.from_numpy(pictures.pixels[::rows])
    grid = (some.shape[1] // tower.patch, some.shape[2] // tower.patch)
    with torch.no_grad():
        maps = tower(patchify(some, tower.patch, tower.merge), grid)
        factors = [TEXT_NORM / float(x.norm(dim=-1).mean()) for x in maps]
        mergers = [visual.merger, *visual.deepstack_merger_list]
        for merger, factor in zip(mergers, factors, strict=True):
            merger.linear_fc2.weight *= factor
            merger.linear_fc2.bias *= factor
    return factors[0]


def _keep(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write a stage's tensors, whole or not at all."""
    with atomic_path(path) as partial:
        save_tensors({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)


def take_step(
    model: Any,
    encoder: FrameEncoder,
    tokens: ChatTokens,
    schedule: Schedule,
    examples: list[Example],
    config: TinyConfig,
    hints: Hints | None = None,
) -> float:
    """Take one optimiser step on a batch of conversations.

    Args:
        model: the model.
        encoder: the frozen tower.
        tokens: the chat layout.
        schedule: the optimiser and its learning rate.
        examples: the batch.
        config: its `threads` forward passes run side by side.
        hints: the auxiliary losses; None for none.

    Returns:
        The cross-entropy of the batch, in nats per token.
    """
    loss = add_supervised_gradients(
        model,
        encoder,
        tokens.frame_pad,
        examples,
        schedule.parameters,
        workers=config.threads,
        auxiliary_loss=None if hints is None else hints.loss,
    )
    schedule.step()
    return loss


def save(model: Any, tokenizer: Any, head: ReadingHead, folder: Path) -> None:
    """Write the checkpoint and, beside it, the reading head.

    Args:
        model: the model.
        tokenizer: its tokenizer.
        head: reads the tower's features.
        folder: made when missing.
    """
    save_checkpoint(model, tokenizer, folder, BUDGET | {"frame_size": SIZE})
    tensors = {"weight": head.weight, "bias": head.bias}
    save_file(tensors, folder / "reading_head.safetensors")


def _language(model: Any) -> list[nn.Parameter]:
    return list(model.model.language_model.parameters())


def _texts() -> list[str]:
    """Return examples of everything that the model reads and writes."""
    texts = [item.question + "\n" + ", ".join(item.choices) for item in sage_synth(count=140)]
    texts += [
        f"{colour} what {sight}; {sight} at 12.5 {colour} {sight}"
        for colour in BACKDROPS
        for sight in SIGHTS
    ] * 3
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
            f"List the frames. red what star; red from {start:.1f}; red to {end:.1f}; red at empty",
            f"Find red. red after {start:.1f}; red before {end:.1f}",
            f"user\n assistant\n\nturns left 4, frames left 28.; star empty, heart {start:.1f}",
        ]
    return texts
