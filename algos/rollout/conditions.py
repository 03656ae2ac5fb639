"""The conditions of an episode: what has to be known, beside its question, to play it again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from policies.briefing import WholeVideoPolicy
from policies.introspection import FingerprintedPolicy, fingerprint

_BUDGET = ("max_turns", "max_frames", "frames_per_turn", "overview_frames")
_SAMPLING = ("temperature", "top_k", "top_p", "max_new_tokens")


@dataclass(frozen=True)
class Conditions:
    """What an episode was played under. None: not known, or the policy has no such setting.

    Attributes:
        max_turns: the episode's budget of actions, as played: what `reset` lowered it to.
        max_frames: likewise of frames, the overview included.
        frames_per_turn: most frames that one action was shown.
        overview_frames: frames that `reset` was to show.
        temperature: of sampling, when playing began; 0 is greedy. Likewise the next three.
        top_k: tokens that were sampled among; 0 for all.
        top_p: share of the probability that was sampled among.
        max_new_tokens: most tokens of a turn.
        policy_version: fingerprint of the weights that acted, or the policy's own `version`.
        policy_seed: that the policy was reset with.
        episode: the name that the policy knew the episode by; with `policy_seed` it decides
            what is sampled.
        whole_video: whether the policy was given the video itself, see `WholeVideoPolicy`.
    """

    max_turns: int | None = None
    max_frames: int | None = None
    frames_per_turn: int | None = None
    overview_frames: int | None = None
    temperature: float | None = None
    top_k: int | None = None
    top_p: float | None = None
    max_new_tokens: int | None = None
    policy_version: str | None = None
    policy_seed: int | None = None
    episode: int | str | None = None
    whole_video: bool | None = None

    def with_budget(self, budget: Mapping[str, Any]) -> Conditions:
        """Return the conditions with what `info["budget"]` of the reset says."""
        return replace(self, **{name: budget[name] for name in _BUDGET if name in budget})

    @property
    def lowered(self) -> dict[str, int]:
        """Return the options of `reset` that give the episode its budget again."""
        named = {"max_turns": self.max_turns, "max_frames": self.max_frames}
        return {name: value for name, value in named.items() if value is not None}


def conditions_of(policy: Any, seed: int | None) -> Conditions:
    """Return what is known of a policy before it plays: its settings, weights and seed."""
    settings = {name: getattr(policy, name, None) for name in _SAMPLING}
    whole = True if isinstance(policy, WholeVideoPolicy) else None
    return Conditions(
        **settings, policy_version=_version(policy), policy_seed=seed, whole_video=whole
    )


def decoding_of(policy: object) -> str:
    """Return how a policy chooses: `greedy`, `T = 1`, or "" where it does not sample."""
    temperature = getattr(policy, "temperature", None)
    if temperature is None:
        return ""
    return "greedy" if temperature == 0 else f"T = {temperature:g}"


def _version(policy: Any) -> str | None:
    if isinstance(policy, FingerprintedPolicy):
        return policy.fingerprint()
    if hasattr(policy, "actor_parameters"):
        return fingerprint(policy.actor_parameters())
    version = getattr(policy, "version", None)
    return version if isinstance(version, str) else None
