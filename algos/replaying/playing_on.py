"""An episode from a turn on: the turns before as they were, the rest as a policy plays it now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from algos.replaying.dropped_look import DroppedLook
from algos.replaying.given_turns import GivenTurns, OtherTurn
from algos.replaying.recorded import RecordedEpisode, ReplayError
from algos.rollout.anytime import believing
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from policies.briefing import RecallingPolicy
from sage_env.env import VideoQAEnv
from sage_env.errors import SageEnvError, type_and_text

Before = Literal["nothing", "chosen again", "recalled"]
"""How the policy came by the turns before: there were none, it chose the same ones again, or it was
told of them."""


@dataclass(frozen=True, eq=False)
class Replayed:
    """An episode that was played again.

    Attributes:
        trajectory: all of it, the given turns included.
        turn: the first turn that was chosen anew, from 1.
        before: how the policy came by the turns before.
    """

    trajectory: Trajectory
    turn: int
    before: Before


def play_on(
    recorded: RecordedEpisode,
    policy: Any,
    environment: Mapping[str, Any],
    *,
    turn: int = 1,
    drop: int | None = None,
    seed: int | None = None,
) -> Replayed:
    """Play a recorded question again, from one of its turns on.

    With the policy, the environment and the seed of the record it is the recorded episode, from
    whichever turn (to the rounding of the last bits, where the record was sampled in a batch).

    Args:
        recorded: the episode.
        policy: who plays on. Where it does not choose the given turns by itself, it is told of them
            (`RecallingPolicy`).
        environment: arguments of the environment, beside the dataset.
        turn: the first that is chosen anew, from 1 to the number of turns.
        drop: the turn whose look is kept back, 0 for the overview; `None` for none.
        seed: of the policy; by default the recorded one.

    Raises:
        ReplayError: if there is no such turn, or the policy cannot take over there.
        SageEnvError: if the environment cannot be made, or the policy fails.
    """
    was, item = recorded.trajectory, recorded.item
    _require_turns(was, turn, drop)
    given = [one.decision for one in was.turns[: turn - 1]]
    env = _environment(recorded, environment)
    played: Any = env if drop is None else DroppedLook(env, drop)
    name = item.id if was.conditions.episode is None else was.conditions.episode
    spec = EpisodeSpec(item.id, was.seed, name=name)
    seed = was.conditions.policy_seed if seed is None else seed
    try:
        for recalls in (False, True):
            if recalls and not isinstance(policy, RecallingPolicy):
                raise ReplayError(
                    f"{type(policy).__name__} does not choose the {turn - 1} turns before by "
                    "itself, and cannot be told of them: replay from --turn 1, or give the policy "
                    "a method `recall` (policies.briefing.RecallingPolicy)"
                )
            found: list[Trajectory] = []
            led = GivenTurns(policy, given, recalls=recalls)
            progress = believing(policy, [item], found.append)
            try:
                collect([played], led, [spec], seed=seed, progress=progress)
            except OtherTurn:
                continue
            except SageEnvError:
                raise
            except Exception as error:  # one that is not made for this environment, or a bug
                raise ReplayError(f"the policy fails: {type_and_text(error)}") from error
            before: Before = "nothing" if not given else "recalled" if recalls else "chosen again"
            return Replayed(found[0], turn, before)
    finally:
        env.close()
    raise AssertionError("a policy that recalls is never asked for another turn")


def _require_turns(was: Trajectory, turn: int, drop: int | None) -> None:
    if not 1 <= turn <= was.num_turns:
        raise ReplayError(f"expected a turn from 1 to {was.num_turns} to play on from, got {turn}")
    if drop is not None and drop < 0:
        raise ReplayError(f"expected the turn of a look to drop, 0 for the overview, got {drop}")


def _environment(recorded: RecordedEpisode, arguments: Mapping[str, Any]) -> VideoQAEnv:
    try:
        return VideoQAEnv(dataset=[recorded.item], **arguments)
    except (ValueError, TypeError) as error:
        told = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
        raise ReplayError(f"no environment can be made with {told}: {error}") from error
