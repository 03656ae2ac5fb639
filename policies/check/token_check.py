"""The laws of `check_policy` about the tokens in a policy's decisions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from policies.base import Decision, TrainablePolicy, TurnTokens
from sage_env.testing.laws import require

if TYPE_CHECKING:
    from policies.base import TokenBatch

_ROUNDING = 1e-6  # by which a log-prob may be above 0


def check_turns(policy: Any, decisions: Sequence[Decision], shown: Sequence[int | None]) -> None:
    """Check the tokens of one episode.

    Args:
        policy: who decided. Where it has `stop_token` and `max_new_tokens`, ends are checked too.
        decisions: of the episode, in order.
        shown: how many frames each turn's observation had; `None` where it does not say.

    Raises:
        AssertionError: with the law that was broken.
    """
    turns = [decision.tokens for decision in decisions]
    spoken = [turn for turn in turns if turn is not None]
    require(
        len(spoken) in (0, len(turns)),
        f"tokens must come with every turn of an episode or with none, got {len(spoken)} of "
        f"{len(turns)}",
    )
    for number, turn in enumerate(spoken):
        _check_arrays(turn, f"turn {number}")
        _check_end(policy, turn, f"turn {number}")
        most = shown[number]
        if most is not None and not turn.fresh:
            require(
                len(turn.frames) <= most,
                f"turn {number}: frames must have a key per frame that the prompt introduced, at "
                f"most the {most} of the observation, got {len(turn.frames)}",
            )


def check_scores(policy: TrainablePolicy, turns: Sequence[TurnTokens], tolerance: float) -> None:
    """Check that the learner reads an append-only episode as it was sampled.

    Args:
        policy: who sampled.
        turns: of the episode, in order.
        tolerance: largest difference of a log-prob allowed, in nats.

    Raises:
        AssertionError: with the law that was broken.
    """
    batch = _batch_of(turns, policy.temperature)
    scored = policy.evaluate(batch)
    found = {
        "evaluate(batch).logprobs": scored.logprobs,
        "evaluate(batch).entropy": scored.entropy,
        "reference_logprobs(batch)": policy.reference_logprobs(batch),
        "values(batch)": policy.values(batch),
    }
    for name, tensor in found.items():
        shape, kind = tuple(tensor.shape), str(tensor.dtype).removeprefix("torch.")
        require(
            shape == tuple(batch.ids.shape) and kind == "float32",
            f"{name} must be float32 (B, L) = {tuple(batch.ids.shape)}, got {kind} {shape}",
        )
        outside = tensor.detach().cpu()[~batch.sampled]
        require(not outside.any(), f"{name} must be 0 where nothing was sampled")
    gaps = (scored.logprobs.detach().cpu() - batch.old_logprobs).abs()
    worst = int(gaps.argmax())
    require(
        bool(gaps.max() <= tolerance),
        "the tokens of all turns, joined, must score as they were sampled if no turn is `fresh`: "
        f"the log-prob of token {worst} differs by {float(gaps.max()):g}; is the context "
        "append-only, and are the ids those that were sampled?",
    )


def _check_arrays(turn: TurnTokens, where: str) -> None:
    require(isinstance(turn, TurnTokens), f"{where}: tokens must be TurnTokens or None")
    for name, kind in (("prompt", "int64"), ("completion", "int64"), ("logprobs", "float32")):
        array = getattr(turn, name)
        got = f"{array.dtype} {array.shape}" if isinstance(array, np.ndarray) else type(array)
        require(
            isinstance(array, np.ndarray) and array.dtype == kind and array.ndim == 1,
            f"{where}: {name} must be a {kind} array with one dimension, got {got}",
        )
    require(len(turn.completion) > 0, f"{where}: completion must hold what was sampled, got none")
    ids = np.concatenate([turn.prompt, turn.completion])
    require(bool((ids >= 0).all()), f"{where}: token ids must not be negative, got {ids.min()}")
    require(
        bool(np.isfinite(turn.logprobs).all() and (turn.logprobs <= _ROUNDING).all()),
        f"{where}: logprobs must be finite and not above 0, got {turn.logprobs.max()}",
    )
    require(
        isinstance(turn.frames, tuple) and all(isinstance(key, bytes) for key in turn.frames),
        f"{where}: frames must be a tuple of keys, each bytes",
    )


def _check_end(policy: Any, turn: TurnTokens, where: str) -> None:
    """Check that a completion ends with the stop token, or was cut at `max_new_tokens` without it.

    The stop token may stand nowhere else. Policies that do not tell theirs are not checked.
    """
    stop, most = getattr(policy, "stop_token", None), getattr(policy, "max_new_tokens", None)
    if stop is None:
        return
    require(
        stop not in turn.completion[:-1],
        f"{where}: nothing may follow the stop token {stop} in a completion",
    )
    if turn.completion[-1] != stop and most is not None:
        require(
            len(turn.completion) == most,
            f"{where}: the stop token {stop} belongs to the completion; this one has neither it "
            f"nor the {most} tokens at which one is cut, but {len(turn.completion)}",
        )


def _batch_of(turns: Sequence[TurnTokens], temperature: float) -> TokenBatch:
    """Return one episode as a batch of one row."""
    import torch

    from policies.base import TokenBatch

    def row(parts: list[Any], dtype: torch.dtype) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(parts)).to(dtype)[None]

    zeros = [np.zeros(len(turn.prompt)) for turn in turns]
    pairs = list(zip(zeros, turns, strict=True))
    ids = row([x for turn in turns for x in (turn.prompt, turn.completion)], torch.long)
    return TokenBatch(
        ids=ids,
        attention=torch.ones_like(ids, dtype=torch.bool),
        sampled=row([x for z, t in pairs for x in (z, np.ones(len(t.completion)))], torch.bool),
        turn=row(
            [np.full(len(t.prompt) + len(t.completion), k) for k, t in enumerate(turns)],
            torch.long,
        ),
        old_logprobs=row([x for z, t in pairs for x in (z, t.logprobs)], torch.float32),
        rewards=torch.zeros(ids.shape),
        frames=[tuple(key for turn in turns for key in turn.frames)],
        temperature=temperature,
    )
