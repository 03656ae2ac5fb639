"""Laws of `algos.ppo.training`: what our side failed, or was late in, is in no loss or group."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from algos.ppo.training import _learned_from  # noqa: E402
from algos.rollout.playing import EpisodeSpec  # noqa: E402
from algos.rollout.trajectory import Trajectory, Turn  # noqa: E402
from policies.base import Decision  # noqa: E402
from sage_env import Answer  # noqa: E402
from sage_env.errors import SageEnvError  # noqa: E402


def played(error: str | None = None, **calls: int) -> Trajectory:
    turn = Turn(Decision(Answer("x"), ""), 1.0, {"tool_calls": calls})
    return Trajectory("q", 0, [turn], {}, terminated=True, error=error)


def test_the_others_keep_the_group_of_their_own_question() -> None:
    specs = [EpisodeSpec(f"q{k // 2}", k) for k in range(6)]
    episodes = [played(late=1), played(ok=1), played("VideoError: gone"), played(late=1, ok=2)]
    episodes += [played(refused=1), played()]
    kept, groups = _learned_from(specs, episodes, 3)
    assert kept == [episodes[1], episodes[4], episodes[5]]
    assert groups[1] == groups[2] != groups[0]
    assert groups == _learned_from(specs, [played() for _ in specs], 3)[1][1:2] + groups[1:]


def test_if_none_is_left_the_update_ends_with_a_reason() -> None:
    specs = [EpisodeSpec("q", 0), EpisodeSpec("q", 1)]
    with pytest.raises(SageEnvError, match="all 2 episodes of update 3 failed; first: a tool was"):
        _learned_from(specs, [played(late=1), played("x")], 3)
    with pytest.raises(SageEnvError, match="failed; first: VideoError: gone"):
        _learned_from(specs, [played("VideoError: gone"), played(late=1)], 3)
