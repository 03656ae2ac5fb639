"""What hearing is worth: spoken questions with the tool `transcribe`, and without.

    python -m benchmarks.speech.spoken_answers --videos 21

The videos of sage-synth-spoken are made where they are missing, with the synthesiser that is
installed; Whisper listens. Chance is one of the choices, or one of all words where there are none.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import tyro

from algos.metrics.estimates import share_estimate
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from policies.baselines.listener import Listener
from sage_env.datasets.item import QAItem
from sage_env.datasets.preparing import prepare_videos
from sage_env.env import VideoQAEnv
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.script import WORDS


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is played."""

    videos: int = 21
    """How many videos of the split: as many of each duration bucket, in multiples of 7."""
    split: str = "test"
    """Of sage-synth-spoken; its words were chosen on train videos."""
    root: Path | None = None
    """Folder of the videos."""
    tool: str = "transcribe?language=en"
    """What the policy may call."""
    max_turns: int = 20
    """Of an episode: two hours take twelve calls."""
    seed: int = 0
    """Of what is guessed."""
    workers: int | None = None
    """Processes that make the videos."""


def played(items: Sequence[QAItem], tools: tuple[str, ...], settings: Settings) -> list[Trajectory]:
    """Return an episode of each question."""
    env = VideoQAEnv(dataset=items, max_turns=settings.max_turns, max_frames=64, tools=tools)
    specs = [EpisodeSpec(item_id=item.id, seed=0, name=item.id) for item in items]
    return collect([env], Listener(), specs, seed=settings.seed)


def is_right(episode: Trajectory) -> bool:
    """Return whether an episode ended with the right answer; one that failed did not."""
    return bool(episode.turns) and episode.turns[-1].info.get("correct") is True


def main() -> None:
    """Play with the tool and without, and print how many answers are right."""
    settings = tyro.cli(Settings, description=__doc__)
    dataset = sage_synth_spoken(settings.root, settings.split, count=settings.videos)
    prepare_videos([dataset], workers=settings.workers)
    items = [item for item in dataset if item.group["family"] == "spoken"]
    chance = sum(1 / len(item.choices or WORDS) for item in items) / max(1, len(items))
    print(f"{len(items)} spoken questions about {settings.videos} videos, chance {chance:.3f}")
    for name, tools in (("with", (settings.tool,)), ("without", ())):
        episodes = played(items, tools, settings)
        right = [is_right(episode) for episode in episodes]
        buckets: dict[str, list[bool]] = defaultdict(list)
        for item, one in zip(items, right, strict=True):
            buckets[item.group["bucket"]].append(one)
        told = ", ".join(f"{bucket} {sum(ones)}/{len(ones)}" for bucket, ones in buckets.items())
        low, high = share_estimate(right, [item.video for item in items]).interval or (0.0, 1.0)
        share = f"{sum(right)} of {len(right)}, 95 % [{low:.2f}, {high:.2f}] over videos"
        print(f"{name} {settings.tool}: {sum(right) / max(1, len(right)):.3f} ({share}); {told}")
        for episode in episodes:
            if episode.error:
                print(f"  failed: {episode.item_id}: {episode.error}")


if __name__ == "__main__":
    main()
