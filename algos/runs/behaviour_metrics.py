"""What a policy does, in numbers: which actions, how many frames, where episodes end, what pays.

Every number is over the episodes that did not fail. None means not measured: nobody said what the
stop token is, or which tools there were.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import median

from algos.evaluation.sample_rows import overview_end
from algos.rollout.trajectory import Trajectory, Turn
from algos.runs.metrics import MetricsRow
from sage_env import Answer, UseTool
from sage_env.actions.action import ACTION_NAMES
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of

FRAMES = "rollout/frames/"
"""Before a bucket's name: mean frames on videos of that many seconds, the overview included."""


def behaviour_row(
    trajectories: Sequence[Trajectory],
    *,
    stop_token: int | None = None,
    has_tools: bool | None = None,
) -> MetricsRow:
    """Return what was done in some episodes; failed ones are left out.

    Args:
        trajectories: the episodes.
        stop_token: the id that ends a completion, where the policy says it.
        has_tools: whether the environment has tools, where it says so.
    """
    whole = [t for t in trajectories if t.error is None]
    turns = [turn for t in whole for turn in t.turns]
    return {
        **_actions(turns),
        **_frames(whole),
        **_completions(turns, stop_token),
        "rollout/out_of_turns": _mean(
            reason == "out_of_turns" for t in whole if (reason := _ended(t)) is not None
        ),
        "rollout/first_turn_answer": _mean(
            isinstance(t.turns[0].decision.action, Answer) for t in whole if t.turns
        ),
        "rollout/tool_skip": _mean(not _used_a_tool(t) for t in whole) if has_tools else None,
        "rollout/late_tools": sum(t.hindered for t in whole) if has_tools and whole else None,
    }


def reward_row(trajectories: Sequence[Trajectory]) -> MetricsRow:
    """Return `reward/TERM`: what each term brought per episode, in the mean over all episodes.

    An episode without a term got nothing from it, so that the terms add up to the mean return.

    Args:
        trajectories: episodes that did not fail.
    """
    sums: dict[str, float] = defaultdict(float)
    for turn in (turn for t in trajectories for turn in t.turns):
        for name, value in (turn.info.get("reward_terms") or {}).items():
            sums[name] += float(value)
    return {f"reward/{name}": total / len(trajectories) for name, total in sorted(sums.items())}


def _actions(turns: Sequence[Turn]) -> MetricsRow:
    """Return the share of turns by action, those that never occurred included."""
    taken = [type(turn.decision.action) for turn in turns]
    return {
        f"actions/{name}": _mean(k is kind for k in taken) for kind, name in ACTION_NAMES.items()
    }


def _frames(trajectories: Sequence[Trajectory]) -> MetricsRow:
    """Return least, median and most frames of an episode, and the mean by length of the video."""
    seen = [_frames_of(t) for t in trajectories]
    row: MetricsRow = {
        "rollout/frames_min": min(seen, default=None),
        "rollout/frames_median": median(seen) if seen else None,
        "rollout/frames_max": max(seen, default=None),
    }
    found: dict[str, list[int]] = {bucket: [] for bucket in BUCKETS}
    for trajectory, frames in zip(trajectories, seen, strict=True):
        if (duration := overview_end(trajectory)) is not None:
            found[bucket_of(duration)].append(frames)
    return row | {f"{FRAMES}{bucket}": _mean(values) for bucket, values in found.items() if values}


def _completions(turns: Sequence[Turn], stop_token: int | None) -> MetricsRow:
    """Return sampled tokens per turn, and the share of turns that ended without the stop token."""
    spoken = [t.decision.tokens.completion for t in turns if t.decision.tokens is not None]
    cut = None
    if stop_token is not None:
        cut = _mean(not len(ids) or int(ids[-1]) != stop_token for ids in spoken)
    return {"rollout/tokens_per_turn": _mean(len(x) for x in spoken), "rollout/length_limit": cut}


def _frames_of(trajectory: Trajectory) -> int:
    infos = [trajectory.start_info, *(turn.info for turn in trajectory.turns)]
    return sum(len(info.get("frame_seconds") or ()) for info in infos)


def _ended(trajectory: Trajectory) -> str | None:
    return trajectory.turns[-1].info.get("stop_reason") if trajectory.turns else None


def _used_a_tool(trajectory: Trajectory) -> bool:
    return any(isinstance(turn.decision.action, UseTool) for turn in trajectory.turns)


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
