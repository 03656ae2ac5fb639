"""An algorithm of one's own: REINFORCE with a baseline in plain torch, without `algos`.

    python examples/reinforce.py                        # about ten seconds on one core, offline

The environment is wrapped until it looks like any other: `DiscreteActions` has numbered actions,
`NumericObservations` arrays of fixed sizes. The task is "how much to look" in miniature: the one
frame of the overview shows the colour that is asked for in half of the videos only, and a look
costs 0.12. Random actions return 0.27 (mean of 500 episodes), always answering at once at most
0.65; the best is to answer at once where the colour is seen and to look where it is not, 0.91.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import tyro
from torch import Tensor, nn

from sage_env import FrameBatch, QAItem, efficient
from sage_env.testing import MemoryVideo
from sage_env.wrappers import DiscreteActions, NumericObservations

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220)}
ENTROPY = 0.05  # without it some seeds answer at once for ever: too few looks were tried


class Coloured(MemoryVideo):
    """A minute of one colour, all the time (`whole-red`) or in its last quarter (`late-red`)."""

    def __init__(self, path: Path) -> None:
        """Read from the path what to show."""
        super().__init__(duration=60.0, fps=2.0)
        when, self.colour = path.name.split("-")
        self.start = 45.0 if when == "late" else 0.0

    def frames_at(self, seconds: Sequence[float], **options: Any) -> FrameBatch:
        """Paint the frames over: grey, or the colour."""
        batch = super().frames_at(seconds, **options)
        batch.pixels[:] = 128
        batch.pixels[batch.seconds >= self.start] = COLOURS[self.colour]
        return batch


def make_env() -> gym.Env[Any, Any]:
    """Return the environment with arrays for observations and five actions."""
    paths = [Path(f"{when}-{colour}") for when in ("whole", "late") for colour in COLOURS]
    asked = "Which colour is shown?", tuple(COLOURS)
    items = [QAItem(p.name, p, *asked, p.name.split("-")[1], "mcq") for p in paths]
    budget: dict[str, Any] = dict(overview_frames=1, frames_per_turn=4, max_frames=10, max_turns=3)
    reward = efficient(frames_weight=0.3, turns_weight=0.0)  # a look costs 0.12
    world: dict[str, Any] = dict(dataset=items, opener=Coloured, frame_size=(8, 8))
    env = gym.make("SageVideoQA-v0", reward=reward, **world, **budget)
    # Answer A, B or C; skip to the start; sample four frames of the whole video.
    env = DiscreteActions(env, max_choices=3, num_frames=4, skips=[], samples=[1.0], zooms=[])
    return NumericObservations(env, max_choices=3, hash_size=8)


def features(observation: dict[str, Any]) -> Tensor:
    """Return an observation as one vector: the sheet of frames, coarsely, and what is left."""
    sheet = observation["frames"][8::16, 8::16].ravel() / 255.0
    parts = sheet, observation["shown"], observation["turns_left"], observation["frames_left"]
    return torch.as_tensor(np.concatenate(parts), dtype=torch.float32)


def play(env: gym.Env[Any, Any], actor: nn.Module) -> tuple[list[Tensor], list[int], float]:
    """Play one episode; return what was seen, what was done, and the sum of the rewards."""
    (observation, _), seen, done, total, over = env.reset(), [], [], 0.0, False
    while not over:
        seen.append(features(observation))
        with torch.no_grad():
            done.append(int(actor(seen[-1]).softmax(0).multinomial(1)))
        observation, reward, over, _, _ = env.step(done[-1])
        total += float(reward)  # all of it comes with the last step, so it is each step's return
    return seen, done, total


def reinforce_loss(logits: Tensor, values: Tensor, actions: Tensor, returns: Tensor) -> Tensor:
    """Return the mean over N steps of -(G - b) log pi(a|s) - ENTROPY H(pi) + (G - b)^2 / 2.

    REINFORCE with a baseline b that is learned beside it (Williams 1992, Machine Learning 8).

    Args:
        logits: float32 `(N, actions)`.
        values: float32 `(N,)`, the baseline; the actor's term gives it no gradient.
        actions: int64 `(N,)`, as sampled.
        returns: float32 `(N,)`, the sum of the rewards from each step on.
    """
    logprobs = logits.log_softmax(1)
    chosen = logprobs.gather(1, actions[:, None])[:, 0]
    actor = -(returns - values.detach()) * chosen + ENTROPY * (logprobs.exp() * logprobs).sum(1)
    return (actor + 0.5 * (returns - values) ** 2).mean()


def main(updates: int = 100, episodes: int = 64, seed: int = 0) -> list[float]:
    """Train, and return the mean return of every update."""
    torch.manual_seed(seed)
    env = make_env()
    size = len(features(env.reset(seed=seed)[0]))  # later resets go on with this seed's generator
    actor = nn.Sequential(nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, 5))
    critic = nn.Sequential(nn.Linear(size, 64), nn.Tanh(), nn.Linear(64, 1), nn.Flatten(0))
    optimiser = torch.optim.Adam([*actor.parameters(), *critic.parameters()], lr=1e-2)
    curve = []
    for update in range(updates):
        played = [play(env, actor) for _ in range(episodes)]
        seen = torch.stack([x for episode, _, _ in played for x in episode])
        done = torch.tensor([action for _, chosen, _ in played for action in chosen])
        returns = torch.tensor([total for _, chosen, total in played for _ in chosen])
        loss = reinforce_loss(actor(seen), critic(seen), done, returns)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        curve.append(float(np.mean([total for _, _, total in played])))
        if update % 10 == 9:
            print(f"update {update + 1}: return {curve[-1]:.2f}, turns {len(done) / episodes:.2f}")
    env.close()
    return curve


if __name__ == "__main__":
    tyro.cli(main)
