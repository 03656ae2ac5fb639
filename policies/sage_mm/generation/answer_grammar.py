r"""Replies that answer: the grammar of the answer action alone, as a finite automaton over bytes.

The action as `format_action` writes it, without evidence, is a regular language:

    {"thought": "CHARS", "action": "answer", "text": "CHARS"}        the thought may be left out

CHARS are JSON's: any but a quote, a backslash and control characters, or an escape of one
character; the text has at least one. A reply that begins inside thoughts ends them first. So DIRECT
needs no package to be made to answer, and the thought, in which a small model does its reading,
stays its own: with an answer forced on it at once, `sage-mm-tiny` is right on 33 % of the
validation questions at 12 frames and 31 % at 48, with its thought on 56 % and 86 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from policies.errors import ModelError
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.tokens.chat_tokens import ChatTokens

Row = NDArray[np.int16]

DEAD = -1
"""The state of a reply that can no longer become an answer."""
END_OF_THOUGHTS = b"</think>"


class ByteAutomaton:
    """A deterministic automaton over bytes, built from its start onwards.

    Attributes:
        rows: int16 `(256,)` per state: the state after each byte, or `DEAD`.
    """

    def __init__(self) -> None:
        """Start with no state."""
        self.rows: list[Row] = []

    def state(self) -> int:
        """Return a new state, from which no byte leads on yet."""
        self.rows.append(np.full(256, DEAD, np.int16))
        return len(self.rows) - 1

    def literal(self, state: int, text: str) -> int:
        """Let `text` lead on from a state; return the state after it. Common beginnings are one."""
        for byte in text.encode():
            if self.rows[state][byte] == DEAD:
                self.rows[state][byte] = self.state()
            state = int(self.rows[state][byte])
        return state

    def string(self, state: int, *, empty: bool = True) -> int:
        """Let the characters of a JSON string lead on; return the state behind any of them.

        The closing quote is left to `literal`.

        Args:
            state: behind the opening quote.
            empty: whether there may be none.
        """
        inside = state if empty else self.state()
        escape = self.state()
        for k in {state, inside}:
            self.rows[k][0x20:] = inside
            self.rows[k][ord('"')] = DEAD
            self.rows[k][ord("\\")] = escape
        self.rows[escape][list(b'"\\/bfnrt')] = inside
        return inside

    def search(self, pattern: bytes) -> tuple[int, int]:
        """Return the start of a search for `pattern`, and the state right behind its first match.

        Every state of the search is how much of the pattern was read last (Knuth, Morris and Pratt,
        SIAM J. Computing 6, 1977).
        """
        start = len(self.rows)
        for _ in range(len(pattern) + 1):
            self.state()
        for read in range(len(pattern)):
            for byte in range(256):
                text = pattern[:read] + bytes([byte])
                kept = next(k for k in range(len(pattern), -1, -1) if text.endswith(pattern[:k]))
                self.rows[start + read][byte] = start + min(kept, read + 1)
        return start, start + len(pattern)


@dataclass(eq=False)
class AnswerReply:
    """The state of one reply; `AnswerGrammar.consume` moves it."""

    state: int


class AnswerGrammar(ActionGrammar):
    """The grammar of the answer action alone; it needs no package. See the module.

    Args:
        tokens: the chat layout. A checkpoint that thinks first thinks freely, then answers.
        vocabulary: rows of the model's output layer.

    Raises:
        ModelError: if the tokenizer cannot write an answer.
    """

    def __init__(self, tokens: ChatTokens, vocabulary: int) -> None:
        """Build the automaton; which tokens a state allows is worked out when it is reached."""
        self.vocabulary, self._stop = vocabulary, tokens.stop
        self._automaton = ByteAutomaton()
        self._start, self._end = _answer(self._automaton, thinking=tokens.thinks_first)
        banned = tokens.banned(vocabulary)
        banned[self._stop] = True  # it is allowed at the end of an answer, whatever spells it
        spelled = [
            b"" if out else tokens.text(np.array([index])).encode(errors="replace")
            for index, out in enumerate(banned.tolist())
        ]
        # Longest first: those that have a byte at a place are then the first ones.
        self._order = np.array(sorted(range(vocabulary), key=lambda i: -len(spelled[i])), np.intp)
        lengths = np.array([len(spelled[i]) for i in self._order])
        longest = int(lengths[0]) if vocabulary else 0
        self._counts = [(lengths > place).sum() for place in range(longest)]
        self._bytes = [
            np.array([spelled[i][place] for i in self._order[:count]], np.intp)
            for place, count in enumerate(self._counts)
        ]
        self._after: dict[int, Row] = {}
        self._require_answers()

    def start(self) -> AnswerReply:
        """Return the state at the start of a reply, for `allowed` and `consume`."""
        return AnswerReply(self._start)

    def allowed(self, replies: Sequence[AnswerReply]) -> NDArray[np.bool_]:
        """Return which tokens may come next: bool `(N, vocabulary)` for the states of N replies."""
        found = np.stack([self._next(reply.state) != DEAD for reply in replies])
        found[:, self._stop] = [reply.state == self._end for reply in replies]
        return found

    def consume(self, reply: AnswerReply, token: int) -> None:
        """Move the state of a reply on by one token, in place; the stop token moves nothing.

        Raises:
            ModelError: if it was not allowed, as in a batch that was sampled without the grammar.
        """
        if token == self._stop:
            return
        after = int(self._next(reply.state)[token])
        if after == DEAD:
            raise ModelError(
                f"token {token} cannot stand here in an answer: score a batch as it was sampled, "
                "with or without `answers_only`"
            )
        reply.state = after

    def _next(self, state: int) -> Row:
        """Return the state after each token: int16 `(vocabulary,)`, `DEAD` where none is."""
        if state not in self._after:
            table = np.stack(self._automaton.rows)
            table = np.vstack([table, np.full(256, DEAD, np.int16)])  # DEAD stays dead: row -1
            states = np.full(self.vocabulary, state, np.int16)
            for count, letters in zip(self._counts, self._bytes, strict=True):
                states[:count] = table[states[:count], letters]
            states[self._counts[0] if self._counts else 0 :] = DEAD  # tokens without a byte
            self._after[state] = np.empty_like(states)
            self._after[state][self._order] = states
        return self._after[state]

    def _require_answers(self) -> None:
        """Refuse a tokenizer with which a reply could get stuck."""
        reached, waiting = {self._start}, [self._start]
        while waiting:
            after = {int(s) for s in np.unique(self._next(waiting.pop())) if s != DEAD}
            waiting += after - reached
            reached |= after
        stuck = [s for s in reached if s != self._end and not (self._next(s) != DEAD).any()]
        if stuck or self._end not in reached:
            raise ModelError(
                "the tokenizer has no tokens that spell an answer in JSON: use that of a Qwen3-VL "
                "checkpoint, which has one for every byte"
            )


def _answer(automaton: ByteAutomaton, *, thinking: bool) -> tuple[int, int]:
    """Add the language of answers; return its start and its end.

    Args:
        automaton: without a state.
        thinking: whether the reply begins inside thoughts.
    """
    if thinking:
        start, opening = automaton.search(END_OF_THOUGHTS)
        automaton.rows[opening][list(b" \n\r\t")] = opening
    else:
        start = opening = automaton.state()
    thought = automaton.string(automaton.literal(opening, '{"thought": "'))
    key = automaton.literal(thought, '", "action": "answer", "text": "')
    text = automaton.string(key, empty=False)
    without = automaton.literal(opening, '{"action": "answer", "text": "')
    automaton.rows[without][:] = automaton.rows[key]
    return start, automaton.literal(text, '"}')
