"""A policy whose tokens can be read: each is a letter, and it answers at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from policies.base import Decision, Observation, TurnTokens
from sage_env import Answer

STOP = 0


class Speaking:
    """Answers with the first choice, letter by letter; every letter had a chance of one half."""

    def reset(self, *, seed: int | None = None) -> None:
        pass

    def act(self, observation: Observation) -> Decision:
        text = str(observation["choices"]).split("\n")[0]
        ids = np.array([*map(ord, text), STOP])
        scores = np.full(len(ids), np.log(0.5), np.float32)
        tokens = TurnTokens(np.arange(1, 4), ids, scores, entropies=-scores)
        return Decision(Answer(text), text, tokens)

    def read_text(self, ids: NDArray[Any]) -> str:
        said = ids.tolist()
        return "".join(map(chr, said[:-1] if said[-1:] == [STOP] else said))
