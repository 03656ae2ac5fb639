"""Guesses at how a reply goes on, from the replies before it.

Replies are alike: an action has the same keys in the same order every time. A guess is read in one
pass with the token before it, and every place of it is sampled as if it had been reached one by
one; what was guessed right is kept, what follows the first wrong place is dropped. So guesses
change how many passes a reply takes, and beyond rounding nothing of what is sampled or of its
log-probs: speculative decoding (arXiv 2211.17192) with n-grams in place of a small model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from policies.sage_mm.tokens.chat_tokens import ChatTokens
from sage_env.actions.action import Answer, Sample, Skip, Zoom
from sage_env.actions.action_text import format_action

NGram: TypeAlias = tuple[int, ...]
START = -1  # stands before the first token of a reply

ORDER = 3  # tokens that a guess goes by, at most
SHARE = 0.5  # of what has followed them before: from there on a guess is worth a place in the pass
LONGEST = 8  # tokens of a guess
ENTRIES = 1 << 20  # beyond so many n-grams all are forgotten
ACTIONS = (Answer("x"), Zoom(0.0, 1.0, 1), Sample(0.0, 1.0, 1), Skip(0.0))


class NGramDrafter:
    """N-grams of a policy's replies.

    Guesses move roundings, so that a run repeats itself bit for bit only if they do too: they have
    to come from replies in a fixed order, and from none before the last `forget`.

    Args:
        tokens: most tokens of a pass, of all its rows together, guesses included.
        examples: replies that are known from the start, see `written_actions`.
    """

    def __init__(self, tokens: int, examples: Iterable[Sequence[int]] = ()) -> None:
        """Know the examples."""
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
        """Remember what followed what in a reply."""
        if len(self._counts) > ENTRIES:
            self.forget()
        ids = (START, *map(int, reply))
        for at in range(1, len(ids)):
            for first in range(max(0, at - ORDER), at):
                before, token = ids[first:at], ids[at]
                self._totals[before] += 1
                self._counts[before, token] += 1
                best = self._best.setdefault(before, token)
                if self._counts[before, token] > self._counts[before, best]:
                    self._best[before] = token

    def propose(self, reply: Sequence[int], rows: int, most: int) -> list[int]:
        """Return how a reply may go on; nothing where it is unclear.

        Args:
            reply: its tokens so far.
            rows: of the pass.
            most: tokens, at most.
        """
        guess: list[int] = []
        most = min(most, LONGEST, self.tokens // rows - 1)
        last = (START, *reply)[-ORDER:]
        while len(guess) < most:
            known = next((last[n:] for n in range(len(last)) if last[n:] in self._best), None)
            if known is None:
                break
            token = self._best[known]
            if self._counts[known, token] < SHARE * self._totals[known]:
                break
            guess.append(token)
            last = (*last, token)[-ORDER:]
        return guess


def written_actions(tokens: ChatTokens) -> list[list[int]]:
    """Return what an action of each kind is written as, with a thought and without."""
    texts = [format_action(action, thought) for action in ACTIONS for thought in ("x", None)]
    return [tokens.completion(text).tolist() for text in texts]
