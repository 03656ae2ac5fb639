"""Episodes without an environment: observations made by hand, and played turns as a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from policies.base import TokenBatch, TurnTokens
from policies.sage_mm import SageMM

F = 4


def observe(seed: int, num_frames: int = 2, **changes: Any) -> dict[str, Any]:
    """Make an observation of random 64x64 frames at irregular times."""
    random = np.random.default_rng(seed)
    frames = np.zeros((F, 64, 64, 3), np.uint8)
    frames[:num_frames] = random.integers(0, 256, (num_frames, 64, 64, 3))
    seconds = np.full(F, -1, np.float32)
    seconds[:num_frames] = np.sort(random.random(num_frames)) * 600
    observation = {
        "frames": frames,
        "seconds": seconds,
        "num_frames": num_frames,
        "cursor": np.float32(0),
        "duration": np.float32(600),
        "turns_left": 9 - seed % 3,
        "frames_left": 100 - seed,
        "question": f"what colour is star {seed}?",
        "choices": "red\ngreen\nblue",
        "message": "",
        "text": "",
    }
    return observation | changes


def episode(seed: int, turns: int) -> list[dict[str, Any]]:
    """Make the observations of an episode: an overview, then looks of 0 to 3 frames."""
    first = observe(100 * seed, 3)
    asked = {"question": first["question"]}
    later = [observe(100 * seed + t, (seed + t) % 4, **asked) for t in range(1, turns)]
    return [first, *later]


def play(policy: SageMM, observations: Sequence[dict[str, Any]], name: Any) -> list[TurnTokens]:
    """Play one episode by itself."""
    turns = [policy.act_batch([o], [name])[0].tokens for o in observations]
    return [turn for turn in turns if turn is not None]


def as_batch(episodes: Sequence[Sequence[TurnTokens]], temperature: float = 1.0) -> TokenBatch:
    """Put whole episodes into right-padded rows."""
    rows = [np.concatenate([x for t in e for x in (t.prompt, t.completion)]) for e in episodes]
    shape = (len(rows), max(len(row) for row in rows))
    ids, turn = torch.zeros(shape, dtype=torch.long), torch.full(shape, -1)
    attention, sampled = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
    logprobs = torch.zeros(shape)
    for i, (row, turns) in enumerate(zip(rows, episodes, strict=True)):
        ids[i, : len(row)], attention[i, : len(row)] = torch.from_numpy(row), True
        at = 0
        for k, t in enumerate(turns):
            begin, end = at + len(t.prompt), at + len(t.prompt) + len(t.completion)
            turn[i, at:end], sampled[i, begin:end] = k, True
            logprobs[i, begin:end] = torch.from_numpy(t.logprobs)
            at = end
    frames = [tuple(key for t in turns for key in t.frames) for turns in episodes]
    rewards = torch.zeros(shape)
    return TokenBatch(ids, attention, sampled, turn, logprobs, rewards, frames, temperature)


def stir(policy: SageMM, seed: int = 0, scale: float = 0.1) -> None:
    """Give every trained tensor random values, so that adapters and heads do something."""
    generator = torch.Generator().manual_seed(seed)
    state = policy.state()
    policy.load_state(
        {
            name: t
            if name.startswith("reference.")
            else torch.randn(t.shape, generator=generator) * scale
            for name, t in state.items()
        }
    )
