"""Laws of `algos.objectives.advantages`: GAE, group baselines, whitening."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.objectives.advantages import (
    explained_variance,
    gae,
    group_baseline,
    group_deviation,
    has_signal,
    length_adaptive_lam,
    subtract_at_end,
    whiten,
)
from tests.helpers.slow_maths import groups_of

torch.set_num_threads(1)
NAN = float("nan")


def slow_gae(
    rewards: list[float], values: list[float], gamma: float, lam: float
) -> tuple[list[float], list[float]]:
    """One sequence without observation tokens, straight from the definition, in float64.

    A_i = sum over j >= i of (gamma lam)^(j-i) * delta_j.
    """
    n = len(rewards)
    after = [*values[1:], 0.0]
    delta = [rewards[i] + gamma * after[i] - values[i] for i in range(n)]
    advantages = [sum((gamma * lam) ** (j - i) * delta[j] for j in range(i, n)) for i in range(n)]
    return advantages, [a + v for a, v in zip(advantages, values, strict=True)]


floats = st.floats(-2, 2)


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[bool, float, float]]:
    row = draw(st.lists(st.tuples(st.booleans(), floats, floats), min_size=1, max_size=12))
    return [(s, r if s else 0.0, v if s else NAN) for s, r, v in row]


@given(st.lists(rows(), min_size=1, max_size=4), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_gae_is_that_of_the_sampled_tokens_alone(batch, gamma: float, lam: float) -> None:
    length = max(map(len, batch))
    padded = [[*row, *[(False, 0.0, NAN)] * (length - len(row))] for row in batch]
    sampled, rewards, values = (torch.tensor([[x[i] for x in r] for r in padded]) for i in range(3))
    advantages, returns = gae(rewards, values, sampled, gamma=gamma, lam=lam)
    for k, row in enumerate(batch):
        chosen = [x for x in row if x[0]]
        expected = slow_gae([x[1] for x in chosen], [x[2] for x in chosen], gamma, lam)
        for got, want in zip((advantages, returns), expected, strict=True):
            torch.testing.assert_close(
                got[k][sampled[k]].double(),
                torch.tensor(want, dtype=torch.float64),
                atol=2e-5,
                rtol=1e-5,
            )
            assert not got[k][~sampled[k]].any()


def test_two_thousand_observation_tokens_change_nothing() -> None:
    rewards = torch.tensor([[0.0, -0.25, 0.0, 1.0]])
    values = torch.tensor([[0.5, 0.25, -0.5, 0.75]])
    everywhere = torch.ones(1, 4, dtype=torch.bool)
    close = gae(rewards, values, everywhere, gamma=0.99, lam=0.9)
    places = torch.tensor([1000, 1001, 2002, 2003])
    far = [torch.zeros(1, 2004) for _ in range(2)]
    far[1] += 17.0  # values of observation tokens must not be read
    for wide, narrow in zip(far, (rewards, values), strict=True):
        wide[0, places] = narrow[0]
    sampled = torch.zeros(1, 2004, dtype=torch.bool)
    sampled[0, places] = True
    wide = gae(far[0], far[1], sampled, gamma=0.99, lam=0.9)
    for x, y in zip(wide, close, strict=True):
        torch.testing.assert_close(x[0, places], y[0])
    expected = slow_gae(rewards[0].tolist(), values[0].tolist(), 0.99, 0.9)[0]
    torch.testing.assert_close(close[0][0], torch.tensor(expected), atol=1e-6, rtol=0)


def test_a_case_worked_by_hand() -> None:
    # delta_1 = 1 - 0.4 = 0.6; delta_0 = 0 + 0.5 * 0.4 - 0.2 = 0; A_0 = 0 + 0.5 * 0.5 * 0.6.
    sampled = torch.tensor([[False, True, False, True, False]])
    rewards = torch.tensor([[0.0, 0.0, 0.0, 1.0, 0.0]])
    values = torch.tensor([[9.0, 0.2, 9.0, 0.4, 9.0]])
    advantages, returns = gae(rewards, values, sampled, gamma=0.5, lam=0.5)
    torch.testing.assert_close(advantages, torch.tensor([[0, 0.15, 0, 0.6, 0]]))
    torch.testing.assert_close(returns, torch.tensor([[0, 0.35, 0, 1.0, 0]]))


def test_the_worked_examples_of_the_docstrings() -> None:
    sampled = torch.tensor([[False, True, False, True, True]])
    rewards = torch.tensor([[0.0, 0, 0, 0, 1]])
    values = torch.tensor([[NAN, 0.5, NAN, 0.6, 0.8]])
    advantages, returns = gae(rewards, values, sampled, gamma=1.0, lam=0.5)
    torch.testing.assert_close(advantages, torch.tensor([[0, 0.25, 0, 0.3, 0.2]]))
    torch.testing.assert_close(returns, torch.tensor([[0, 0.75, 0, 0.9, 1]]))
    group, scores = ["q"] * 4, torch.tensor([1.0, 0, NAN, 0])
    for leave_one_out, expected in (
        (True, [0, 0.5, NAN, 0.5]),
        (False, [1 / 3, 1 / 3, NAN, 1 / 3]),
    ):
        found = group_baseline(scores, group, leave_one_out=leave_one_out)
        torch.testing.assert_close(found, torch.tensor(expected), equal_nan=True)
    lengths = torch.arange(800) < torch.tensor([[20], [50], [800]])
    expected = torch.tensor([0.0, 0.6, 0.975])
    torch.testing.assert_close(length_adaptive_lam(lengths, 0.05), expected, atol=1e-6, rtol=0)


def test_monte_carlo_is_return_minus_value() -> None:
    generator = torch.Generator().manual_seed(0)
    sampled = torch.rand(5, 40, generator=generator) < 0.5
    rewards = torch.randn(5, 40, generator=generator) * sampled
    values = torch.randn(5, 40, generator=generator)
    advantages, returns = gae(rewards, values, sampled, gamma=1.0, lam=1.0)
    to_go = rewards.flip(1).cumsum(1).flip(1)
    torch.testing.assert_close(advantages, (to_go - values) * sampled, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(returns, to_go * sampled, atol=1e-5, rtol=1e-5)


def test_an_episode_without_any_reward() -> None:
    sampled = torch.tensor([[False, True, True, False, True]])
    nothing = torch.zeros(1, 5)
    advantages, returns = gae(nothing, nothing, sampled, gamma=0.9, lam=0.5)
    assert not advantages.any() and not returns.any()
    advantages, returns = gae(nothing, nothing + 0.3, sampled, gamma=1.0, lam=1.0)
    torch.testing.assert_close(advantages, torch.tensor([[0, -0.3, -0.3, 0, -0.3]]))
    assert not returns.abs().gt(1e-6).any()


def test_a_reward_that_would_be_lost_is_refused() -> None:
    sampled = torch.tensor([[True, False]])
    with pytest.raises(ValueError, match="unsampled token"):
        gae(torch.tensor([[0.0, 1.0]]), torch.zeros(1, 2), sampled, gamma=1.0, lam=1.0)


def test_group_baseline_by_hand() -> None:
    returns = torch.tensor([1.0, 0.0, 4.0, 1.0, 7.0])
    groups = ["x", "y", "x", "x", "z"]
    own = group_baseline(returns, groups)
    torch.testing.assert_close(own, torch.tensor([2.5, 0.0, 1.0, 2.5, 7.0]))
    mean = group_baseline(returns, groups, leave_one_out=False)
    torch.testing.assert_close(mean, torch.tensor([2.0, 0.0, 2.0, 2.0, 7.0]))
    with pytest.raises(ValueError, match="5, got 1"):
        group_baseline(returns, ["x"])


@given(st.lists(st.tuples(st.sampled_from("xyz"), floats), min_size=2, max_size=12), floats)
@settings(deadline=None)
def test_the_left_out_baseline_ignores_the_episodes_own_return(pairs, other: float) -> None:
    groups = [name for name, _ in pairs]
    if groups.count(groups[0]) == 1:
        return
    returns = torch.tensor([value for _, value in pairs])
    changed = returns.clone()
    changed[0] = other
    before, after = group_baseline(returns, groups), group_baseline(changed, groups)
    torch.testing.assert_close(before[0], after[0], atol=1e-5, rtol=0)


def test_group_deviation_by_hand() -> None:
    # x: 1, 4, 1 have mean 2 and squares 1 + 4 + 1, over 2; y and z have one member each.
    returns = torch.tensor([1.0, 0.0, 4.0, 1.0, 7.0])
    groups = ["x", "y", "x", "x", "z"]
    three = 3**0.5
    expected = torch.tensor([three, 0.0, three, three, 0.0])
    torch.testing.assert_close(group_deviation(returns, groups), expected)
    assert has_signal(returns, groups).tolist() == [True, False, True, True, False]


scores = st.one_of(st.just(NAN), st.sampled_from([-1.0, -0.1, 0.0, 0.1, 1.0, 1.25]))


@given(st.lists(st.tuples(st.sampled_from("xyz"), scores), min_size=1, max_size=12))
@settings(max_examples=50, deadline=None)
def test_groups_agree_with_the_loop_and_failed_members_are_in_no_mean(pairs) -> None:
    groups = [name for name, _ in pairs]
    returns = torch.tensor([value for _, value in pairs], dtype=torch.float64)
    got = (
        group_baseline(returns, groups, leave_one_out=False),
        group_baseline(returns, groups),
        group_deviation(returns, groups),
        has_signal(returns, groups).double(),
    )
    expected = torch.tensor(groups_of(returns.tolist(), groups), dtype=torch.float64)
    for found, want in zip(got, expected.T, strict=True):
        torch.testing.assert_close(found, want, atol=1e-6, rtol=0, equal_nan=True)


def test_equal_returns_stay_ties_in_any_rounding() -> None:
    returns = torch.tensor([0.1, 0.1, 0.1, 0.7, 0.7, 0.7])
    assert not has_signal(returns, list("xxxyyy")).any()


def test_subtracting_at_the_end_moves_every_return_by_the_baseline() -> None:
    sampled = torch.tensor([[False, True, True, False], [True, False, False, False]])
    rewards = torch.tensor([[0.0, 0.5, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0]])
    shifted = subtract_at_end(rewards, sampled, torch.tensor([0.25, 3.0]))
    torch.testing.assert_close(
        shifted, torch.tensor([[0.0, 0.5, 0.75, 0.0], [-1.0, 0.0, 0.0, 0.0]])
    )
    assert rewards[0, 2] == 1.0, "the input was changed"


def test_whitened_values_have_mean_zero_and_variance_one() -> None:
    generator = torch.Generator().manual_seed(0)
    values = 3 + 5 * torch.randn(8, 30, generator=generator)
    mask = torch.rand(8, 30, generator=generator) < 0.4
    white = whiten(values.masked_fill(~mask, NAN), mask)
    assert float(white[mask].mean()) == pytest.approx(0, abs=1e-5)
    assert float(white[mask].var(correction=0)) == pytest.approx(1, abs=1e-4)
    assert not white[~mask].any()
    scaled = whiten(values, mask, center=False)
    torch.testing.assert_close(scaled[mask] * values[mask].std(correction=0), values[mask])
    assert not whiten(torch.full((2, 2), 3.0), torch.ones(2, 2, dtype=torch.bool)).any()


def test_explained_variance() -> None:
    returns = torch.tensor([[0.0, 1.0, 2.0, 99.0]])
    mask = torch.tensor([[True, True, True, False]])
    assert explained_variance(returns, returns, mask) == pytest.approx(1)
    assert explained_variance(torch.full_like(returns, 7.0), returns, mask) == pytest.approx(0)
    assert explained_variance(returns, torch.ones_like(returns), mask) is None


def test_the_adaptive_lambda_of_the_shortest_rows() -> None:
    sampled = torch.tensor([[True, False], [True, True], [False, False]])
    assert length_adaptive_lam(sampled, 2.0).tolist() == pytest.approx([0.5, 0.75, 0.5])
    assert length_adaptive_lam(sampled, 0.05).tolist() == [0.0, 0.0, 0.0]


def test_a_group_of_which_all_failed_is_in_nobodys_way() -> None:
    """Also the last one: how many groups there are does not hang on who has a return."""
    returns, groups = torch.tensor([1.0, 0.0, NAN, NAN]), list("xxyy")
    for leave_one_out, expected in ((True, [0.0, 1.0, NAN, NAN]), (False, [0.5, 0.5, NAN, NAN])):
        found = group_baseline(returns, groups, leave_one_out=leave_one_out)
        torch.testing.assert_close(found, torch.tensor(expected), equal_nan=True)
    deviation = torch.tensor([0.5**0.5, 0.5**0.5, NAN, NAN])
    torch.testing.assert_close(group_deviation(returns, groups), deviation, equal_nan=True)
    assert has_signal(returns, groups).tolist() == [True, True, False, False]


def test_an_episode_alone_has_nothing_to_compare_with() -> None:
    returns, groups = torch.tensor([3.0, 5.0, NAN]), list("xyy")
    assert group_baseline(returns, groups)[:2].tolist() == [3.0, 5.0]
    assert group_baseline(returns, groups, leave_one_out=False)[:2].tolist() == [3.0, 5.0]
    assert group_deviation(returns, groups)[:2].tolist() == [0.0, 0.0]
    assert not has_signal(returns, groups).any()
    torch.testing.assert_close(
        group_baseline(torch.tensor([1.0, 4.0]), "xx"), torch.tensor([4.0, 1])
    )


@pytest.mark.parametrize(("apart", "told"), [(1.9e-6, False), (2.1e-6, True)])
def test_what_is_no_difference_is_no_signal(apart: float, told: bool) -> None:
    returns = torch.tensor([0.0, apart], dtype=torch.float64)
    assert has_signal(returns, "xx").tolist() == [told] * 2


@pytest.mark.parametrize(("deviation", "scaled"), [(0.95e-8, False), (1.05e-8, True)])
def test_what_is_rounding_is_not_made_loud(deviation: float, scaled: bool) -> None:
    values = torch.tensor([[deviation, -deviation]], dtype=torch.float64)
    white = whiten(values, torch.ones(1, 2, dtype=torch.bool))
    assert white[0].tolist() == pytest.approx([1.0, -1.0] if scaled else [deviation, -deviation])


def test_groups_are_as_many_as_returns() -> None:
    for groups in ("x", "xxx"):
        with pytest.raises(ValueError, match=f"one group per return: 2, got {len(groups)}"):
            group_baseline(torch.zeros(2), groups)


def test_a_reward_where_nothing_was_sampled_is_refused_whatever_its_sign() -> None:
    sampled = torch.tensor([[False, True]])
    for reward in (1e-6, -1e-6):
        with pytest.raises(ValueError, match="put a turn's reward on its last sampled token"):
            gae(torch.tensor([[reward, 1.0]]), torch.zeros(1, 2), sampled, gamma=1.0, lam=1.0)
    gae(torch.tensor([[0.0, -1.0]]), torch.zeros(1, 2), sampled, gamma=1.0, lam=1.0)
