"""Recorded episodes for the update benchmark: six turns with frames in each, of real videos."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import gymnasium as gym
import numpy as np
import torch
from numpy.typing import NDArray

from algos.batching.token_batches import by_micro_batch, collate
from algos.ppo.targets import Targets
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.sft.teacher_tokens import TeacherTokens
from policies.base import Decision, Observation, TokenBatch
from policies.sage_mm import SageMM
from sage_env import Answer, Zoom, format_action
from sage_env.synth import sage_synth

TURNS, OVERVIEW, ZOOM_FRAMES = 6, 12, 8


@dataclass(frozen=True, eq=False)
class Recorded:
    """Whole episodes, with the pixels of their frames for a trainer that caches no features.

    Attributes:
        batch: B episodes; old log-probs are those of the policy that will be trained.
        groups: question of each episode.
        pixels: uint8 `(H, W, 3)` of every frame, by its key.
    """

    batch: TokenBatch
    groups: list[str]
    pixels: dict[bytes, NDArray[np.uint8]]


class Explorer:
    """A policy that zooms anywhere until its last turn, then answers with a random choice.

    Attributes:
        shown: frames of all observations, uint8 `(H, W, 3)` each.
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
    """Play episodes of the first questions of SageSynth's training split, core tier.

    Args:
        policy: gives tokens, features and log-probs; the actions are an `Explorer`'s.
        questions: number of questions.
        episodes: number of episodes of each question.
        root: folder of the videos.

    Raises:
        RuntimeError: if an episode failed, or has a turn without frames.
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
    """Raise if an episode failed, or has not six turns with frames in each."""
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

    An episode of turns 0, 1, 2 becomes rows 0, 01 and 012, in which the last turn alone is trained:
    as many trained tokens, but earlier turns are computed again and again.

    Args:
        batch: whole episodes, all frames of one size.
        targets: of these episodes.
        episodes: places in the batch of those that are cut.
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
