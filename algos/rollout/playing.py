"""Playing episodes: one loop for training and evaluation, for one environment and for many."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from gymnasium import Env

from algos.rollout.conditions import Conditions, conditions_of
from algos.rollout.trajectory import Trajectory, Turn
from algos.seeds import subseed
from policies.base import BatchPolicy, Decision, Observation, Policy, PrivilegedPolicy
from policies.errors import EpisodesFailed
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError

Progress = Callable[[Trajectory], None]


@dataclass(frozen=True)
class EpisodeSpec:
    """One episode to play: which question (`None`: the seed picks) and the environment's seed.

    `max_turns` and `max_frames` lower the budget of this episode; `None` leaves it whole.
    """

    item_id: str | None = None
    seed: int | None = None
    max_turns: int | None = None
    max_frames: int | None = None

    @property
    def options(self) -> dict[str, Any] | None:
        """Return what the environment's `reset` is told; `None` for nothing."""
        named = {
            "item_id": self.item_id,
            "max_turns": self.max_turns,
            "max_frames": self.max_frames,
        }
        return {name: value for name, value in named.items() if value is not None} or None


def play(
    env: Env[Any, Any],
    policy: Policy | BatchPolicy,
    *,
    seed: int | None = None,
    item_id: str | None = None,
) -> Trajectory:
    """Play one episode; `collect` plays many.

    Args:
        env: not used by anyone else meanwhile.
        policy: who acts.
        seed: of the environment and of the policy.
        item_id: the question; by default the environment's seed picks one.

    Returns:
        The episode. A `SageEnvError` is recorded in its `error`; any other exception propagates.
    """
    return collect([env], policy, [EpisodeSpec(item_id, seed)], seed=seed)[0]


def collect(
    envs: Sequence[Env[Any, Any]],
    policy: Policy | BatchPolicy,
    specs: Sequence[EpisodeSpec],
    *,
    seed: int | None = None,
    progress: Progress | None = None,
) -> list[Trajectory]:
    """Play every episode of `specs`, as many at a time as there are environments.

    All running episodes act together, in one call of `act_batch`. Environments reset and step in
    threads, because decoding releases the interpreter lock. One whose episode ended takes the next
    at once. The result does not depend on their number. A policy without `act_batch` is played one
    episode at a time; a `PrivilegedPolicy` is told the item of each.

    Args:
        envs: alike, and not used by anyone else meanwhile.
        policy: who acts. It is reset once with `seed` (one that has no `act_batch`: at every
            episode, with a seed made of `seed` and the episode's number). Episodes are named by
            their number in `specs`.
        specs: the episodes to play.
        seed: of the policy.
        progress: called, in the calling thread, with each trajectory that ended.

    Returns:
        One trajectory per episode, in the order of `specs`. A `SageEnvError` is recorded in the
        trajectory's `error`, and so are those in an `EpisodesFailed` that the policy raises; any
        other exception propagates.
    """
    if not envs:
        raise ValueError("collect needs at least one environment, got none")
    conditions = conditions_of(policy, seed)
    if not isinstance(policy, BatchPolicy):
        policy, envs = _OneByOne(policy), envs[:1]
    waiting, ended = deque(enumerate(specs)), deque[tuple[int, Trajectory]]()
    inform = policy.inform if isinstance(policy, PrivilegedPolicy) else None
    slots = [_Slot(env, waiting, ended, inform, conditions) for env in envs[: len(specs)]]
    results: dict[int, Trajectory] = {}
    policy.reset(seed=seed)
    with ThreadPoolExecutor() as pool:
        list(pool.map(_Slot.start, slots))
        while True:
            while ended:
                number, trajectory = ended.popleft()
                results[number] = trajectory
                if progress is not None:
                    progress(trajectory)
            # In the order of the episodes: which slot has which is up to the threads, and the order
            # of a batch decides the last bits of its numbers.
            live = sorted((slot for slot in slots if slot.live), key=lambda slot: slot.number)
            if not live:
                return [results[number] for number in range(len(specs))]
            episodes = [slot.number for slot in live]
            decisions = _decide(policy, [slot.observation for slot in live], episodes)
            if len(decisions) != len(live):
                raise ValueError(
                    f"act_batch must return one decision per observation: expected {len(live)}, "
                    f"got {len(decisions)}"
                )
            over = list(pool.map(_Slot.step, live, decisions))
            policy.end(
                [episode for episode, is_over in zip(episodes, over, strict=True) if is_over]
            )


def _decide(
    policy: BatchPolicy, observations: Sequence[Observation], episodes: Sequence[Hashable]
) -> Sequence[Decision | SageEnvError]:
    """Return what the policy chose for each episode, or why it could not choose."""
    try:
        return policy.act_batch(observations, episodes)
    except EpisodesFailed as failed:
        found: dict[Hashable, Decision | SageEnvError] = {**failed.decisions, **failed.errors}
        return [found[episode] for episode in episodes]


class _Slot:
    """One environment and the episode that it is in. Each slot is used by one thread at a time."""

    def __init__(
        self,
        env: Env[Any, Any],
        waiting: deque[tuple[int, EpisodeSpec]],
        ended: deque[tuple[int, Trajectory]],
        inform: Callable[[Hashable, QAItem], None] | None,
        conditions: Conditions,
    ) -> None:
        self.env, self.waiting, self.ended, self.inform = env, waiting, ended, inform
        self.conditions = conditions
        self.live = False
        self.number = -1
        self.trajectory = Trajectory()
        self.observation: Observation = {}

    def start(self) -> None:
        """Reset into the next episode; one whose reset fails is finished at once."""
        self.live = False
        while not self.live:
            try:
                self.number, spec = self.waiting.popleft()
            except IndexError:  # other slots took the last ones
                return
            asked = replace(
                self.conditions,
                max_turns=spec.max_turns,
                max_frames=spec.max_frames,
                episode=self.number,
            )
            self.trajectory = Trajectory(spec.item_id, spec.seed, conditions=asked)
            try:
                self.observation, info = self.env.reset(seed=spec.seed, options=spec.options)
                self.trajectory.start_info = info
                self.trajectory.conditions = asked.with_budget(info.get("budget") or {})
                self.trajectory.item_id = info.get("item_id", spec.item_id)
                if self.inform is not None:
                    env: Any = self.env.unwrapped
                    self.inform(self.number, env.history.item)
            except SageEnvError as error:
                self._finish(error)
                continue
            self.live = True

    def step(self, decision: Decision | SageEnvError) -> bool:
        """Play one turn, return whether it ended the episode, and start the next one if it did."""
        trajectory = self.trajectory
        if isinstance(decision, SageEnvError):  # the policy has none: nothing is played
            self._finish(decision)
            self.start()
            return True
        try:
            self.observation, reward, terminated, truncated, info = self.env.step(decision.action)
        except SageEnvError as error:
            trajectory.failed = decision
            self._finish(error)
        else:
            trajectory.turns.append(Turn(decision, float(reward), info))
            trajectory.terminated, trajectory.truncated = bool(terminated), bool(truncated)
            if not (terminated or truncated):
                return False
            self._finish()
        self.start()
        return True

    def _finish(self, error: SageEnvError | None = None) -> None:
        if error is not None:
            self.trajectory.error = f"{type(error).__name__}: {error}"
        self.ended.append((self.number, self.trajectory))


class _OneByOne:
    """A policy without `act_batch`, as one that serves batches of one episode."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._seed: int | None = None
        self._episode: Hashable = None

    def reset(self, *, seed: int | None = None) -> None:
        self._seed, self._episode = seed, None

    def act_batch(
        self, observations: Sequence[Observation], episodes: Sequence[Hashable]
    ) -> list[Decision]:
        (observation,), (episode,) = observations, episodes
        if episode != self._episode:
            seed = None if self._seed is None else subseed(self._seed, str(episode))
            self._policy.reset(seed=seed)
            self._episode = episode
        choice = self._policy.act(observation)
        return [choice if isinstance(choice, Decision) else Decision(choice)]

    def end(self, episodes: Iterable[Hashable]) -> None:
        """Nothing is held: the next episode has another name, and resets the policy."""
