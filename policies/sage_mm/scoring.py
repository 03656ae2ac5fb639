"""Re-scoring: log-probs, entropies and values of whole episodes, in one forward pass over all.

Later frames do not change earlier hidden states. One pass over an episode therefore equals the
passes turn by turn in which it was sampled. Episodes are packed: nothing is padded, and a shared
prefix is computed once.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from policies.base import Evaluation, TokenBatch
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.model.prefix_packing import pack
from policies.sage_mm.model.sage_model import SageModel

CHUNK = 32
"""Episodes per pass where no gradient is needed. It trades the memory of a pass against prefixes
that are computed once per pass, and has not been measured; measure it with longer episodes."""


def evaluate(
    model: SageModel, batch: TokenBatch, grammar: ActionGrammar | None = None
) -> Evaluation:
    """Score the sampled tokens under the adapter in use, differentiably.

    Args:
        model: the network.
        batch: whole episodes.
        grammar: that they were sampled with: the scores are then of what it allowed.

    Returns:
        log-probs and entropies float32 `(B, L)` in nats, 0 where nothing was sampled.
    """
    allowed = None if grammar is None else grammar.allowed_in(batch)
    logprobs = model.log_probs(states_before_sampled(model, batch), batch.temperature, allowed)
    entropy = -(logprobs.exp() * logprobs).sum(-1)
    return Evaluation(_chosen(batch, logprobs), _at_sampled(batch, entropy))


def reference_logprobs(
    model: SageModel, batch: TokenBatch, grammar: ActionGrammar | None = None
) -> Tensor:
    """Score the sampled tokens with the reference, without gradient.

    That is the adapter that training started from, or the base itself. A critic that is a head
    needs the base's hidden states too: where its values have been computed first, only the output
    layer is left to run.

    Args:
        model: the network.
        batch: whole episodes.
        grammar: that they were sampled with.

    Returns:
        float32 `(B, L)` in nats, 0 where nothing was sampled.
    """
    with model.using(model.reference), torch.no_grad():
        return _in_chunks(batch, lambda part: _of_reference(model, part, grammar))


def _of_reference(model: SageModel, part: TokenBatch, grammar: ActionGrammar | None) -> Tensor:
    of_base = model.reference is None and "critic_features" in part.cache
    if grammar is not None or not of_base:
        return evaluate(model, part, grammar).logprobs
    states = part.cache["critic_features"][part.sampled].to(model.device)
    return _chosen(part, model.log_probs(states, part.temperature))


def values(model: SageModel, batch: TokenBatch) -> Tensor:
    """Return the critic's value before each sampled token, differentiably: float32 `(B, L)`.

    The hidden states under a critic that is a head are those of the frozen base, or of the actor as
    it was where all its weights are trained. They are computed
    once and kept in `batch.cache["critic_features"]` `(B, L, hidden)`, at the sampled tokens:
    compute the values of a whole batch first, and every selection from it has them too.
    """
    if model.critic == "adapter":
        with model.using("critic"):
            if torch.is_grad_enabled():
                states = states_before_sampled(model, batch)
            else:
                states = _features(model, batch)[batch.sampled]
    else:
        if "critic_features" not in batch.cache:
            with model.using(model.critic_reads), torch.no_grad():
                batch.cache["critic_features"] = _features(model, batch)
        states = batch.cache["critic_features"][batch.sampled]
    return _at_sampled(batch, model.value_head(states.to(model.device).float())[:, 0])


def states_before_sampled(model: SageModel, batch: TokenBatch) -> Tensor:
    """Return the hidden states before each of the N sampled tokens.

    This is the one place where states and tokens are shifted against each other: the distribution
    of token t is computed from the state of token t - 1.

    Returns:
        `(N, hidden)`, of the dtype of the model; row by row, in order of position.
    """
    rows, columns = batch.sampled.cpu().numpy().nonzero()
    assert (columns > 0).all(), "an episode cannot begin with a sampled token"
    lengths: list[int] = batch.attention.sum(1).tolist()
    positions = model.positions(batch.ids, lengths, batch.frames)
    packing = pack(batch.ids.cpu().numpy(), lengths, batch.frames, model.tokens.frame_pad)
    at = torch.from_numpy(packing.rows), torch.from_numpy(packing.columns)
    hidden = model.hidden(
        batch.ids.cpu()[at][None].to(model.device),
        positions[:, *at][:, None].to(model.device),
        packing.frames,
        spans=packing.spans,
    )
    return hidden[0, torch.from_numpy(packing.slot_of[rows, columns - 1]).to(hidden.device)]


def _chosen(batch: TokenBatch, logprobs: Tensor) -> Tensor:
    """Pick the log-probs of the sampled tokens from those of all `(N, V)`: `(B, L)`."""
    chosen = batch.ids[batch.sampled].to(logprobs.device)
    return _at_sampled(batch, logprobs.gather(1, chosen[:, None])[:, 0])


def _at_sampled(batch: TokenBatch, found: Tensor) -> Tensor:
    """Put the N results back at the sampled tokens, 0 elsewhere: `(B, L)` where the batch is."""
    found = found.to(batch.ids.device)
    zeros = torch.zeros(batch.ids.shape, dtype=found.dtype, device=found.device)
    return zeros.masked_scatter(batch.sampled, found)


def _features(model: SageModel, batch: TokenBatch) -> Tensor:
    """Return the hidden state before each sampled token, 0 elsewhere: `(B, L, hidden)`."""

    def compute(part: TokenBatch) -> Tensor:
        states = states_before_sampled(model, part).to(part.ids.device)
        out = states.new_zeros(*part.ids.shape, states.shape[-1])
        out[part.sampled] = states
        return out

    return _in_chunks(batch, compute)


def _in_chunks(batch: TokenBatch, compute: Callable[[TokenBatch], Tensor]) -> Tensor:
    """Compute `(B, L, ...)` a few rows at a time, those with a shared prefix together."""
    order = batch.order_by_prefix(range(len(batch)))
    out: Tensor | None = None
    for at in range(0, len(order), CHUNK):
        rows = order[at : at + CHUNK]
        part = compute(batch.select(rows))
        if out is None:
            out = part.new_zeros(*batch.ids.shape, *part.shape[2:])
        out[rows, : part.shape[1]] = part
    if out is None:
        raise ValueError("the batch has no episodes")
    return out
