"""Laws of `algos.exactness.prompt_checks` and `check_result`: three lists agree, by frame."""

from __future__ import annotations

import numpy as np
import pytest

from algos.exactness.check_result import CheckResult, ExactnessError, require_all
from algos.exactness.prompt_checks import check_frames
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import Decision, TurnTokens
from policies.introspection import PromptFrame
from sage_env import Answer

NAN = float("nan")


class Prompts:
    """Reads prompts of one id, which stands for a list of frames; each frame fills two tokens."""

    def __init__(self, *read: list[PromptFrame]) -> None:
        self.read = read

    def read_frames(self, ids: np.ndarray) -> list[PromptFrame]:
        return self.read[int(ids[0])]

    def visual_tokens(self, keys: tuple[bytes, ...]) -> list[int]:
        return [2] * len(keys)

    def read_text(self, ids: np.ndarray) -> str:
        return f"prompt {int(ids[0])}"


def episode(*shown: list[float], keys: list[int] | None = None) -> Trajectory:
    """An episode whose prompt k shows frames at the times `shown[k]`."""
    turns = []
    for k in range(len(shown)):
        count = len(shown[k]) if keys is None else keys[k]
        tokens = TurnTokens(
            np.array([k]), np.array([0]), np.zeros(1, np.float32), tuple([b"x"] * count)
        )
        after = shown[k + 1] if k + 1 < len(shown) else []
        turns.append(Turn(Decision(Answer("a"), "a", tokens), 0.0, {"frame_seconds": after}))
    return Trajectory("q", 0, turns, {"frame_seconds": shown[0]})


def frames(*seconds: float | None) -> list[PromptFrame]:
    return [PromptFrame(second, 2) for second in seconds]


def test_what_agrees_is_counted_and_the_largest_gap_is_told() -> None:
    policy = Prompts(frames(1.0, 2.0), frames(7.3))
    counts, times = check_frames(policy, [episode([1.0, 2.04], [7.33])])
    assert counts.verdict == times.verdict == "ok"
    assert counts.metrics == {"proof/frames": 3, "proof/image_tokens": 6}
    assert times.metrics["proof/max_time_error"] == pytest.approx(0.04)


@pytest.mark.parametrize("written", [1.2, 0.9, None, NAN])
def test_a_written_time_that_is_not_the_frames_is_a_problem(written) -> None:
    policy = Prompts(frames(0.5), frames(3.0, written))
    counts, times = check_frames(policy, [episode([0.5], [3.0, 1.05])])
    assert counts.verdict == "ok" and times.verdict == "FAILED"
    assert "turn 1: frame 1 is shown at 1.050 seconds" in times.problem
    assert "'prompt 1'" in times.problem


@pytest.mark.parametrize(
    ("read", "shown", "keys"),
    [
        (frames(1.0, 2.0), [1.0], 2),  # the environment showed fewer
        (frames(1.0), [1.0], 2),  # features of more frames
        ([PromptFrame(1.0, 3)], [1.0], 1),  # a visual token too many
    ],
)
def test_numbers_that_do_not_agree_are_a_problem_and_no_times_are_paired(read, shown, keys) -> None:
    counts, times = check_frames(Prompts(read), [episode(shown, keys=[keys])])
    assert counts.verdict == "FAILED" and "item 'q', turn 0" in counts.problem
    assert times.problem == ""


def test_the_first_offence_is_told() -> None:
    policy = Prompts(frames(9.0), frames(9.0))
    times = check_frames(policy, [episode([1.0], [2.0])])[1]
    assert "turn 0: frame 0 is shown at 1.000" in times.problem


def test_a_problem_stops_the_checks_and_without_one_all_metrics_are_there() -> None:
    good = CheckResult("a", "1", metrics={"proof/a": 1.0})
    more = CheckResult("b", metrics={"proof/b": None})
    assert require_all([good, more]) == {"proof/a": 1.0, "proof/b": None}
    assert (good.verdict, more.verdict) == ("ok", "not measured")
    ran = []

    def checks():
        yield CheckResult("c", "1", "weights moved")
        ran.append("later")
        yield good

    with pytest.raises(ExactnessError, match="weights moved"):
        require_all(checks())
    assert not ran
