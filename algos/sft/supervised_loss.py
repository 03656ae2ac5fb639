"""The loss of a model without adapters: all its weights learn, as those of `sage-mm-tiny` did.

The loss is the cross-entropy of the next token, on the tokens of the loss mask only: what the
assistant writes, never what it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from algos.batching.gradients import add_gradients
from algos.sft.examples import Example
from policies.sage_mm.model.language_model import language_states
from policies.sage_mm.tokens.mrope import mrope_positions
from policies.sage_mm.vision.frame_encoder import FrameEncoder


def add_supervised_gradients(
    base: Any,
    encoder: FrameEncoder,
    frame_pad: int,
    examples: Sequence[Example],
    parameters: Sequence[nn.Parameter],
    *,
    micro_batch: int = 8,
    workers: int = 1,
    auxiliary_loss: Callable[[Sequence[Example]], Tensor] | None = None,
) -> float:
    """Add the gradient of a batch's mean cross-entropy over the loss mask.

    Every piece is divided by the masked tokens of the whole batch, so that the gradient does not
    depend on how the batch is cut.

    Args:
        base: the Qwen3-VL model.
        encoder: has the features of the examples' frames.
        frame_pad: id of the visual token.
        examples: the batch.
        parameters: what to differentiate by; gradients are added to their `.grad`.
        micro_batch: examples per forward pass.
        workers: forward passes that run side by side, each on one core.
        auxiliary_loss: a further loss, float `()`, of examples whose forward pass has just run in
            the same thread. Its mean over the examples is differentiated too, and not returned.

    Returns:
        The cross-entropy, in nats per token.
    """
    ordered = sorted(examples, key=lambda example: len(example.ids))
    pieces = [ordered[at : at + micro_batch] for at in range(0, len(ordered), micro_batch)]
    count = sum(int(example.loss_mask.sum()) for example in examples)

    def loss(piece: Sequence[Example]) -> tuple[Tensor, float]:
        total = _cross_entropy(base, encoder, frame_pad, piece) / count
        shown = float(total.detach())
        if auxiliary_loss is not None:
            total = total + auxiliary_loss(piece) * (len(piece) / len(examples))
        return total, shown

    return sum(add_gradients(pieces, loss, parameters, workers=workers))


def _cross_entropy(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> Tensor:
    """Return the cross-entropy of the masked tokens, summed: float `()`, in nats."""
    ids, loss_mask, hidden = _hidden(base, encoder, frame_pad, examples)
    # The state before a token predicts it. Only masked places go through the head: logits of all
    # places would be the largest tensor of the pass.
    scores = base.lm_head(hidden[:, :-1][loss_mask[:, 1:]])
    return F.cross_entropy(scores, ids[:, 1:][loss_mask[:, 1:]], reduction="sum")


@torch.no_grad()
def next_tokens(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> NDArray[np.int64]:
    """Return the likeliest token after every token of the examples.

    Args:
        base: the Qwen3-VL model.
        encoder: has the features of the examples' frames.
        frame_pad: id of the visual token.
        examples: N conversations, the longest of L tokens.

    Returns:
        Token ids, int64 `(N, L)`; meaningless behind the end of a shorter conversation.
    """
    _, _, hidden = _hidden(base, encoder, frame_pad, examples)
    likeliest: NDArray[np.int64] = base.lm_head(hidden).argmax(-1).cpu().numpy()
    return likeliest


def _hidden(
    base: Any, encoder: FrameEncoder, frame_pad: int, examples: Sequence[Example]
) -> tuple[Tensor, Tensor, Tensor]:
    """Return ids and loss mask `(N, L)`, padded on the right, and the last hidden states."""
    shape = (len(examples), max(len(example.ids) for example in examples))
    ids, loss_mask = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.bool)
    positions = torch.zeros((3, *shape), dtype=torch.long)
    for i, example in enumerate(examples):
        size = len(example.ids)
        ids[i, :size] = torch.from_numpy(example.ids)
        loss_mask[i, :size] = torch.from_numpy(example.loss_mask)
        row, _ = mrope_positions(example.ids, frame_pad, encoder.grids(example.frames))
        positions[:, i, :size] = torch.from_numpy(row)
    keys = [key for example in examples for key in example.frames]
    features = encoder.features(keys) if keys else None
    return ids, loss_mask, language_states(base, ids, positions, ids == frame_pad, features)
