"""What a model saw when it sampled a turn: the episode without the turns that it had forgotten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.base import TurnTokens
from policies.sage_mm.context import fix_seam


def in_context(
    turns: Sequence[TurnTokens], stop: int
) -> tuple[NDArray[np.int64], tuple[bytes, ...]]:
    """Return the tokens and frame keys that the model saw when it sampled the last of these turns.

    They are all of them, but for those that `TurnTokens.dropped` counts; the last completion is
    included. Re-scoring them gives the log-probs of the last turn.
    """
    kept = [turns[0], *turns[1 + turns[-1].dropped :]] if len(turns) > 1 else list(turns)
    ids: list[NDArray[np.int64]] = []
    for before, turn in zip([None, *kept], kept, strict=False):
        prompt = turn.prompt
        if before is not None:
            prompt = fix_seam(prompt, stop, stopped=bool(before.completion[-1] == stop))
        ids += [prompt, turn.completion]
    return np.concatenate(ids), tuple(key for turn in kept for key in turn.frames)
