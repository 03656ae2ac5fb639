"""The token record of a turn, from what a server says of its tokens: complete, or none at all.

vLLM's `return_token_ids` gives the ids of the whole prompt and of the completion. Each turn renders
the whole chat anew, so a record is kept only while every prompt begins with exactly the tokens of
the turns before it, as they were sampled.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from policies.base import Observation, TurnTokens
from sage_env.argument_checks import is_finite

Ids = tuple[int, ...]


def token_record(
    prompt: Any,
    completion: Any,
    logprobs: Any,
    before: Ids,
    observation: Observation,
) -> tuple[TurnTokens, Ids] | None:
    """Return what a turn adds, and the ids of the episode up to its end; `None` if not complete.

    Args:
        prompt: the ids of the whole prompt, as the server gave them.
        completion: the ids that it sampled.
        logprobs: of each of these, at the sampling temperature.
        before: the ids of the episode up to here; `()` on its first turn.
        observation: that the turn showed, whose frames the prompt introduced.
    """
    if not (_are_ids(prompt) and _are_ids(completion) and completion):
        return None
    if not isinstance(logprobs, Sequence) or len(logprobs) != len(completion):
        return None
    if not all(is_finite(x) for x in logprobs):
        return None
    whole = tuple(prompt)
    if whole[: len(before)] != before or len(whole) == len(before):
        return None
    shown = observation["frames"][: int(observation["num_frames"])]
    turn = TurnTokens(
        np.array(whole[len(before) :], np.int64),
        np.array(completion, np.int64),
        np.array(logprobs, np.float32),
        tuple(hashlib.blake2b(frame.tobytes(), digest_size=16).digest() for frame in shown),
    )
    return turn, whole + tuple(completion)


def _are_ids(values: Any) -> bool:
    return isinstance(values, Sequence) and all(type(x) is int and x >= 0 for x in values)
