"""Drafts of how a reply goes on, by n-grams of the replies before it: prompt-lookup decoding.

Replies resemble each other: an action has the same keys in the same order every time. A draft is
read in one pass with the token before it, a token is sampled after each of its places, and
`DecodeRow.accept` keeps those that one-by-one decoding would have sampled. Drafts change how many
passes a reply takes, and nothing of what is sampled or of its log-probs beyond rounding.

This is speculative decoding (arXiv 2211.17192; 2302.01318) with n-gram counts in place of the small
model, as in prompt-lookup decoding (github.com/apoorvumang/prompt-lookup-decoding), except that the
n-grams come from other replies of the policy. A draft here is certain of its token, so that the
papers' rule, to accept it with the probability p that the model gives it, is: sample from the model
and accept if both agree.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from policies.sage_mm.tokens.chat_tokens import ChatTokens
from sage_env.actions.action import Answer, Sample, Skip, Zoom
from sage_env.actions.action_text import format_action

NGram: TypeAlias = tuple[int, ...]
START = -1
"""Stands before the first token of a reply."""

# Measured together only: with drafts, and adapters without autograd, the small model's generation
# fell from 1.70 to 1.18 s a round (benchmarks/reports/rollout.md). No value has been measured by
# itself; do so when a larger model or longer replies are trained.
MAX_ORDER = 3
"""Tokens that a draft is conditioned on, at most. More find fewer matches, and better ones."""
MIN_PROBABILITY = 0.5
"""Least share of a token among those that have followed its n-gram. Below one half a drafted token
is more often wrong than right, and everything after it is read for nothing."""
MAX_DRAFT = 8
"""Tokens of one draft. Once one of them is wrong, those after it were read for nothing."""
MAX_ENTRIES = 1 << 20
"""N-grams held, to bound memory: beyond so many all replies but the examples are forgotten."""
ACTIONS = (Answer("x"), Zoom(0.0, 1.0, 1), Sample(0.0, 1.0, 1), Skip(0.0))


class NGramDrafter:
    """Counts of what followed what in a policy's replies.

    Drafts decide how wide a pass is, and with the shape of a batch the last bits of its logits
    change. So that a run repeats itself bit for bit, replies must be observed in a fixed order, and
    none from before the last `forget` may count.

    Args:
        tokens: of one pass, of all its rows together, drafts included; 0 drafts nothing.
        examples: replies that are known from the start, see `written_actions`.

    Attributes:
        tokens: see above.
    """

    def __init__(self, tokens: int, examples: Iterable[Sequence[int]] = ()) -> None:
        """Observe the examples."""
        self.tokens = tokens
        self._examples = tuple(examples)
        self.forget()

    def forget(self) -> None:
        """Forget all replies but the examples."""
        self._counts: Counter[tuple[NGram, int]] = Counter()
        self._totals: Counter[NGram] = Counter()
        self._best: dict[NGram, int] = {}
        for reply in self._examples:
            self.observe(reply)

    def observe(self, reply: Sequence[int]) -> None:
        """Count what follows each n-gram of a reply, for every order up to `MAX_ORDER`."""
        if len(self._counts) > MAX_ENTRIES:
            self.forget()
        ids = (START, *map(int, reply))
        for at in range(1, len(ids)):
            for first in range(max(0, at - MAX_ORDER), at):
                before, token = ids[first:at], ids[at]
                self._totals[before] += 1
                self._counts[before, token] += 1
                best = self._best.setdefault(before, token)
                if self._counts[before, token] > self._counts[before, best]:
                    self._best[before] = token

    def propose(self, reply: Sequence[int], rows: int, most: int) -> list[int]:
        """Draft how a reply may go on; the draft is empty where that is unclear.

        After `1 2 3 4` was observed once and `1 2 5 6` three times, the draft after `1` is `2 5 6`:
        2 always followed, 5 in three of four cases, 6 always.

        Args:
            reply: its tokens so far.
            rows: of the pass, which share its `tokens`.
            most: tokens of the draft, at most.
        """
        draft: list[int] = []
        most = min(most, MAX_DRAFT, self.tokens // rows - 1)
        last = (START, *reply)[-MAX_ORDER:]
        while len(draft) < most:
            known = next((last[n:] for n in range(len(last)) if last[n:] in self._best), None)
            if known is None:
                break
            token = self._best[known]
            if self._counts[known, token] < MIN_PROBABILITY * self._totals[known]:
                break
            draft.append(token)
            last = (*last, token)[-MAX_ORDER:]
        return draft


def written_actions(tokens: ChatTokens) -> list[list[int]]:
    """Return the token ids of one action of each kind, with a thought and without."""
    texts = [format_action(action, thought) for action in ACTIONS for thought in ("x", None)]
    return [tokens.completion(text).tolist() for text in texts]
