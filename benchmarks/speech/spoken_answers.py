"""Spoken questions with the tool `transcribe`, and without: the same policy, the same episodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from algos.metrics.estimates import share_estimate
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from policies.baselines.listener import Listener
from sage_env.datasets.item import QAItem
from sage_env.datasets.preparing import prepare_videos
from sage_env.env import VideoQAEnv
from sage_env.synth.spoken.dataset import sage_synth_spoken
from sage_env.synth.spoken.script import WORDS

TURNS, FRAMES = 20, 64
"""Budget of an episode: two hours take twelve calls of ten minutes."""
SEED = 0
"""Of what is guessed."""


def answer_lines(videos: int, root: Path | None, tool: str) -> list[str]:
    """Return lines of a report: right answers with a tool, without, and by chance.

    Chance is one of the choices, or one of all words where there are none.

    Args:
        videos: how many of the first test videos, which are made where they are missing.
        root: folder of the videos; `None` for the default.
        tool: name and settings.
    """
    dataset = sage_synth_spoken(root, "test", count=videos)
    prepare_videos([dataset])
    items = [item for item in dataset if item.group["family"] == "spoken"]
    chance = sum(1 / len(item.choices or WORDS) for item in items) / max(1, len(items))
    lines = [f"{len(items)} spoken questions about {videos} test videos, chance {chance:.3f}"]
    for name, tools in ((f"with {tool}", (tool,)), ("without", ())):
        episodes = _played(items, tools)
        lines.append(f"{name}: {_counted(items, [_is_right(one) for one in episodes])}")
        lines += [f"failed: {one.item_id}: {one.error}" for one in episodes if one.error]
    return lines


def _played(items: Sequence[QAItem], tools: tuple[str, ...]) -> list[Trajectory]:
    """Return an episode of each question."""
    env = VideoQAEnv(dataset=items, max_turns=TURNS, max_frames=FRAMES, tools=tools)
    specs = [EpisodeSpec(item_id=item.id, seed=SEED, name=item.id) for item in items]
    return collect([env], Listener(), specs, seed=SEED)


def _is_right(episode: Trajectory) -> bool:
    """Return whether an episode ended with the right answer; one that failed did not."""
    return bool(episode.turns) and episode.turns[-1].info.get("correct") is True


def _counted(items: Sequence[QAItem], right: Sequence[bool]) -> str:
    """Return the share of right answers, its interval, and the counts by length of video."""
    buckets: dict[str, list[bool]] = defaultdict(list)
    for item, one in zip(items, right, strict=True):
        buckets[item.group["bucket"]].append(one)
    by_length = ", ".join(f"{name} s {sum(ones)}/{len(ones)}" for name, ones in buckets.items())
    low, high = share_estimate(right, [item.video for item in items]).interval or (0.0, 1.0)
    share = f"{sum(right) / max(1, len(right)):.3f} ({sum(right)} of {len(right)}"
    return f"{share}, 95 % [{low:.3f}, {high:.3f}] over videos); {by_length}"
