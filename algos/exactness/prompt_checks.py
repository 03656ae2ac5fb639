"""Prompt checks: an episode's tokens against what happened (prefixes, frames, times)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from algos.exactness.check_result import CheckResult
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import TurnTokens, context_digest
from policies.introspection import DetokenizingPolicy, PromptFrame

ROUNDING = 0.0502
"""Largest allowed gap between a written and a true time, in seconds: half of the one decimal that
is written, and 2e-4 for times that went through float32, whose steps at two hours are 4.9e-4 s.
Revisit if times are written with another precision, or for videos above 8192 s, where the steps
double."""
SHOWN = 24
"""Ids of a prompt that a problem quotes: enough to find the place in the stored episode."""


def check_prefixes(
    trajectories: Sequence[Trajectory], rows: Sequence[NDArray[np.int64]] | None = None
) -> CheckResult:
    """Check that every turn's context is the previous turn's, extended, token for token.

    The sampler leaves a digest of the tokens in its context at the end of each turn's prompt. The
    learner's ids up to there must have the same digest. With two turns of prompt P and completion
    C, the digests are of `P0` and of `P0 C0 P1`.

    Args:
        trajectories: the episodes.
        rows: int64 `(L,)` each, their token ids as the learner reads them, without padding; by
            default the recorded ones.
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
    """Check the frames in the prompts: their number, their visual tokens, and their times.

    For every prompt three lists must agree, frame by frame:

    | list | comes from |
    |---|---|
    | visual tokens and time of each frame | the prompt's token ids, read back |
    | visual tokens that each frame's features fill | the vision tower |
    | the time at which each frame is presented | the environment's `info` |

    Returns:
        Two results: of numbers and visual tokens, and of times. A prompt whose numbers are wrong is
        not in the second: its frames cannot be paired with times.
    """
    frames = tokens = 0
    worst, wrong_count, wrong_time = 0.0, "", ""
    for trajectory in trajectories:
        for k, spoken in _spoken(trajectory):
            read, shown = policy.read_frames(spoken.prompt), frame_seconds(trajectory, k)
            frames, tokens = frames + len(read), tokens + sum(frame.tokens for frame in read)
            name = f"item {trajectory.item_id!r}, turn {k}"
            if problem := _count_problem(policy, spoken, read, len(shown)):
                wrong_count = wrong_count or f"{name}: {problem}"
                continue
            gaps = [_time_gap(frame, second) for frame, second in zip(read, shown, strict=True)]
            worst = max([worst, *gaps])
            if problem := _time_problem(policy, spoken, read, shown, gaps):
                wrong_time = wrong_time or f"{name}: {problem}"
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


def _count_problem(
    policy: DetokenizingPolicy, spoken: TurnTokens, read: Sequence[PromptFrame], shown: int
) -> str:
    """Say how the number of frames or of their visual tokens is wrong; "" if it is right."""
    written, filled = [frame.tokens for frame in read], policy.visual_tokens(spoken.frames)
    if written == filled and len(read) == shown:
        return ""
    return (
        f"the prompt has frames of {written} visual tokens, the features of its frames fill "
        f"{filled}, and the environment showed {shown} frames"
    )


def _time_gap(frame: PromptFrame, second: float) -> float:
    """Return the seconds between a frame's written and true time; inf where none is written."""
    return float("inf") if frame.seconds is None else abs(frame.seconds - second)


def _time_problem(
    policy: DetokenizingPolicy,
    spoken: TurnTokens,
    read: Sequence[PromptFrame],
    shown: Sequence[float],
    gaps: Sequence[float],
) -> str:
    """Describe the first frame whose written time is not its true one; "" if there is none."""
    # "not <=" rather than ">": a nan is an offence too.
    first = next((k for k, gap in enumerate(gaps) if not gap <= ROUNDING), None)
    if first is None:
        return ""
    return (
        f"frame {first} is shown at {shown[first]:.3f} seconds, and the text before it says "
        f"{read[first].seconds}, in {policy.read_text(spoken.prompt)!r}"
    )


def frame_seconds(trajectory: Trajectory, turn: int) -> list[float]:
    """Return when the frames that a turn's prompt shows are presented, in seconds."""
    info = trajectory.turns[turn - 1].info if turn else trajectory.start_info
    return [float(second) for second in info.get("frame_seconds") or ()]


def _spoken(trajectory: Trajectory) -> Iterator[tuple[int, TurnTokens]]:
    turns: list[Turn] = trajectory.turns
    for k, turn in enumerate(turns):
        if turn.decision.tokens is not None:
            yield k, turn.decision.tokens
