"""Recorded episodes for `ppo_step.py`: six turns, frames in every one, real videos, real tokens."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from algos.batching.token_batches import by_micro_batch, collate
from algos.ppo.update import Targets
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.sft import TeacherTokens
from policies.base import Decision, Observation, TokenBatch
from policies.sage_mm import SageMM
from sage_env import Answer, Zoom, format_action
from sage_env.synth import sage_synth

TURNS, OVERVIEW, ZOOM_FRAMES = 6, 12, 8


@dataclass(frozen=True, eq=False)
class Recorded:
    """Whole episodes and what the vision tower would have to be shown again.

    Attributes:
        batch: the episodes; log-probs are those of the policy that is to be trained.
        groups: the question of each.
        pixels: uint8 `(H, W, 3)` of every frame, by its key.
    """

    batch: TokenBatch
    groups: list[str]
    pixels: dict[bytes, NDArray[np.uint8]]


class Explorer:
    """Zooms anywhere until its last turn, then answers with one of the choices.

    Attributes:
        shown: the frames of all observations.
    """

    def __init__(self) -> None:
        """Start with no episode."""
        self.shown: list[NDArray[np.uint8]] = []
        self.reset()

    def reset(self, *, seed: int | None = None) -> None:
        """Forget all episodes."""
        self._random: dict[Hashable, np.random.Generator] = {}
        self._seed = seed or 0

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Forget these episodes."""
        for name in episodes:
            del self._random[name]

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        """Choose one action per observation."""
        decisions = []
        for observation, name in zip(observations, episodes, strict=True):
            entropy = [self._seed, int(str(name))]
            random = self._random.setdefault(name, np.random.default_rng(entropy))
            self.shown += list(observation["frames"][: int(observation["num_frames"])])
            action, thought = self._choose(observation, random)
            decisions.append(Decision(action, format_action(action, thought)))
        return decisions

    def _choose(
        self, observation: Observation, random: np.random.Generator
    ) -> tuple[Zoom | Answer, str]:
        if int(observation["turns_left"]) == 1:
            choices = str(observation["choices"]).split("\n")
            return Answer(choices[int(random.integers(len(choices)))] or "star"), "red star"
        duration = float(observation["duration"])
        start, end = np.sort(random.uniform(0, duration, 2)).round(1).tolist()
        end = max(end, min(start + 1.0, duration))
        return Zoom(min(start, end - 0.5), end, ZOOM_FRAMES), "red empty"


def record(policy: SageMM, questions: int, episodes: int, root: Path | None = None) -> Recorded:
    """Play `episodes` episodes of each of `questions` questions about ten-second to long videos.

    Args:
        policy: whose tokens and features they are; it does not choose.
        questions: different ones, in the order of the data set.
        episodes: of each.
        root: folder of the videos.
    """
    dataset = sage_synth(root, "train")
    asked = [item for item in dataset if item.group["tier"] == "core" and item.choices]
    options = dict(policy.env_options) | {
        "overview_frames": OVERVIEW,
        "frames_per_turn": ZOOM_FRAMES,
        "max_turns": TURNS,
        "max_frames": OVERVIEW + (TURNS - 1) * ZOOM_FRAMES,
    }
    specs = [EpisodeSpec(asked[i].id, i) for i in range(questions) for _ in range(episodes)]
    explorer = Explorer()
    scribe = TeacherTokens(explorer, policy.model.tokens, policy.model.encoder)
    envs = [gym.make("SageVideoQA-v0", dataset=dataset, **options) for _ in range(4)]
    try:
        played = collect(envs, scribe, specs, seed=0)
    finally:
        for env in envs:
            env.close()
    _require_six_turns(played)
    batch = collate(played, policy.temperature)
    batch.old_logprobs = by_micro_batch(lambda part: policy.evaluate(part).logprobs, batch, 8)
    (keys,) = policy.model.encoder.encode([np.stack(explorer.shown)])
    pixels = dict(zip(keys, explorer.shown, strict=True))
    return Recorded(replace(batch, cache={}), [str(t.item_id) for t in played], pixels)


def _require_six_turns(played: Sequence[Trajectory]) -> None:
    """Refuse episodes that are not what the benchmark is about."""
    for trajectory in played:
        if trajectory.error is not None:
            raise RuntimeError(f"an episode of {trajectory.item_id} failed: {trajectory.error}")
        looks = [len(t.decision.tokens.frames) for t in trajectory.turns if t.decision.tokens]
        if len(looks) != TURNS or not all(looks):
            raise RuntimeError(f"expected {TURNS} turns with frames in each, got {looks}")


def as_rows(
    batch: TokenBatch, targets: Targets, episodes: Sequence[int], frame_pad: int
) -> tuple[TokenBatch, Targets]:
    """Make each turn a row of its own with all that came before it, as row-per-turn trainers do.

    Args:
        batch: whole episodes, all frames of one size.
        targets: theirs.
        episodes: which of them.
        frame_pad: id of a visual token.
    """
    pairs = [(e, turn) for e in episodes for turn in range(int(batch.turn[e].max()) + 1)]
    index = [episode for episode, _ in pairs]
    turns = torch.tensor([turn for _, turn in pairs])[:, None]
    seen = (batch.turn[index] <= turns) & batch.attention[index]
    own = batch.turn[index] == turns
    ids = batch.ids[index] * seen
    shown = len(batch.frames[0])
    per_frame = int((batch.ids[0] == frame_pad).sum()) // shown
    counts = ((ids == frame_pad).sum(1) // per_frame).tolist()
    rows = TokenBatch(
        ids=ids,
        attention=seen,
        sampled=batch.sampled[index] & own,
        turn=batch.turn[index].where(seen, -1),
        old_logprobs=batch.old_logprobs[index],
        rewards=batch.rewards[index] * own,
        frames=[batch.frames[e][:n] for e, n in zip(index, counts, strict=True)],
        temperature=batch.temperature,
    )
    return rows, targets.select(index, batch.ids.shape[1])
