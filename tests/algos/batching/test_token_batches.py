"""Laws of `algos.batching.token_batches`: collation, and cutting a batch into pieces."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from itertools import groupby

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.batching.token_batches import by_micro_batch, collate, micro_batches, minibatches
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from policies.base import Decision, TokenBatch
from sage_env import Answer
from tests.helpers.toy import ITEMS, Demonstrator, ToyEnv, ToyPolicy, envs

torch.set_num_threads(1)


def episodes(count: int = 12) -> list[Trajectory]:
    return collect(envs(8), ToyPolicy(), [EpisodeSpec(ITEMS[i % 8]) for i in range(count)], seed=3)


def test_rows_are_the_trajectories_and_the_rest_is_padding() -> None:
    played = episodes()
    batch = collate(played, temperature=0.7)
    assert len({len(t.token_ids) for t in played}) > 1, "the case must need padding"
    for row, trajectory in enumerate(played):
        length = len(trajectory.token_ids)
        assert batch.attention[row].tolist() == [True] * length + [False] * (
            batch.ids.shape[1] - length
        )
        for name, values in {
            "ids": trajectory.token_ids,
            "sampled": trajectory.sampled,
            "turn": trajectory.turn,
            "old_logprobs": trajectory.logprobs,
            "rewards": trajectory.rewards,
        }.items():
            tensor = getattr(batch, name)[row]
            assert tensor[:length].tolist() == values.tolist(), name
            assert set(tensor[length:].tolist()) <= {-1 if name == "turn" else 0}, name
        assert batch.frames[row] == trajectory.frames
        assert float(batch.rewards[row].sum()) == trajectory.ret
    assert batch.temperature == 0.7
    assert (batch.ids.dtype, batch.sampled.dtype) == (torch.int64, torch.bool)
    assert (batch.old_logprobs.dtype, batch.rewards.dtype) == (torch.float32, torch.float32)


def test_episodes_that_cannot_be_learned_from_are_refused() -> None:
    good = episodes(1)[0]
    with pytest.raises(ValueError, match="at least one"):
        collate([], 1.0)
    with pytest.raises(ValueError, match=r"trajectory 1 \(item 'q0'\) failed \(VideoError"):
        collate([good, dataclasses.replace(good, error="VideoError: gone")], 1.0)
    with pytest.raises(ValueError, match="truncated by a wrapper"):
        collate([dataclasses.replace(good, truncated=True)], 1.0)
    with pytest.raises(ValueError, match="it has no sampled tokens"):
        collate([dataclasses.replace(good, turns=[])], 1.0)
    silent = dataclasses.replace(good.turns[0], decision=Decision(Answer("a")))
    with pytest.raises(ValueError, match="turn 1 has no sampled tokens"):
        collate([dataclasses.replace(good, turns=[good.turns[0], silent])], 1.0)


@given(
    st.lists(st.integers(0, 11), unique=True, min_size=1),
    st.integers(1, 14),
)
@settings(max_examples=30, deadline=None)
def test_micro_batches_are_a_partition_of_rows_that_begin_alike(rows: list[int], size: int) -> None:
    batch = collate(episodes(), 1.0)
    pieces = micro_batches(batch, rows, size)
    assert sorted(row for piece in pieces for row in piece) == sorted(rows)
    assert all(len(piece) == size for piece in pieces[:-1]) and 0 < len(pieces[-1]) <= size
    order = [row for piece in pieces for row in piece]
    questions = [beginning(batch, row) for row in order]
    runs = [question for question, _ in groupby(questions)]
    assert len(runs) == len(set(runs)), "rows that begin alike are side by side"
    lengths = [int(batch.attention[row].sum()) for row in order]
    longest = [max(n for n, q in zip(lengths, questions, strict=True) if q == run) for run in runs]
    assert longest == sorted(longest)


@given(st.integers(1, 14), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_minibatches_are_a_partition_that_keeps_questions_whole(count: int, seed: int) -> None:
    batch = collate(episodes(), 1.0)
    parts = minibatches(batch, range(12), count, np.random.default_rng(seed))
    assert sorted(row for part in parts for row in part) == list(range(12))
    sizes = {len(part) for part in parts}
    assert len(parts) == min(count, 12) and max(sizes) - min(sizes) <= 1
    cut = [{beginning(batch, row) for row in part} for part in parts]
    for question in set().union(*cut):
        inside = [k for k, part in enumerate(cut) if question in part]
        assert inside == list(range(inside[0], inside[-1] + 1)), "only a boundary cuts a question"


def test_minibatches_are_drawn_anew() -> None:
    batch, rng = collate(episodes(), 1.0), np.random.default_rng(0)
    assert len({str(minibatches(batch, range(12), 2, rng)) for _ in range(9)}) > 1


def beginning(batch: TokenBatch, row: int) -> tuple[int, ...]:
    first = batch.sampled[row].tolist().index(True)
    return tuple(batch.ids[row, :first].tolist())


@pytest.mark.parametrize("size", [1, 5, 12, 99])
def test_piece_by_piece_is_the_whole(size: int) -> None:
    batch = collate(episodes(), 1.0)
    policy = ToyPolicy(1)
    whole = policy.evaluate(batch).logprobs
    pieces = by_micro_batch(lambda part: policy.evaluate(part).logprobs, batch, size)
    assert not pieces.requires_grad
    torch.testing.assert_close(pieces, whole.detach(), atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [1, 5, 12])
def test_what_a_policy_caches_comes_back_with_every_row(size: int) -> None:
    batch = collate(episodes(), 1.0)
    longest = int(batch.sampled.sum(1).max())

    def remember(part: TokenBatch) -> torch.Tensor:
        count = int(part.sampled.sum(1).max())
        part.cache["ids"] = part.ids.float()[..., None]
        part.cache["per row"] = part.ids.sum(1)
        part.cache["compact"] = part.ids[:, :count]
        part.cache["sampled/said"] = part.ids[part.sampled]
        return part.old_logprobs

    by_micro_batch(remember, batch, size)
    assert batch.cache["sampled/said"].tolist() == batch.ids[batch.sampled].tolist()
    assert batch.cache["compact"].shape == (12, longest)
    part = batch.select([7, 2])
    assert part.cache["ids"][..., 0].tolist() == part.ids.tolist()
    assert part.cache["per row"].tolist() == part.ids.sum(1).tolist()


def test_pieces_are_bounded_in_tokens_too() -> None:
    batch, seen = collate(episodes(), 1.0), []
    lengths = batch.attention.sum(1).tolist()

    def fits(rows: Sequence[int]) -> bool:
        return sum(lengths[row] for row in rows) <= 20

    def function(part: TokenBatch) -> torch.Tensor:
        seen.append(int(part.attention.sum()))
        return part.old_logprobs

    found = by_micro_batch(function, batch, 99, fits)
    assert torch.equal(found, batch.old_logprobs)
    assert len(seen) > 2 and max(seen) <= 20 and sum(seen) == sum(lengths)
    pieces = micro_batches(batch, range(12), 99, fits)
    assert [sum(lengths[row] for row in piece) for piece in pieces] == seen
    assert max(len(piece) for piece in micro_batches(batch, range(12), 2, fits)) == 2


def test_a_plain_demonstrator_with_tokens_can_be_collated() -> None:
    played = collect([ToyEnv()], Demonstrator(), [EpisodeSpec(item) for item in ITEMS], seed=0)
    assert collate(played, 1.0).sampled.sum() == 2 * sum(t.num_turns for t in played)


def test_pieces_are_filled_to_their_border() -> None:
    batch = collate(episodes(), 1.0)
    for size, expected in ((1, [1] * 12), (5, [5, 5, 2]), (11, [11, 1]), (12, [12]), (13, [12])):
        assert [len(piece) for piece in micro_batches(batch, range(12), size)] == expected
    assert micro_batches(batch, [], 3) == [] and micro_batches(batch, [7], 3) == [[7]]
    rng = np.random.default_rng(0)
    assert minibatches(batch, [], 3, rng) == [] and minibatches(batch, [4], 3, rng) == [[4]]


def test_only_episodes_with_something_wrong_are_refused() -> None:
    """Each reason alone; a first turn in a context of its own is none."""
    (good,) = episodes(1)
    (turn, *rest) = good.turns
    tokens = turn.decision.tokens
    assert tokens is not None

    def but(**changes: object) -> Trajectory:
        spoken = dataclasses.replace(tokens, **changes)  # type: ignore[arg-type]
        first = dataclasses.replace(turn, decision=Decision(Answer("a"), "a", spoken))
        return dataclasses.replace(good, turns=[first, *rest])

    assert len(collate([but(fresh=True), but(dropped=0)], 1.0)) == 2
    with pytest.raises(ValueError, match="outgrew the policy's context"):
        collate([but(dropped=1)], 1.0)
    nothing = but(completion=np.zeros(0, np.int64), logprobs=np.zeros(0, np.float32))
    with pytest.raises(ValueError, match="turn 0 has no sampled tokens"):
        collate([nothing], 1.0)
    again = dataclasses.replace(turn, decision=but(fresh=True).turns[0].decision)
    with pytest.raises(ValueError, match="turns with a context of their own"):
        collate([dataclasses.replace(good, turns=[turn, again])], 1.0)
    silent = dataclasses.replace(turn, decision=Decision(Answer("a")))
    with pytest.raises(ValueError, match="turn 1 has no sampled tokens"):
        collate([good, dataclasses.replace(good, turns=[turn, silent])], 1.0)
