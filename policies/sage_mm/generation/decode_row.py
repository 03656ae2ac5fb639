"""One sequence while it is decoded: its sampled tokens, and how it accepts drafts. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(eq=False)
class DecodeRow:
    """One sequence while it is decoded.

    Attributes:
        uniforms: float64 `(M,)`, the random number of each token that may be sampled.
        grammar_state: where the reply stands in the grammar; `None` without one.
        sequence: number of the sequence in its batch.
        prompt_length: tokens before the first sampled one.
        prompt_position: M-RoPE position of the first sampled token.
        ids: sampled tokens; the last one has been read by no pass yet.
        logprobs: their log-probs, in nats.
        entropies: of the distributions that they were drawn from, in nats.
        draft: tokens that the last pass read ahead, after the last of `ids`.
        over: whether nothing more is sampled.
    """

    uniforms: NDArray[np.float64]
    grammar_state: Any = None
    sequence: int = 0
    prompt_length: int = 0
    prompt_position: int = 0
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)
    entropies: list[float] = field(default_factory=list)
    draft: list[int] = field(default_factory=list)
    over: bool = False

    @property
    def cached(self) -> int:
        """Number of tokens whose keys and values are valid: the prompt and all of `ids` but one."""
        return self.prompt_length + len(self.ids) - 1

    @property
    def position(self) -> int:
        """M-RoPE position of the last of `ids`; a sampled token is text and moves it by one."""
        return self.prompt_position + len(self.ids) - 1

    def accept(
        self,
        tokens: Sequence[int],
        logprobs: Sequence[float],
        stop: int,
        entropies: Sequence[float] = (),
    ) -> int:
        """Take over what was sampled, as far as the draft was right, and one token more.

        Token k was sampled from the state after `draft[:k]`. If all of `draft[:k]` is right, it is
        what one-by-one decoding would have sampled; otherwise it is worthless. The draft `5 6 7`:

        | sampled | accepted | why |
        |---|---|---|
        | `5 6 7 8` | `5 6 7 8` | all of the draft is right, so that 8 counts as well |
        | `5 9 7 8` | `5 9` | 9 is true, but the states after it belong to 6 |
        | `4 6 7 8` | `4` | as if there had been no draft |

        Nothing follows the stop token, even if the draft went on after it.

        Args:
            tokens: sampled after the newest token and after each token of the draft, in order;
                what a wider pass padded may follow.
            logprobs: theirs, in nats.
            stop: the id that ends a reply.
            entropies: of the distributions that the tokens were drawn from, in nats.

        Returns:
            how many tokens were accepted, at least 1.
        """
        right = 0
        while right < len(self.draft) and tokens[right] == self.draft[right] != stop:
            right += 1
        self.ids += tokens[: right + 1]
        self.logprobs += logprobs[: right + 1]
        self.entropies += entropies[: right + 1]
        self.over = self.ids[-1] == stop or len(self.ids) == len(self.uniforms)
        return right + 1
