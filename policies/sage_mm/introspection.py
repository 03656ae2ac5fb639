"""SAGE-MM seen from outside: its prompts, texts and weights, for checks and for step credit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from policies.base import Observation, TurnTokens
from policies.introspection import PromptFrame, fingerprint
from policies.prompt import render_user, told_to_answer
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.tokens import frame_ablation


class IntrospectionMixin:
    """The methods of `policies.introspection` and `AblatesFrames`, apart from playing.

    Attributes:
        model: the network.
        answers_only: whether replies are constrained to answers.
    """

    model: SageModel
    answers_only: bool = False

    def prompt(
        self, observation: Observation, said: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], tuple[bytes, ...]]:
        """Return what an observation adds to an episode of the tokens `said` int64 `(L,)`.

        Returns:
            ids int64 `(P,)`, and the keys of its frames, which are encoded if they are new.
        """
        frames = observation["frames"][: int(observation["num_frames"])]
        return self._render(observation, said), self.model.encoder.encode([frames])[0]

    def _render(self, observation: Observation, said: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids int64 `(P,)` that an observation adds to the tokens `said`."""
        tokens, first = self.model.tokens, not len(said)
        # The shipped model reads few words: that its budget is one turn is all that it is told.
        if self.answers_only and tokens.style == "full":
            observation = told_to_answer(observation)
        rows, columns = self.model.encoder.grid_of(observation["frames"])
        return tokens.prompt(
            render_user(observation, first=first, style=tokens.style),
            rows * columns,
            first=first,
            stopped=first or int(said[-1]) == tokens.stop,
        )

    def without_frames(self, turn: TurnTokens) -> TurnTokens:
        """Return the turn with a prompt that lacks its frames and their times."""
        prompt = frame_ablation.without_frames(self.model.tokens, turn.prompt)
        return TurnTokens(prompt, turn.completion, turn.logprobs)

    def read_text(self, ids: NDArray[np.int64]) -> str:
        """Return what token ids int64 `(L,)` spell, without a stop token at the end."""
        return self.model.tokens.text(ids)

    def read_frames(self, ids: NDArray[np.int64]) -> list[PromptFrame]:
        """Return what token ids int64 `(L,)` say of each frame in them, in order."""
        return self.model.tokens.frames(ids)

    def visual_tokens(self, keys: Sequence[bytes]) -> list[int]:
        """Return how many visual tokens the features of each frame fill."""
        return [rows * columns for rows, columns in self.model.encoder.grids(keys)]

    def fingerprint(self) -> str:
        """Return the fingerprint of the adapter weights that sampling uses."""
        return fingerprint(self.model.weights_in_use())

    @property
    def encodes(self) -> int:
        """Number of frames that the vision tower has encoded so far."""
        return self.model.encoder.encodes
