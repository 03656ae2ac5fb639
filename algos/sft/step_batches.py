"""Which episodes are in which step: random, and of similar length, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from algos.seeds import subseed
from algos.sft.examples import Example
from algos.sft.settings import EPOCHS, SFTConfig

POOL = 16
"""Batches whose episodes are sorted by length together. Larger pools pad less and mix less."""


@dataclass(frozen=True)
class StepPlan:
    """Every step of a fine-tuning, known before the first: a resumed run has the same.

    Attributes:
        batches: numbers of the episodes of each step.
        epoch_ends: steps (1, 2, ...) after which every episode was learned once more.
    """

    batches: tuple[tuple[int, ...], ...]
    epoch_ends: tuple[int, ...]

    @classmethod
    def of(cls, config: SFTConfig, lengths: Sequence[int]) -> StepPlan:
        """Plan the steps over episodes of so many tokens each."""
        found: list[tuple[int, ...]] = []
        ends: list[int] = []
        epochs = config.epochs or EPOCHS
        while len(found) < config.steps if config.steps is not None else len(ends) < epochs:
            rng = np.random.default_rng(subseed(config.seed, "epoch", len(ends) + 1))
            found += map(tuple, epoch_batches(lengths, config.batch, config.batch_tokens, rng))
            ends.append(len(found))
        steps = config.steps or len(found)
        return cls(tuple(found[:steps]), tuple(end for end in ends if end <= steps))


def epoch_batches(
    lengths: Sequence[int], size: int, tokens: int | None, rng: np.random.Generator
) -> Iterator[list[int]]:
    """Cut one pass over the episodes into batches, and yield them in random order.

    Args:
        lengths: tokens of each episode.
        size: most episodes of a batch.
        tokens: most tokens of a batch; an episode that has more is a batch of its own.
        rng: shuffles the episodes, and the batches.

    Yields:
        Numbers of the episodes of each batch; together, every one once. Numbers are drawn when they
        are needed: who shares the generator gets the others between two pools.
    """
    order = rng.permutation(len(lengths)).tolist()
    for at in range(0, len(order), POOL * size):
        pool = sorted(order[at : at + POOL * size], key=lambda i: lengths[i])
        pieces = in_pieces(pool, lengths, size, tokens)
        for number in rng.permutation(len(pieces)):
            yield pieces[number]


def in_pieces(
    numbers: Sequence[int], lengths: Sequence[int], size: int, tokens: int | None
) -> list[list[int]]:
    """Cut episodes into runs of at most `size` and, but for a single one, of at most `tokens`.

    Args:
        numbers: of the episodes, in order.
        lengths: tokens of each episode, by number.
        size: most episodes of a run.
        tokens: most tokens of a run; `None` for no limit.
    """
    pieces: list[list[int]] = []
    held = 0
    for number in numbers:
        full = pieces and (
            len(pieces[-1]) == size or (tokens is not None and held + lengths[number] > tokens)
        )
        if not pieces or full:
            pieces.append([])
            held = 0
        pieces[-1].append(number)
        held += lengths[number]
    return pieces


def batches(
    examples: Sequence[Example], size: int, rng: np.random.Generator
) -> Iterator[list[Example]]:
    """Yield batches for ever, in random order, of examples of similar length (length bucketing).

    Each pass shuffles the examples, sorts pools of 16 batches by length, cuts them into batches,
    and yields those in random order.
    """
    while True:
        lengths = [len(example.ids) for example in examples]
        for numbers in epoch_batches(lengths, size, None, rng):
            yield [examples[i] for i in numbers]
