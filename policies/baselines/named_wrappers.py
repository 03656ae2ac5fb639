"""Policies around another one that answers, by name: `uniform`, `oracle`, `transcript`."""

from __future__ import annotations

from collections.abc import Callable

from policies.base import BatchPolicy, Policy
from policies.baselines.oracle import Oracle
from policies.baselines.transcript import Transcript
from policies.baselines.uniform import UniformPolicy

UNIFORM_FRAMES = 16
"""Frames of the `uniform` policy when its name gives no number."""


def wrapped(
    kind: str, rest: str, answerer: Callable[[str], Policy | BatchPolicy]
) -> UniformPolicy | Oracle | Transcript:
    """Return a policy around the one that answers.

    Args:
        kind: `uniform`, whose rest is `[FRAMES[:POLICY]]`; `oracle`: `[POLICY]`; `transcript`:
            `POLICY`.
        rest: of the name.
        answerer: returns the policy of a name, as one that answers.

    Raises:
        ValueError: if FRAMES is no whole number, or POLICY cannot stand there.
    """
    if kind == "oracle":
        return Oracle(answerer(rest) if rest else None)
    if kind == "transcript":
        return Transcript(answerer(rest))
    frames, _, inner = rest.partition(":")
    if frames and not frames.isdecimal():
        raise ValueError(f"uniform:FRAMES needs a whole number, 0 or more, got 'uniform:{rest}'")
    return UniformPolicy(answerer(inner or "sage-mm-tiny"), int(frames or UNIFORM_FRAMES))
