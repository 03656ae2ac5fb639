"""Playing episodes: one loop for training and evaluation, for one environment and for many."""

from __future__ import annotations

import time
import traceback
from collections import deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any

from gymnasium import Env

from algos.rollout.conditions import Conditions, conditions_of
from algos.rollout.one_by_one import OneByOne
from algos.rollout.stage_seconds import PolicyClock, add_step_seconds
from algos.rollout.trajectory import Trajectory, Turn
from policies.base import BatchPolicy, Decision, Observation, Policy
from policies.briefing import briefing_of
from policies.errors import ENDS_RUN, EpisodesFailed
from policies.served.api_key import hide_keys
from sage_env.actions.action import ACTION_NAMES
from sage_env.datasets.item import QAItem
from sage_env.errors import SageEnvError, type_and_text

Progress = Callable[[Trajectory], None]


@dataclass(frozen=True)
class EpisodeSpec:
    """One episode to play: which question (`None`: the seed picks) and the environment's seed.

    `max_turns` and `max_frames` lower the budget of this episode; `None` leaves it whole. `name` is
    what the policy knows it by, and draws its seed from; `None` is its number among the specs.
    """

    item_id: str | None = None
    seed: int | None = None
    max_turns: int | None = None
    max_frames: int | None = None
    name: Hashable = None

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
    isolate: bool = False,
) -> Trajectory:
    """Play one episode; `collect` plays many.

    Args:
        env: not used by anyone else meanwhile.
        policy: who acts.
        seed: of the environment and of the policy.
        item_id: the question; by default the environment's seed picks one.
        isolate: whether a bug of the policy or a plug-in is recorded too; see `collect`.

    Returns:
        The episode. A `SageEnvError` is recorded in its `error`; any other exception propagates,
        unless it is isolated.
    """
    return collect([env], policy, [EpisodeSpec(item_id, seed)], seed=seed, isolate=isolate)[0]


def collect(
    envs: Sequence[Env[Any, Any]],
    policy: Policy | BatchPolicy,
    specs: Sequence[EpisodeSpec],
    *,
    seed: int | None = None,
    progress: Progress | None = None,
    isolate: bool = False,
    keep: bool = True,
) -> list[Trajectory]:
    """Play every episode of `specs`, as many at a time as there are environments.

    All running episodes act together, in one call of `act_batch`. Environments reset and step in
    threads; one whose episode ended takes the next at once. The result does not depend on their
    number. A policy without `act_batch` is played one episode at a time.

    Args:
        envs: alike, and not used by anyone else meanwhile.
        policy: who acts. It is reset once with `seed` (one that has no `act_batch`: at every
            episode, with a seed made of `seed` and the episode's name).
        specs: the episodes to play, no name twice.
        seed: of the policy.
        progress: called in this thread with each trajectory that ended, an exception or not.
        isolate: whether every exception but those in `policies.errors.ENDS_RUN` is the failure of
            the episode that raised it. Episodes of a batch that raised one are played again alone.
        keep: whether the trajectories are returned; `progress` has them in any case.

    Returns:
        One trajectory per episode, in the order of `specs`; none without `keep`. A `SageEnvError`
        of the environment is its `error`, and so are those in an `EpisodesFailed` that the policy
        raises; any other exception propagates, unless it is isolated.
    """
    if not envs:
        raise ValueError("collect needs at least one environment, got none")
    conditions = conditions_of(policy, seed)
    if not isinstance(policy, BatchPolicy):
        policy, envs = OneByOne(policy), envs[:1]
    order = _numbered(specs)
    waiting, ended = deque(zip(order, specs, strict=True)), deque[tuple[Hashable, Trajectory]]()
    inform = briefing_of(policy)
    failures = Exception if isolate else SageEnvError
    slots = [
        _Slot(env, waiting, ended, inform, failures, conditions, order)
        for env in envs[: len(specs)]
    ]
    results: dict[Hashable, Trajectory] = {}

    def report() -> None:
        while ended:
            name, trajectory = ended.popleft()
            if keep:
                results[name] = trajectory
            if progress is not None:
                progress(trajectory)

    policy.reset(seed=seed)
    with _reported(report), ThreadPoolExecutor() as pool:
        list(pool.map(_Slot.start, slots))
        _play_on(slots, policy, pool, report, isolate)
    return [results[name] for name in order] if keep else []


def _numbered(specs: Sequence[EpisodeSpec]) -> dict[Hashable, int]:
    """Return the number of each episode by its name, which is its number where it has none."""
    names = [spec.name if spec.name is not None else k for k, spec in enumerate(specs)]
    order: dict[Hashable, int] = {name: k for k, name in enumerate(names)}
    if len(order) < len(names):
        raise ValueError("collect needs episodes with different names: one name stands twice")
    return order


@contextmanager
def _reported(report: Callable[[], None]) -> Iterator[None]:
    """Report what ended in the block, also when an exception ends the block itself."""
    try:
        yield
    finally:
        report()


def _play_on(
    slots: Sequence[_Slot],
    policy: BatchPolicy,
    pool: ThreadPoolExecutor,
    report: Callable[[], None],
    isolate: bool,
) -> None:
    """Play until no slot is in an episode; see `collect`."""
    while True:
        report()
        # In the order of the episodes: which slot has which is up to the threads, and the order of
        # a batch decides the last bits of its numbers.
        live = sorted((slot for slot in slots if slot.live), key=lambda slot: slot.order[slot.name])
        if not live:
            return
        names, clock = [slot.name for slot in live], PolicyClock(policy)
        try:
            decisions = _decide(policy, [slot.observation for slot in live], names)
        except Exception as error:
            if not isolate or isinstance(error, ENDS_RUN):
                raise
            if len(live) > 1:
                _play_alone(live, policy, pool, report)
                continue
            decisions = [error]
        for slot, decision in zip(live, decisions, strict=False):
            clock.stop(slot.trajectory.stage_seconds, decision)
        if len(decisions) != len(live):
            raise ValueError(
                f"act_batch must return one decision per observation: expected {len(live)}, "
                f"got {len(decisions)}"
            )
        over = list(pool.map(_Slot.step, live, decisions))
        failed = isinstance(decisions[0], Exception) and isolate
        with suppress(Exception) if failed else nullcontext():  # it may not know the episode yet
            policy.end([name for name, is_over in zip(names, over, strict=True) if is_over])


def _play_alone(
    slots: Sequence[_Slot],
    policy: BatchPolicy,
    pool: ThreadPoolExecutor,
    report: Callable[[], None],
) -> None:
    """Play the episodes of a batch that failed from their beginning, each alone."""
    for slot in slots:
        slot.live = False
        with suppress(Exception):  # the policy may not know the episode yet
            policy.end([slot.name])
    for slot in slots:
        with slot.kept_apart():
            slot.start()
            _play_on([slot], policy, pool, report, True)
    list(pool.map(_Slot.start, slots))


def _decide(
    policy: BatchPolicy, observations: Sequence[Observation], episodes: Sequence[Hashable]
) -> Sequence[Decision | Exception]:
    """Return what the policy chose for each episode, or why it could not choose."""
    try:
        return policy.act_batch(observations, episodes)
    except EpisodesFailed as failed:
        found: dict[Hashable, Decision | Exception] = {**failed.decisions, **failed.errors}
        return [found[episode] for episode in episodes]


class _Slot:
    """One environment and the episode that it is in. Each slot is used by one thread at a time."""

    def __init__(
        self,
        env: Env[Any, Any],
        waiting: deque[tuple[Hashable, EpisodeSpec]],
        ended: deque[tuple[Hashable, Trajectory]],
        inform: Callable[[Hashable, QAItem], None] | None,
        failures: type[Exception],
        conditions: Conditions,
        order: Mapping[Hashable, int],
    ) -> None:
        self.env, self.waiting, self.ended, self.inform = env, waiting, ended, inform
        self.conditions, self.order = conditions, order
        self.failures = failures
        self.live = False
        self.name: Hashable = None
        self.spec = EpisodeSpec()
        self.trajectory = Trajectory()
        self.observation: Observation = {}
        self.began = 0.0

    @contextmanager
    def kept_apart(self) -> Iterator[None]:
        """Let `start` begin the slot's own episode again, and none after it."""
        waiting, self.waiting = self.waiting, deque([(self.name, self.spec)])
        try:
            yield
        finally:
            self.waiting = waiting

    def start(self) -> None:
        """Reset into the next episode; one whose reset fails is finished at once."""
        self.live = False
        while not self.live:
            try:
                self.name, self.spec = self.waiting.popleft()
            except IndexError:  # other slots took the last ones
                return
            spec, self.began = self.spec, time.perf_counter()
            asked = replace(
                self.conditions,
                max_turns=spec.max_turns,
                max_frames=spec.max_frames,
                episode=self.name if isinstance(self.name, int | str) else repr(self.name),
            )
            self.trajectory = Trajectory(spec.item_id, spec.seed, conditions=asked)
            try:
                self.observation, info = self.env.reset(seed=spec.seed, options=spec.options)
                self.trajectory.start_info = info
                self.trajectory.conditions = asked.with_budget(info.get("budget") or {})
                self.trajectory.item_id = info.get("item_id", spec.item_id)
                if self.inform is not None:
                    env: Any = self.env.unwrapped
                    self.inform(self.name, env.history.item)
            except self.failures as error:
                self._finish(error)
                continue
            self.live = True

    def step(self, decision: Decision | Exception) -> bool:
        """Play one turn, return whether it ended the episode, and start the next one if it did."""
        trajectory = self.trajectory
        if isinstance(decision, Exception):  # the policy has none: nothing is played
            self._finish(decision)
            self.start()
            return True
        began = time.perf_counter()
        try:
            self.observation, reward, terminated, truncated, info = self.env.step(decision.action)
        except self.failures as error:
            trajectory.failed = decision if _is_decision(decision) else None
            self._finish(error)
        else:
            add_step_seconds(trajectory, decision.action, info, time.perf_counter() - began)
            trajectory.turns.append(Turn(decision, float(reward), info))
            trajectory.terminated, trajectory.truncated = bool(terminated), bool(truncated)
            if not (terminated or truncated):
                return False
            self._finish()
        self.start()
        return True

    def _finish(self, error: Exception | None = None) -> None:
        if error is not None:
            if isinstance(error, ENDS_RUN):
                raise error
            self.trajectory.error = hide_keys(type_and_text(error) + _place(error))
        self.trajectory.seconds = time.perf_counter() - self.began
        self.ended.append((self.name, self.trajectory))


def _is_decision(decision: object) -> bool:
    """Return whether it can be kept; a policy of the user's may give anything."""
    return isinstance(decision, Decision) and isinstance(decision.action, (*ACTION_NAMES,))


def _place(error: Exception) -> str:
    """Return where a bug was raised, so that it can be found without its traceback."""
    if isinstance(error, SageEnvError) or error.__traceback__ is None:
        return ""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f" ({frame.filename}, line {frame.lineno})"
