"""SAGE-MM seen from outside: its prompts, texts and weights, for checks and for step credit."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import dtype

from policies.base import Observation, TurnTokens
from policies.introspection import Belief, PromptFrame, fingerprint
from policies.prompt import SYSTEM, render_user, told_to_answer
from policies.sage_mm.beliefs import beliefs as read_beliefs
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.tokens import frame_ablation
from sage_env.tools.tool import Tool
from sage_env.tools.tool_prompt import describe_tools


class IntrospectionMixin:
    """The methods of `policies.introspection` and `AblatesFrames`, apart from playing.

    Attributes:
        model: the network.
        tools: of the environment, which the system message tells of.
        answers_only: whether replies are constrained to answers.
    """

    model: SageModel
    tools: tuple[Tool, ...] = ()
    answers_only: bool = False

    def prompt(
        self, observation: Observation, said: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], tuple[bytes, ...]]:
        """Return what an observation adds to an episode of the tokens `said` int64 `(L,)`.

        Returns:
            ids int64 `(P,)`, and the keys of its frames, which are encoded if they are new.
        """
        encoder = self.model.encoder
        return self._render(observation, said), encoder.encode([encoder.pictures(observation)])[0]

    def _render(self, observation: Observation, said: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the ids int64 `(P,)` that an observation adds to the tokens `said`."""
        tokens, first = self.model.tokens, not len(said)
        told = describe_tools(self.tools)
        # The shipped model reads few words: that its budget is one turn is all that it is told.
        if self.answers_only and tokens.style == "full":
            observation = told_to_answer(observation)
        return tokens.prompt(
            render_user(observation, first=first, style=tokens.style),
            self.model.encoder.tokens_per_picture(observation),
            first=first,
            stopped=first or int(said[-1]) == tokens.stop,
            system=f"{SYSTEM[tokens.style]}\n{told}".strip() if told else None,
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

    def beliefs(
        self, episodes: Sequence[Sequence[TurnTokens]], choices: Sequence[Sequence[str]]
    ) -> list[list[Belief | None]]:
        """Return how likely each choice would have been as the answer in each turn.

        See `policies.sage_mm.beliefs`, also for what it costs.

        Raises:
            ModelError: if the tokens are not those that a turn was sampled from.
        """
        return read_beliefs(self.model, episodes, choices)

    def fingerprint(self) -> str:
        """Return the fingerprint of the adapter weights that sampling uses."""
        return fingerprint(self.model.weights_in_use())

    @property
    def compute_dtype(self) -> dtype:
        """The dtype of hidden states, keys and values."""
        return self.model.dtype

    @property
    def encodes(self) -> int:
        """Number of frames that the vision tower has encoded so far."""
        return self.model.encoder.encodes
