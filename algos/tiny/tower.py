"""Step (a): the vision tower alone, on frame labels, through heads.

The heads on the DeepStack maps are thrown away; the one on the merged embedding is kept beside the
checkpoint as the eyes of the scripted policy.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm

from algos.tiny.pictures import Pictures
from policies.baselines.reading_head import BACKDROPS, SIGHTS
from policies.sage_mm.vision.batched_tower import BatchedTower
from policies.sage_mm.vision.frame_encoder import patchify


def train_tower(
    visual: Any, pictures: Pictures, *, steps: int, batch: int, lr: float, seed: int
) -> tuple[nn.Linear, float]:
    """Train the vision tower on frame labels, through linear heads on its merged features.

    Args:
        visual: the tower, trained in place.
        pictures: labelled frames; 2,000 of them are held out.
        steps: of AdamW.
        batch: frames per step.
        lr: peak learning rate: 50 steps of warm-up, then a linear fall to a fiftieth.
        seed: of the split, the batches and the shifts.

    Returns:
        The head on the merged embedding, mean over a frame's tokens, to backdrop and symbol; and
        the share of 2,000 held-out frames whose symbol it reads right.
    """
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.from_numpy(pictures.pixels)
    labels = torch.stack(
        [torch.from_numpy(pictures.backdrops), torch.from_numpy(pictures.sights)], dim=1
    )
    order = torch.randperm(len(pixels), generator=generator)
    held_out, train = order[:2000], order[2000:]
    tower, width = BatchedTower(visual), visual.config.out_hidden_size
    count = 1 + len(visual.deepstack_visual_indexes)
    heads = nn.ModuleList(nn.Linear(width, len(BACKDROPS) + len(SIGHTS)) for _ in range(count))
    optimizer = torch.optim.AdamW(
        [*visual.parameters(), *heads.parameters()], lr, weight_decay=0.02
    )
    for step in tqdm(range(steps), desc="vision tower"):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, step / 50) * max(0.02, 1 - step / steps)
        rows = train[torch.randint(len(train), (batch,), generator=generator)]
        loss = _loss(_read(tower, heads, _shifted(pixels[rows], generator)), labels[rows])
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(visual.parameters(), 1.0)
        optimizer.step()
    with torch.no_grad():
        scores = _read(tower, heads, pixels[held_out])[0][:, len(BACKDROPS) :]
    right = (scores.argmax(1) == labels[held_out, 1]).float().mean()
    head = heads[0]
    assert isinstance(head, nn.Linear)
    return head, float(right)


def _read(tower: BatchedTower, heads: nn.ModuleList, pixels: Tensor) -> list[Tensor]:
    height, width = pixels.shape[1:3]
    grid = height // tower.patch, width // tower.patch
    maps = tower(patchify(pixels, tower.patch, tower.merge), grid)
    means = [x.view(len(pixels), -1, x.shape[-1]).mean(1) for x in maps]
    return [head(x) for head, x in zip(heads, means, strict=True)]


def _shifted(pixels: Tensor, generator: torch.Generator) -> Tensor:
    """Move the whole batch by a few pixels: more places than were drawn."""
    dy, dx = torch.randint(-3, 4, (2,), generator=generator).tolist()
    return pixels.roll((dy, dx), dims=(1, 2))


def _loss(scores: list[Tensor], labels: Tensor) -> Tensor:
    """Weigh the DeepStack maps less: they carry what earlier layers can know."""
    split = len(BACKDROPS)
    parts = [
        weight
        * (
            F.cross_entropy(x[:, :split], labels[:, 0])
            + F.cross_entropy(x[:, split:], labels[:, 1])
        )
        for weight, x in zip((1.0, *[0.3] * (len(scores) - 1)), scores, strict=True)
    ]
    return torch.stack(parts).sum()
