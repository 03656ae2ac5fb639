"""Re-scoring: log-probs, entropies and values of whole episodes, in one forward pass over all.

Later frames do not change earlier hidden states. One pass over an episode therefore equals the
passes turn by turn in which it was sampled. Episodes are packed: nothing is padded, and a shared
prefix is computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from policies.base import PER_SAMPLED, Evaluation, TokenBatch
from policies.passes import counted, into_passes
from policies.sage_mm.generation.constrained import ActionGrammar
from policies.sage_mm.model.prefix_packing import Packing, pack
from policies.sage_mm.model.sage_model import SageModel
from policies.sage_mm.model.token_scores import AT_ONCE, TokenScores, tiled_scores

FEATURES = PER_SAMPLED + "critic_features"
"""Where a batch keeps the frozen base's hidden states: the input of a critic that is a head."""
CHUNK = 32
"""Episodes per pass where no gradient is needed. It trades the memory of a pass against prefixes
that are computed once per pass, and has not been measured; measure it with longer episodes."""
CHUNK_TOKENS = 1 << 16
"""Tokens of such a pass, with the same trade: at the shape of Qwen3-VL-8B in bfloat16 they take 6.5
GiB, counted on the meta device. Where it pays has not been measured on a GPU."""


def evaluate(
    model: SageModel,
    batch: TokenBatch,
    grammar: ActionGrammar | None = None,
    *,
    entropy_gradient: bool = True,
) -> Evaluation:
    """Score the sampled tokens under the adapter in use, differentiably.

    Under autograd that is one pass: who trains has cut the rows. Otherwise passes are bounded.

    Args:
        model: the network.
        batch: whole episodes.
        grammar: that they were sampled with: the scores are then of what it allowed.
        entropy_gradient: whether the entropy is differentiable too.

    Returns:
        log-probs and entropies float32 `(B, L)` in nats, 0 where nothing was sampled.
    """
    if not torch.is_grad_enabled() and len(passes := _passes(model, batch)) > 1:
        parts = [evaluate(model, batch.select(rows), grammar) for rows in passes]
        columns = [[part.logprobs for part in parts], [part.entropy for part in parts]]
        return Evaluation(*(_joined(batch, passes, column) for column in columns))
    allowed = None if grammar is None else grammar.allowed_in(batch)
    states = states_before_sampled(model, batch)
    found = _scores(model, states, batch, allowed, entropy_gradient)
    return Evaluation(_at_sampled(batch, found.logprobs), _at_sampled(batch, found.entropy))


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
        passes = _passes(model, batch)
        parts = [_of_reference(model, batch.select(rows), grammar) for rows in passes]
        return _joined(batch, passes, parts)


def _of_reference(model: SageModel, part: TokenBatch, grammar: ActionGrammar | None) -> Tensor:
    of_base = model.reference is None and model.critic_reads is None
    of_base &= FEATURES in part.cache
    if grammar is not None or not of_base:
        return evaluate(model, part, grammar).logprobs
    states = part.cache[FEATURES].to(model.device)
    return _at_sampled(part, _scores(model, states, part).logprobs)


def values(model: SageModel, batch: TokenBatch) -> Tensor:
    """Return the critic's value before each sampled token, differentiably: float32 `(B, L)`.

    The hidden states under a critic that is a head are those of the frozen base, or of the actor as
    it was where all its weights are trained. They are computed once and kept in `batch.cache`, at
    the sampled tokens alone: `(N, hidden)`. Compute the values of a whole batch first, and every
    selection from it has them too.
    """
    if model.critic == "adapter":
        with model.using("critic"):
            if torch.is_grad_enabled():
                states = states_before_sampled(model, batch)
            else:
                states = _features(model, batch)
    else:
        if FEATURES not in batch.cache:
            with model.using(model.critic_reads), torch.no_grad():
                batch.cache[FEATURES] = _features(model, batch)
        states = batch.cache[FEATURES]
    return _at_sampled(batch, model.value_head(states.to(model.device).float())[:, 0])


def pass_tokens(model: SageModel, batch: TokenBatch, rows: Sequence[int]) -> int:
    """Return how many tokens one pass over these rows computes: shared prefixes count once."""
    return len(_packed(model, batch, list(rows)).rows)


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
    packing = _packed(model, batch, list(range(len(batch))))
    at = torch.from_numpy(packing.rows), torch.from_numpy(packing.columns)
    hidden = model.hidden(
        batch.ids.cpu()[at][None].to(model.device),
        positions[:, *at][:, None].to(model.device),
        packing.frames,
        spans=packing.spans,
    )
    return hidden[0, torch.from_numpy(packing.slot_of[rows, columns - 1]).to(hidden.device)]


def _packed(model: SageModel, batch: TokenBatch, rows: list[int]) -> Packing:
    """Lay rows of a batch end to end."""
    ids, frames = batch.ids[rows].cpu().numpy(), [batch.frames[row] for row in rows]
    lengths: list[int] = batch.attention[rows].sum(1).tolist()
    return pack(ids, lengths, frames, model.tokens.frame_pad)


def _scores(
    model: SageModel,
    states: Tensor,
    batch: TokenBatch,
    allowed: Tensor | None = None,
    entropy_gradient: bool = True,
) -> TokenScores:
    """Score the N sampled tokens from the states before them, few logits at a time.

    Few logits come at once and many in tiles, with numbers that differ by rounding. An output layer
    with an adapter of its own is not cut into ids, but into tokens.

    Args:
        model: the network.
        states: `(N, hidden)`.
        batch: of the N tokens.
        allowed: bool `(N, V)`, what a grammar allowed; `None` for all.
        entropy_gradient: whether the entropy is differentiable.
    """
    head, temperature = model.base.lm_head, batch.temperature
    chosen = batch.ids[batch.sampled].to(states.device)

    def at_once(states: Tensor, chosen: Tensor, allowed: Tensor | None) -> TokenScores:
        logprobs = model.log_probs(states, temperature, allowed)
        spread = logprobs if entropy_gradient else logprobs.detach()
        entropy = -(spread.exp() * spread).sum(-1)
        return TokenScores(logprobs.gather(1, chosen[:, None])[:, 0], entropy)

    most = max(1, AT_ONCE // head.out_features)
    if len(states) <= most:
        return at_once(states, chosen, allowed)
    if type(head) is nn.Linear:
        masking = model.masking(temperature, allowed)
        gradient = entropy_gradient
        return tiled_scores(states, head.weight, chosen, masking, entropy_gradient=gradient)
    masks = [None] * len(states) if allowed is None else torch.split(allowed, most)
    parts = [
        cast(TokenScores, checkpoint(at_once, *part, use_reentrant=False, preserve_rng_state=False))
        for part in zip(torch.split(states, most), torch.split(chosen, most), masks, strict=False)
    ]
    return TokenScores(*(torch.cat(column) for column in zip(*parts, strict=True)))


def _at_sampled(batch: TokenBatch, found: Tensor) -> Tensor:
    """Put the N results back at the sampled tokens, 0 elsewhere: `(B, L)` where the batch is."""
    found = found.to(batch.ids.device)
    zeros = torch.zeros(batch.ids.shape, dtype=found.dtype, device=found.device)
    return zeros.masked_scatter(batch.sampled, found)


def _features(model: SageModel, batch: TokenBatch) -> Tensor:
    """Return the hidden state before each of the N sampled tokens, where the batch is."""
    passes = _passes(model, batch)
    parts = [states_before_sampled(model, batch.select(rows)) for rows in passes]
    found = torch.cat(parts).to(batch.ids.device)
    order = batch.sampled_in(row for rows in passes for row in rows)
    return torch.empty_like(found).index_copy_(0, order, found)


def _joined(batch: TokenBatch, passes: Sequence[Sequence[int]], parts: Sequence[Tensor]) -> Tensor:
    """Put what was found of the rows of each pass, `(b, l)`, back together: `(B, L)`."""
    out = parts[0].new_zeros(batch.ids.shape)
    for rows, part in zip(passes, parts, strict=True):
        out[list(rows), : part.shape[1]] = part
    return out


def _passes(model: SageModel, batch: TokenBatch) -> list[list[int]]:
    """Cut the rows into passes without gradient, those with a shared prefix together.

    Raises:
        ValueError: if there are none.
    """
    if not len(batch):
        raise ValueError("the batch has no episodes")
    order = batch.order_by_prefix(range(len(batch)))
    return into_passes(order, CHUNK, counted(batch, CHUNK_TOKENS, partial(pass_tokens, model)))
