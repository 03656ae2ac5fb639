"""`check_policy`: what the project asks of a policy, as one call for whoever writes one."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
from gymnasium import Env

from policies.base import BatchPolicy, Decision, Policy
from sage_env.actions import ACTION_NAMES, Action, Invalid

MAX_TURNS = 1_000


def check_policy(policy: Policy | BatchPolicy, env: Env[Any, Any], *, seed: int = 0) -> None:
    """Play two short episodes, and check that the policy keeps the contract of `policies.base`.

    Raises:
        AssertionError: with the law that was broken.
    """
    _require(callable(getattr(policy, "reset", None)), "a policy must have reset(*, seed=None)")
    single = callable(getattr(policy, "act", None))
    batch = isinstance(policy, BatchPolicy)
    _require(single or batch, "a policy must have act(observation), or act_batch and end")
    if single:
        first, again = (_play(cast(Policy, policy), env, seed) for _ in range(2))
        _require(first == again, "after reset with the same seed, the same actions must follow")
    if isinstance(policy, BatchPolicy):
        _check_batch(policy, env, seed)


def _play(policy: Policy, env: Env[Any, Any], seed: int) -> list[Action | Invalid]:
    observation, _ = env.reset(seed=seed)
    policy.reset(seed=seed)
    actions = []
    for _ in range(MAX_TURNS):
        action = _action(policy.act(observation))
        actions.append(action)
        observation, _, terminated, truncated, _ = env.step(action)
        if terminated or truncated:
            return actions
    raise AssertionError(f"an episode must end; {MAX_TURNS} turns were played")


def _check_batch(policy: BatchPolicy, env: Env[Any, Any], seed: int) -> None:
    observations = [env.reset(seed=seed + k)[0] for k in range(3)]
    policy.reset(seed=seed)
    together = policy.act_batch(observations, ["a", "b", "c"])
    _require(
        isinstance(together, list) and len(together) == 3,
        "act_batch must return a list with one decision per observation",
    )
    _require(
        all(isinstance(decision, Decision) for decision in together),
        "act_batch must return `Decision`s",
    )
    policy.end(["a", "b", "c"])
    policy.reset(seed=seed)
    alone = [
        policy.act_batch([observation], [name])[0]
        for name, observation in reversed(list(zip("abc", observations, strict=True)))
    ]
    policy.end("abc")
    for one, other in zip(together, reversed(alone), strict=True):
        same = _action(one) == _action(other) and one.text == other.text
        _require(same, "what is chosen for an episode must not depend on the rest of the batch")
        if one.tokens is not None and other.tokens is not None:
            same = np.array_equal(one.tokens.completion, other.tokens.completion)
            _require(same, "the tokens of an episode must not depend on the rest of the batch")


def _action(choice: Any) -> Action | Invalid:
    action = choice.action if isinstance(choice, Decision) else choice
    _require(
        type(action) in ACTION_NAMES,
        f"act must return an action, Invalid or a Decision, got {type(action).__name__}",
    )
    checked: Action | Invalid = action
    return checked


def _require(holds: bool, law: str) -> None:
    if not holds:
        raise AssertionError(law)
