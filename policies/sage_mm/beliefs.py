"""Beliefs: how likely each choice would be as the answer, had it been given in a turn.

Read after the episode from its tokens, in a pass of its own: no context, no cache of keys and
values and no random number of the episodes that are being played is touched. A turn's belief is
read where its reply would begin to say what it does:

    context of the turn | {"thought": "the thought that it sampled | ", "action": "answer", …

so that the model has read what it saw as it did; in a reply without a thought, at its beginning.
Choice i has the probability of `"text": "CHOICE i"}` and the stop token there, at temperature 1 and
without a grammar, divided by the sum over the choices. It is the probability of the whole text,
which is why a long choice is rarely likely where short ones stand beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from policies.base import TokenBatch, TurnTokens, context_digest
from policies.errors import ModelError
from policies.introspection import Belief
from policies.sage_mm import scoring
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.tokens.chat_tokens import ChatTokens
from sage_env.actions.action import Answer
from sage_env.actions.action_text import format_action
from sage_env.actions.thoughts import after_thoughts

Integers = NDArray[np.int64]

_THOUGHT = re.compile(r'\s*\{"thought": "(?:[^"\\]|\\.)*(?=")', re.DOTALL)
"""A reply up to the quote that closes its thought, as `format_action` writes it."""


@dataclass(frozen=True, eq=False)
class _Answered:
    """One turn of an episode that answers with one choice instead.

    Attributes:
        turn: `(episode, turn)`, the numbers of both.
        ids: int64 `(L,)`, all tokens up to the end of the answer.
        start: the first token in which this choice differs from another.
        frames: keys of the frames in it.
    """

    turn: tuple[int, int]
    ids: Integers
    start: int
    frames: tuple[bytes, ...]


def beliefs(
    model: SageModel,
    episodes: Sequence[Sequence[TurnTokens]],
    choices: Sequence[Sequence[str]],
) -> list[list[Belief | None]]:
    """Return the belief over the choices after each turn of each episode.

    The cost is one forward pass over each episode and, of every turn, as many short answers as
    there are choices: rows share their beginnings (`policies.sage_mm.model.prefix_packing`), at
    most `scoring.CHUNK` of them in a pass. Features of the frames are those of the rollout.

    Args:
        model: the network, with the adapter that played.
        episodes: the turns of each, in order.
        choices: of each episode's question.

    Returns:
        for each turn of each episode, a probability per choice, in the order of the choices;
        `None` where fewer than two choices are, where the turn's context was not the whole episode
        (`TurnTokens.dropped`), and where the reply never ended its thoughts.

    Raises:
        ModelError: if the tokens are not those that a turn was sampled from.
    """
    rows = [
        row
        for number, (turns, options) in enumerate(zip(episodes, choices, strict=True))
        if len(options) > 1
        for row in _answered(model.tokens, number, turns, options)
    ]
    found: list[list[Belief | None]] = [[None] * len(turns) for turns in episodes]
    if not rows:
        return found
    with torch.no_grad():
        logprobs = scoring.evaluate(model, _batch(rows)).logprobs.double().sum(1)
    for turn in dict.fromkeys(row.turn for row in rows):
        mine = [number for number, row in enumerate(rows) if row.turn == turn]
        episode, place = turn
        found[episode][place] = tuple(logprobs[mine].softmax(0).tolist())
    return found


def _answered(
    tokens: ChatTokens, episode: int, turns: Sequence[TurnTokens], choices: Sequence[str]
) -> Iterator[_Answered]:
    """Yield the turns of an episode with each choice as their answer."""
    context, frames = np.zeros(0, np.int64), tuple[bytes, ...]()
    for place, turn in enumerate(turns):
        if turn.fresh:
            context, frames = np.zeros(0, np.int64), ()
        context, frames = np.concatenate([context, turn.prompt]), frames + turn.frames
        replies = None if turn.dropped else _replies(tokens, turn.completion, choices)
        if replies is not None:
            _require_context(turn, context)
            start = len(context) + _common(replies)
            for reply in replies:
                yield _Answered((episode, place), np.concatenate([context, reply]), start, frames)
        context = np.concatenate([context, turn.completion])


def _replies(
    tokens: ChatTokens, sampled: Integers, choices: Sequence[str]
) -> list[Integers] | None:
    """Return what a reply would be that answered with each choice; `None` for unended thoughts.

    Args:
        tokens: the chat layout.
        sampled: int64 `(C,)`, the reply as it was sampled, whose thought is kept token for token.
        choices: what may be answered.
    """
    text = tokens.text(sampled)
    rest = after_thoughts(f"<think>{text}") if tokens.thinks_first else text
    if rest is None:
        return None
    thought = _THOUGHT.match(rest)
    head = text[: len(text) - len(rest)] + (thought.group() if thought else "")
    kept = len(sampled) - int(sampled[-1] == tokens.stop)
    while not head.startswith(tokens.text(sampled[:kept])):  # no token is cut: the rest is spelled
        kept -= 1
    spelled = head[len(tokens.text(sampled[:kept])) :]
    replies = []
    for choice in choices:
        answer = format_action(Answer(choice))
        said = f'{spelled}", {answer[1:]}' if thought else spelled + answer
        replies.append(np.concatenate([sampled[:kept], tokens.completion(said)]))
    return replies


def _common(replies: Sequence[Integers]) -> int:
    """Return how many tokens all replies begin with; those cancel out of a belief."""
    shortest = min(len(reply) for reply in replies)
    agree = np.stack([reply[:shortest] for reply in replies])
    differ = (agree != agree[0]).any(0)
    return int(differ.argmax()) if differ.any() else max(0, shortest - 1)


def _require_context(turn: TurnTokens, context: Integers) -> None:
    if turn.context and context_digest(context) != turn.context:
        raise ModelError(
            f"a turn was sampled from other tokens than the {len(context)} of its episode: its "
            "belief cannot be read"
        )


def _batch(rows: Sequence[_Answered]) -> TokenBatch:
    """Lay rows out for scoring: what is scored of each is what follows `start`."""
    shape = len(rows), max(len(row.ids) for row in rows)
    ids = torch.zeros(shape, dtype=torch.long)
    attention, sampled = (torch.zeros(shape, dtype=torch.bool) for _ in range(2))
    for number, row in enumerate(rows):
        length = len(row.ids)
        ids[number, :length] = torch.from_numpy(row.ids)
        attention[number, :length] = sampled[number, row.start : length] = True
    nothing = torch.zeros(shape)
    turn = torch.where(attention, 0, -1)
    frames = [row.frames for row in rows]
    return TokenBatch(ids, attention, sampled, turn, nothing, nothing, frames)
