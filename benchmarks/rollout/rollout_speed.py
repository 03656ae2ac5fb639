"""Speed of rollouts with SAGE-MM, against prefilling the whole conversation again at every turn.

    python -m benchmarks.rollout.rollout_speed [--rounds 5] [--questions 2] [--rollouts 8]
        [--out benchmarks/reports]

Groups of rollouts of SageSynth questions are played with `sage-mm-tiny`, greedily, for six turns:
the overview, then five zooms whose windows are drawn beforehand, so that all contestants see the
same frames at the same times. Replies are generated and decide nothing. Contestants:

- ours: append-only contexts, keys and values kept over turns, shared prefixes, cached frames;
- ours without the frame cache: every frame of every observation is encoded;
- `generate` of transformers on the conversation, rendered anew each turn, with all its frames.

The last one gets our patchify, and all episodes as one left-padded batch. Figures are CPU time of
one process on one thread: medians of interleaved rounds after one warm-up round. Videos are decoded
in every round, outside of the contestants, since all of them need the same frames.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
import transformers
import tyro

import sage_env  # noqa: F401  # registers the environment
from algos.evaluation.tables import format_table
from benchmarks.provenance import header, publish, versions
from benchmarks.rollout.renderer import RerenderingPlayer, UncachedEncoder
from benchmarks.timing import median_ratio
from policies.base import Observation
from policies.sage_mm import SageMM
from policies.sage_mm.model.pretrained import SHIPPED
from policies.sage_mm.model.sage_model import SageModel, load
from policies.sage_mm.stage_timer import ENCODE, GENERATE, PREFILL
from policies.sage_mm.vision.frame_encoder import FrameEncoder
from sage_env.actions.action import Zoom

TURNS = 6  # of an episode
LIMIT = 4.0  # bar: times the tokens per second of the peer
OURS, UNCACHED, RENDERED = "ours", "ours, no frame cache", "generate, rendered anew"
ShownTurns = list[Observation]


@dataclass(frozen=True)
class Settings:
    """Settings of the benchmark."""

    rounds: int = 5
    """Rounds after the warm-up round; figures are medians over them."""
    questions: int = 2
    """Groups that are played together."""
    rollouts: int = 8
    """Episodes of each group."""
    frames: tuple[int, ...] = (6, 12)
    """Frames of each zoom; the model's own environment gives at most 12."""
    max_new_tokens: int = 64
    """Most tokens of a reply."""
    out: Path | None = None
    """Folder to write the report to."""


@dataclass
class RolloutCost:
    """What one contestant did in one round.

    Attributes:
        tokens: sampled tokens.
        seconds: CPU time.
        encodes_per_frame: passes of the vision tower per distinct frame.
        parts: CPU seconds by stage of a turn.
        replies: token ids of all replies.
    """

    tokens: int
    seconds: float
    encodes_per_frame: float
    parts: dict[str, float] = field(default_factory=dict)
    replies: list[list[int]] = field(default_factory=list)

    @property
    def speed(self) -> float:
        """Return the sampled tokens per CPU second."""
        return self.tokens / self.seconds


def record(
    settings: Settings, frames: int, env_options: Mapping[str, Any]
) -> tuple[list[ShownTurns], float]:
    """Play the zooms of all episodes in the environment.

    Args:
        settings: of the benchmark.
        frames: of each zoom.
        env_options: of the model's environment.

    Returns:
        The observations of each episode, and the CPU seconds that the environment took.
    """
    options = dict(env_options) | {"max_turns": TURNS + 1}
    options["max_frames"] = options["overview_frames"] + (TURNS - 1) * frames
    episodes: list[ShownTurns] = []
    began = time.process_time()
    for question in range(settings.questions):
        for rollout in range(settings.rollouts):
            env = gym.make("SageVideoQA-v0", split="test", **options)
            rng = np.random.default_rng([question, rollout])
            observation, _ = env.reset(options={"index": question})
            shown = [observation]
            for _ in range(TURNS - 1):
                duration = float(observation["duration"])
                start = round(rng.uniform(0, 0.8) * duration, 1)
                look = Zoom(start, start + 0.2 * duration, frames)
                shown.append(env.step(look)[0])
            env.close()
            episodes.append(shown)
    return episodes, time.process_time() - began


def ours(
    model: SageModel, settings: Settings, episodes: Sequence[ShownTurns], encoder: FrameEncoder
) -> RolloutCost:
    """Play with SAGE-MM.

    Args:
        model: the network; gets the encoder.
        settings: of the benchmark.
        episodes: observations of each episode.
        encoder: of frames, with no frame in its cache.
    """
    model.encoder, model.timer.clock = encoder, time.process_time
    policy = SageMM(model, temperature=0.0, max_new_tokens=settings.max_new_tokens)
    names, replies = range(len(episodes)), []
    began = time.process_time()
    for turn in range(TURNS):
        decisions = policy.act_batch([episode[turn] for episode in episodes], names)
        replies += [d.tokens.completion.tolist() for d in decisions if d.tokens is not None]
    seconds = time.process_time() - began
    parts = {part: model.timer.seconds(part) for part in (ENCODE, PREFILL, GENERATE)}
    measured = policy.measures()["policy/encodes_per_frame"]
    return RolloutCost(sum(map(len, replies)), seconds, measured, parts, replies)


def rendered(
    model: SageModel, settings: Settings, episodes: Sequence[ShownTurns], tokenizer: Any
) -> RolloutCost:
    """Play by rendering the conversation anew at every turn.

    Args:
        model: the network.
        settings: of the benchmark.
        episodes: observations of each episode.
        tokenizer: of the checkpoint.
    """
    player, replies = RerenderingPlayer(model, tokenizer, settings.max_new_tokens), []
    encoder = FrameEncoder(model.encoder.visual)
    encoder.encode([o["frames"][: o["num_frames"]] for episode in episodes for o in episode])
    began = time.process_time()
    for turn in range(TURNS):
        shown = [episode[turn] for episode in episodes]
        replies += player.act_batch(shown, range(len(episodes)))
    seconds = time.process_time() - began
    repeats = player.encodes / encoder.distinct
    return RolloutCost(sum(map(len, replies)), seconds, repeats, {}, replies)


def measure(settings: Settings, frames: int) -> tuple[dict[str, list[RolloutCost]], list[float]]:
    """Let the contestants play, round by round.

    Returns:
        Costs of each contestant by round, and the CPU seconds of each round's decoding.
    """
    model = load()
    tokenizer = transformers.AutoTokenizer.from_pretrained(SHIPPED)
    visual = model.encoder.visual
    contestants: dict[str, Callable[[list[ShownTurns]], RolloutCost]] = {
        OURS: lambda shown: ours(model, settings, shown, FrameEncoder(visual)),
        UNCACHED: lambda shown: ours(model, settings, shown, UncachedEncoder(visual)),
        RENDERED: lambda shown: rendered(model, settings, shown, tokenizer),
    }
    costs: dict[str, list[RolloutCost]] = {name: [] for name in contestants}
    decoding = []
    for number in range(settings.rounds + 1):
        episodes, seconds = record(settings, frames, model.env_options)
        for name, play in contestants.items():
            cost = play(episodes)
            if number:  # the first round is warm-up, and builds videos that are not there yet
                costs[name].append(cost)
        if number:
            decoding.append(seconds)
    return costs, decoding


def main(settings: Settings) -> None:
    """Measure, print, and write the report if a folder is given."""
    torch.set_num_threads(1)
    lines = [
        *header(
            "Rollouts against rendering anew",
            "benchmarks.rollout.rollout_speed",
            libraries=versions("torch", "transformers"),
            remark="one thread",
        ),
        f"- sage-mm-tiny, {settings.questions} questions, {settings.rollouts} rollouts each, "
        f"{TURNS} turns, greedy; CPU time, medians of {settings.rounds} rounds",
        "",
    ]
    for frames in settings.frames:
        lines += section(frames, *measure(settings, frames))
    publish("\n".join(lines), settings.out, "rollout.md")


def section(
    frames: int, costs: Mapping[str, Sequence[RolloutCost]], decoding: Sequence[float]
) -> list[str]:
    """Return the lines on one number of frames, as Markdown.

    Args:
        frames: of each zoom.
        costs: of each contestant, by round.
        decoding: CPU seconds of each round's decoding.
    """
    best, rows = costs[OURS], []
    for name, found in costs.items():
        ratio = median_ratio((a.speed for a in best), (b.speed for b in found))
        pairs = list(zip(best[0].replies, found[0].replies, strict=True))
        numbers = (
            f"{statistics.median(cost.speed for cost in found):.0f}",
            f"{statistics.median(cost.seconds for cost in found):.2f}",
            f"{ratio:.2f}",
            f"{statistics.median(cost.encodes_per_frame for cost in found):.2f}",
            f"{sum(a == b for a, b in pairs) / len(pairs):.0%}",
        )
        rows.append((name, *numbers))
    columns = ("contestant", "tokens/s", "CPU s", "ours is faster", "encodes/frame", "same replies")
    fast = "met" if float(rows[-1][3]) >= LIMIT else "NOT MET"
    once = "met" if all(cost.encodes_per_frame == 1 for cost in best) else "NOT MET"
    return [
        f"## {frames} frames a look",
        "",
        f"- {best[0].tokens} sampled tokens in a round",
        f"- bar: {LIMIT:.0f} times the tokens per second of `generate`, rendered anew: {fast}; "
        f"each frame encoded once: {once}",
        "",
        "```",
        format_table(columns, rows),
        "```",
        "",
        "Share of the time of our rollouts, decoding of video included:",
        "",
        "```",
        format_table(("part", "CPU s", "share"), shares(best, decoding)),
        "```",
        "",
    ]


def shares(costs: Sequence[RolloutCost], decoding: Sequence[float]) -> list[tuple[str, str, str]]:
    """Return a row for each part of a rollout: its median CPU time, and its share of all parts."""
    parts = {"decode": statistics.median(decoding)}
    for name in (ENCODE, PREFILL, GENERATE):
        parts[name] = statistics.median(cost.parts[name] for cost in costs)
    rest = statistics.median(cost.seconds - sum(cost.parts.values()) for cost in costs)
    parts["rest (prompts, actions)"] = rest
    total = sum(parts.values())
    return [(name, f"{x:.2f}", f"{x / total:.0%}") for name, x in parts.items()]


if __name__ == "__main__":
    main(tyro.cli(Settings))
