"""Laws of `policies.passes`: rows are cut to a bound, and old policies are called as they were."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from policies.base import Evaluation, TokenBatch  # noqa: E402
from policies.passes import CountsPassTokens, evaluate, fitting, into_passes  # noqa: E402


def batch_of(lengths: list[int]) -> TokenBatch:
    """Rows of these lengths in which the last token was sampled."""
    attention = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    sampled = attention & (torch.arange(max(lengths)) == torch.tensor(lengths)[:, None] - 1)
    zeros = torch.zeros(attention.shape)
    ids = zeros.long()
    return TokenBatch(ids, attention, sampled, ids, zeros, zeros, [() for _ in lengths])


class Packs:
    """Counts as a policy that computes a prefix of two tokens once for all rows."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def pass_tokens(self, batch: TokenBatch, rows: list[int]) -> int:
        self.asked.append(list(rows))
        return int(batch.attention[list(rows)].sum()) - 2 * (len(rows) - 1)


@given(
    st.lists(st.integers(2, 9), min_size=1, max_size=9),
    st.integers(1, 9),
    st.one_of(st.none(), st.integers(1, 30)),
    st.booleans(),
)
def test_a_cut_is_within_its_bounds_and_no_finer_than_needed(lengths, most, tokens, packs) -> None:
    batch, rows = batch_of(lengths), list(range(len(lengths)))
    fits = fitting(Packs() if packs else object(), batch, tokens)

    def size(some: list[int]) -> int:
        if packs:
            return Packs().pass_tokens(batch, some)
        return len(some) * max(lengths[row] for row in some)

    passes = into_passes(rows, most, fits)
    assert [row for one in passes for row in one] == rows
    for one in passes:
        assert 1 <= len(one) <= most
        assert tokens is None or len(one) == 1 or size(one) <= tokens
    for one, after in zip(passes, passes[1:], strict=False):
        more = [*one, after[0]]
        assert len(more) > most or (tokens is not None and size(more) > tokens)


def test_no_bound_is_the_cut_by_rows() -> None:
    batch = batch_of([3, 5, 4])
    assert fitting(Packs(), batch, None) is None
    assert into_passes([2, 0, 1], 2) == [[2, 0], [1]] and into_passes([], 2) == []


def test_who_packs_is_asked_only_where_its_rows_end_to_end_are_too_many() -> None:
    policy = Packs()
    assert isinstance(policy, CountsPassTokens) and not isinstance(object(), CountsPassTokens)
    fits = fitting(policy, batch_of([3, 5, 4]), 8)
    assert fits([0, 1]) and not policy.asked
    assert fits([0, 1, 2]) and policy.asked == [[0, 1, 2]], "3 + 5 + 4 - 4 tokens"
    fewer = fitting(policy, batch_of([3, 5, 4]), 7)
    assert fewer([0, 1]) and fewer([1, 2]) and not fewer([0, 1, 2])
    assert policy.asked[1:] == [[0, 1], [1, 2], [0, 1, 2]]
    padded = fitting(object(), batch_of([3, 5, 4]), 8)
    assert padded([1]) and not padded([0, 1]), "two rows of 5"


def test_the_gradient_of_an_entropy_is_left_out_where_a_policy_can() -> None:
    class Old:
        def evaluate(self, batch: TokenBatch) -> Evaluation:
            return Evaluation(batch.rewards, batch.rewards)

    class New(Old):
        def evaluate(self, batch: TokenBatch, *, entropy_gradient: bool = True) -> Evaluation:
            asked.append(entropy_gradient)
            return super().evaluate(batch)

    class Wrapped(New):
        def evaluate(self, batch: TokenBatch) -> Evaluation:  # somebody's own, of an older contract
            asked.append("wrapped")
            return super().evaluate(batch)

    asked: list[object] = []
    batch = batch_of([2])
    for policy in (Old(), New(), Wrapped()):
        for wanted in (True, False):
            assert evaluate(policy, batch, entropy_gradient=wanted).logprobs is batch.rewards
    assert asked == [True, False, "wrapped", True, "wrapped", True]


def test_a_selection_has_the_cached_entries_of_its_sampled_tokens() -> None:
    sampled = torch.tensor([[0, 1, 1], [0, 0, 1], [1, 0, 1]]).bool()
    ids = torch.arange(9).view(3, 3)
    ones, zeros = torch.ones(3, 3).bool(), torch.zeros(3, 3)
    batch = TokenBatch(ids, ones, sampled, ids, zeros, zeros, [(), (), ()])
    assert batch.sampled_in([2, 0]).tolist() == [3, 4, 0, 1] and not len(batch.sampled_in([]))
    batch.cache |= {"sampled/ids": ids[sampled], "ids": ids}
    for rows in ([2, 0], [1], [0, 1, 2], []):
        part = batch.select(rows)
        assert part.cache["sampled/ids"].tolist() == part.ids[part.sampled].tolist()
        assert torch.equal(part.cache["ids"], part.ids)
