"""What stands in an episode's tokens is checked against what happened: prefixes, frames, times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from algos.exactness.check_result import CheckResult
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import TurnTokens, context_digest
from policies.introspection import DetokenizingPolicy

ROUNDING = 0.0502  # times are written with one decimal; the rest is float32 at two hours
SHOWN = 24  # ids of a prompt that a problem quotes


def check_prefixes(
    trajectories: Sequence[Trajectory], rows: Sequence[NDArray[np.int64]] | None = None
) -> CheckResult:
    """Check that every turn's context is the last turn's, extended, token for token.

    The sampler leaves a digest of the tokens that it held when it began each turn. They must be the
    recorded tokens up to there.

    Args:
        trajectories: the episodes.
        rows: their token ids as the learner reads them, without padding; by default the recorded
            ones.
    """
    turns, problem = 0, ""
    for number, trajectory in enumerate(trajectories):
        recorded = trajectory.token_ids
        ids = recorded if rows is None else rows[number]
        length = 0
        for k, tokens in _spoken(trajectory):
            begin, length = length, length + len(tokens.prompt)
            if tokens.context:
                turns += 1
                if not problem and context_digest(ids[:length]) != tokens.context:
                    problem = _prefix_problem(trajectory, k, ids, recorded, begin, length)
            length += len(tokens.completion)
    return CheckResult(
        "prefix identity",
        f"{turns} turns" if turns else "",
        problem,
        {"proof/prefix_turns": turns or None},
    )


def _prefix_problem(
    trajectory: Trajectory,
    turn: int,
    ids: NDArray[np.int64],
    recorded: NDArray[np.int64],
    begin: int,
    length: int,
) -> str:
    shortest = min(len(ids), len(recorded))
    differ = np.flatnonzero(ids[:shortest] != recorded[:shortest])
    where = (
        f"the first that differs from the record is at position {differ[0]}: id "
        f"{ids[differ[0]]} instead of {recorded[differ[0]]}"
        if len(differ)
        else f"the turn's prompt begins at position {begin} with the ids "
        f"{recorded[begin : begin + SHOWN].tolist()}"
    )
    return (
        f"item {trajectory.item_id!r}, turn {turn}: the {length} tokens up to the end of its "
        f"prompt are not those that the sampler held; {where}. Tokens were changed, dropped or "
        "made anew between sampling and learning"
    )


def check_frames(
    policy: DetokenizingPolicy, trajectories: Sequence[Trajectory]
) -> list[CheckResult]:
    """Check the frames in the prompts: their number, their visual tokens, and their times."""
    frames = tokens = 0
    worst = 0.0
    wrong_count = wrong_time = ""
    for trajectory in trajectories:
        for k, spoken in _spoken(trajectory):
            read = policy.read_frames(spoken.prompt)
            fill = policy.visual_tokens(spoken.frames)
            true = frame_seconds(trajectory, k)
            frames, tokens = frames + len(read), tokens + sum(frame.tokens for frame in read)
            name = f"item {trajectory.item_id!r}, turn {k}"
            if [frame.tokens for frame in read] != fill or len(true) != len(read):
                wrong_count = wrong_count or (
                    f"{name}: the prompt has frames of {[frame.tokens for frame in read]} visual "
                    f"tokens, the features of its frames fill {fill}, and the environment showed "
                    f"{len(true)} frames"
                )
                continue
            for number, (frame, seconds) in enumerate(zip(read, true, strict=True)):
                gap = float("inf") if frame.seconds is None else abs(frame.seconds - seconds)
                worst = max(worst, gap)
                if not gap <= ROUNDING:
                    wrong_time = wrong_time or (
                        f"{name}: frame {number} is shown at {seconds:.3f} seconds, and the text "
                        f"before it says {frame.seconds}, in {policy.read_text(spoken.prompt)!r}"
                    )
    return [
        CheckResult(
            "image tokens",
            f"{tokens} tokens of {frames} frames" if frames else "",
            wrong_count,
            {"proof/frames": frames, "proof/image_tokens": tokens},
        ),
        CheckResult(
            "times of frames",
            f"off by at most {worst:.3f} s" if frames else "",
            wrong_time,
            {"proof/max_time_error": worst if frames else None},
        ),
    ]


def frame_seconds(trajectory: Trajectory, turn: int) -> list[float]:
    """Return when the frames that a turn's prompt shows are presented, in seconds."""
    info = trajectory.turns[turn - 1].info if turn else trajectory.start_info
    return [float(second) for second in info.get("frame_seconds") or ()]


def _spoken(trajectory: Trajectory) -> Iterator[tuple[int, TurnTokens]]:
    turns: list[Turn] = trajectory.turns
    for k, turn in enumerate(turns):
        if turn.decision.tokens is not None:
            yield k, turn.decision.tokens
