"""`check_policy`: what the project asks of a policy, as one call for whoever writes one."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np
from gymnasium import Env

from policies.base import (
    BatchPolicy,
    Decision,
    Observation,
    Policy,
    TrainablePolicy,
    TurnTokens,
)
from policies.briefing import briefing_of
from policies.check.token_check import check_scores, check_turns
from sage_env.actions.action import ACTION_NAMES, Action, Invalid
from sage_env.testing.laws import require

MAX_TURNS = 1_000
"""Turns after which an episode counts as endless: far above any budget of an environment."""
TOLERANCE = 1e-3
"""Largest difference of a log-prob, in nats, when sampled tokens are scored again.

In float32 the shapes of batches change the last bits; a token that is read at another position or
after another one differs by far more. Raise it for bfloat16.
"""
_NAMES = ("a", "b", "c")


@dataclass(eq=False)
class _Episode:
    """One played episode: what was shown, what was decided, and what the item was."""

    item: Any = None
    observations: list[Observation] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)
    kept: list[TurnTokens | None] = field(default_factory=list)  # copies, made when decided

    def add(self, observation: Observation, decision: Decision) -> None:
        self.observations.append(observation)
        self.decisions.append(decision)
        self.kept.append(copy.deepcopy(decision.tokens))


def check_policy(
    policy: Policy | BatchPolicy,
    env: Env[Any, Any],
    *,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> None:
    """Play some episodes, and check that the policy keeps the contract of `policies.base`.

    Checked are: the methods; that decisions are actions, `Invalid` or `Decision`s, and that
    observations stay as they are; that a seed repeats them; that an episode's decisions do not
    depend on which others are in the batch; the tokens of decisions, if there are any: shapes,
    types, log-probs, the stop token (where the policy says it, as `stop_token`), and that they do
    not change in later turns; and, of a `TrainablePolicy` whose turns are not `fresh`, that the
    episode's tokens, joined, score as they were sampled.

    Args:
        policy: what to check; it is reset.
        env: to play in, made with the policy's `env_options` if it has some.
        seed: of both.
        tolerance: largest difference of a log-prob that counts as the same.

    Raises:
        AssertionError: with the law that was broken.
    """
    require(callable(getattr(policy, "reset", None)), "a policy must have reset(*, seed=None)")
    require(
        _takes_seed(policy.reset),
        "reset must take `seed` by name: def reset(self, *, seed=None)",
    )
    single = callable(getattr(policy, "act", None))
    require(
        single or isinstance(policy, BatchPolicy),
        "a policy must have act(observation), or act_batch and end",
    )
    options = getattr(policy, "env_options", {})
    require(
        isinstance(options, Mapping),
        f"env_options must be a mapping of arguments of gym.make, got {type(options).__name__}",
    )
    policy.reset()
    if single and briefing_of(policy) is None:  # else it has to be told which episode it plays
        first, again = (_play_one(cast(Policy, policy), env, seed) for _ in range(2))
        _check_same(first, again, tolerance, "after reset with the same seed")
        _check_tokens(policy, first, tolerance)
    if isinstance(policy, BatchPolicy):
        _check_batch(policy, env, seed, tolerance)


def _takes_seed(reset: Any) -> bool:
    """Return whether a function can be called without arguments and with a seed."""
    try:
        signature = inspect.signature(reset)
    except (TypeError, ValueError):  # some builtins hide theirs: calling it will tell
        return True
    try:
        signature.bind()
        signature.bind(seed=0)
    except TypeError:
        return False
    return True


def _play_one(policy: Policy, env: Env[Any, Any], seed: int) -> _Episode:
    """Play one episode with `act`."""
    observation, episode = env.reset(seed=seed)[0], _Episode()
    policy.reset(seed=seed)
    for _ in range(MAX_TURNS):
        before = copy.deepcopy(observation)
        decision = _decision(policy.act(observation))
        _check_untouched(before, observation)
        episode.add(before, decision)
        observation, _, terminated, truncated, _ = env.step(decision.action)
        if terminated or truncated:
            return episode
    raise AssertionError(f"an episode must end; {MAX_TURNS} turns were played")


def _play_alone(policy: BatchPolicy, env: Env[Any, Any], seed: int, name: Hashable) -> _Episode:
    """Play one episode with `act_batch`, by itself."""
    observation, episode = env.reset(seed=seed)[0], _Episode()
    if (brief := briefing_of(policy)) is not None:
        playing: Any = env.unwrapped
        episode.item = playing.history.item
        brief(name, episode.item)
    for _ in range(MAX_TURNS):
        before = copy.deepcopy(observation)
        (decision,) = _checked_list(policy.act_batch([observation], [name]), 1)
        _check_untouched(before, observation)
        episode.add(before, decision)
        observation, _, terminated, truncated, _ = env.step(decision.action)
        if terminated or truncated:
            policy.end([name])
            return episode
    raise AssertionError(f"an episode must end; {MAX_TURNS} turns were played")


def _check_batch(policy: BatchPolicy, env: Env[Any, Any], seed: int, tolerance: float) -> None:
    """Play three episodes one by one, then show the same observations to all of them at once."""
    policy.reset(seed=seed)
    alone = {
        name: _play_alone(policy, env, seed + k, name)
        for k, name in reversed(list(enumerate(_NAMES)))
    }
    for episode in alone.values():
        _check_tokens(policy, episode, tolerance)
    policy.reset(seed=seed)
    together = {name: _Episode() for name in _NAMES}
    for name in _NAMES:
        if (brief := briefing_of(policy)) is not None:
            brief(name, alone[name].item)
    law = "what is chosen for an episode must not depend on the rest of the batch"
    for turn in range(max(len(episode.decisions) for episode in alone.values())):
        names = [name for name in _NAMES if turn < len(alone[name].decisions)]
        seen = [alone[name].observations[turn] for name in names]
        decisions = _checked_list(policy.act_batch(copy.deepcopy(seen), names), len(names))
        for name, observation, decision in zip(names, seen, decisions, strict=True):
            together[name].add(observation, decision)
            _check_alike(alone[name].decisions[turn], decision, tolerance, f"{law}: turn {turn}")
        policy.end([name for name in names if turn + 1 == len(alone[name].decisions)])
    for episode in together.values():
        _check_tokens(policy, episode, tolerance)


def _check_tokens(policy: Any, episode: _Episode, tolerance: float) -> None:
    """Check the tokens of one episode, if it has any."""
    shown = [
        observation.get("num_frames") if isinstance(observation, Mapping) else None
        for observation in episode.observations
    ]
    check_turns(policy, episode.decisions, shown)
    turns = [decision.tokens for decision in episode.decisions if decision.tokens is not None]
    for number, (turn, kept) in enumerate(zip(turns, episode.kept, strict=False)):
        same = kept is not None and all(
            np.array_equal(getattr(turn, name), getattr(kept, name))
            for name in ("prompt", "completion", "logprobs")
        )
        require(same, f"the tokens of turn {number} must not change afterwards: hand out copies")
    append_only = turns and not any(turn.fresh for turn in turns[1:])
    if append_only and isinstance(policy, TrainablePolicy):
        check_scores(policy, turns, tolerance)


def _check_same(first: _Episode, again: _Episode, tolerance: float, when: str) -> None:
    law = f"{when}, the same actions must follow"
    require(len(first.decisions) == len(again.decisions), law)
    for turn, pair in enumerate(zip(first.decisions, again.decisions, strict=True)):
        _check_alike(*pair, tolerance, f"{law}: turn {turn}")


def _check_alike(one: Decision, other: Decision, tolerance: float, law: str) -> None:
    same = one.action == other.action and one.text == other.text
    require(same, f"{law} has {one.action} and {other.action}")
    if one.tokens is None or other.tokens is None:
        require(one.tokens is other.tokens, f"{law} has tokens only once")
        return
    for name in ("prompt", "completion"):
        same = np.array_equal(getattr(one.tokens, name), getattr(other.tokens, name))
        require(same, f"{law} has other tokens in its {name}")
    near = np.allclose(one.tokens.logprobs, other.tokens.logprobs, rtol=0, atol=tolerance)
    require(near, f"{law} has other log-probs")


def _checked_list(decisions: Any, count: int) -> list[Decision]:
    require(
        isinstance(decisions, list) and len(decisions) == count,
        "act_batch must return a list with one decision per observation",
    )
    require(
        all(isinstance(decision, Decision) for decision in decisions),
        "act_batch must return `Decision`s",
    )
    return [_decision(decision) for decision in decisions]


def _decision(choice: Any) -> Decision:
    action = choice.action if isinstance(choice, Decision) else choice
    require(
        type(action) in ACTION_NAMES,
        f"act must return an action, Invalid or a Decision, got {type(action).__name__}",
    )
    checked: Action | Invalid = action
    decision = choice if isinstance(choice, Decision) else Decision(checked)
    require(isinstance(decision.text, str), f"text must be a string, got {decision.text!r:.80}")
    return decision


def _check_untouched(before: Observation, after: Observation) -> None:
    if not isinstance(before, Mapping):  # a wrapper's own kind
        return
    for key, value in before.items():
        same = key in after and np.array_equal(after[key], value)
        require(same, f"a policy must not write into its observation: {key} was changed")
