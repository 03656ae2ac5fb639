"""What a model would have written in place of the assistant: loss and accuracy by token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from algos.sft.examples import Example
from algos.sft.settings import SFTConfig
from algos.sft.step_batches import in_pieces
from policies.base import TokenBatch
from policies.sage_mm.policy import SageMM
from policies.sage_mm.scoring import states_before_sampled

CHUNK = 1024
"""Tokens whose log-probs over the vocabulary are held at once: 0.6 GiB in float32 for 152 k ids."""

Restore = Callable[[Sequence[Example]], None]
"""Called before examples go through the model: have the features of their frames held."""


def nothing_lost(examples: Sequence[Example]) -> None:
    """Restore nothing: the features of all frames are held."""


@dataclass(frozen=True)
class TokenScores:
    """Sums over the tokens of a loss mask.

    Attributes:
        loss: cross-entropy, in nats per token.
        accuracy: share of the tokens that were the likeliest ones.
        tokens: how many there are.
    """

    loss: float
    accuracy: float
    tokens: int


def as_batch(examples: Sequence[Example]) -> TokenBatch:
    """Return examples as right-padded rows, whose sampled tokens are those of the loss mask."""
    shape = (len(examples), max(len(example.ids) for example in examples))
    ids, turn = np.zeros(shape, np.int64), np.full(shape, -1, np.int64)
    mask = np.zeros(shape, bool)
    for row, example in enumerate(examples):
        size = len(example.ids)
        ids[row, :size], mask[row, :size] = example.ids, example.loss_mask
        # a turn begins where the loss ends
        turn[row, :size] = np.cumsum(np.diff(example.loss_mask.astype(int), prepend=0) < 0)
    zeros = torch.zeros(shape)
    return TokenBatch(
        ids=torch.from_numpy(ids),
        attention=torch.from_numpy(turn >= 0),
        sampled=torch.from_numpy(mask),
        turn=torch.from_numpy(turn),
        old_logprobs=zeros,
        rewards=zeros,
        frames=[example.frames for example in examples],
    )


@torch.no_grad()
def token_scores(
    policy: SageMM,
    examples: Sequence[Example],
    config: SFTConfig,
    restore: Restore = nothing_lost,
) -> TokenScores:
    """Score the tokens of the loss masks under the actor, at the temperature 1.

    Args:
        policy: whose actor is measured.
        examples: at least one.
        config: how many go through the model at once.
        restore: see `Restore`.
    """
    lengths = [len(example.ids) for example in examples]
    order = sorted(range(len(examples)), key=lambda i: lengths[i])
    loss, right, count = 0.0, 0, 0
    for numbers in in_pieces(order, lengths, config.micro_batch, config.micro_tokens):
        chosen = [examples[i] for i in numbers]
        restore(chosen)
        batch = as_batch(chosen)
        states, wanted = states_before_sampled(policy.model, batch), batch.ids[batch.sampled]
        for at in range(0, len(wanted), CHUNK):
            some = wanted[at : at + CHUNK].to(policy.model.device)
            logprobs = policy.model.log_probs(states[at : at + CHUNK], 1.0)
            loss -= float(logprobs.gather(1, some[:, None]).double().sum())
            right += int((logprobs.argmax(-1) == some).sum())
            count += len(some)
    return TokenScores(loss / count, right / count, count)
