"""Laws of `algos.objectives.turn_advantages`: what a turn is, and that the equations hold."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from algos.objectives.advantages import gae, length_adaptive_lam
from algos.objectives.turn_advantages import bi_level_gae, first_of_turn, turn_gae
from tests.helpers.slow_maths import TokenPairs, bi_level_clock, token_clock, turn_clock

torch.set_num_threads(1)
NAN = float("nan")
number = st.floats(-2, 2)
share = st.floats(0, 1)
episodes = st.lists(
    st.lists(st.lists(st.tuples(number, number), min_size=1, max_size=4), min_size=1, max_size=4),
    min_size=1,
    max_size=3,
)
few = settings(max_examples=40, deadline=None)


def lay_out(batch: list[TokenPairs], observed: int = 2) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rewards, values, sampled and turn, float64: each turn begins with observation tokens."""
    rows = []
    for episode in batch:
        row = []
        for k, turn in enumerate(episode):
            row += [(0.0, NAN, False, k)] * (observed + k % 2)
            row += [(reward, value, True, k) for reward, value in turn]
        rows.append(row)
    longest = max(map(len, rows)) + 1
    rows = [[*row, *[(0.0, NAN, False, -1)] * (longest - len(row))] for row in rows]
    kinds = (torch.float64, torch.float64, torch.bool, torch.int64)
    rewards, values, sampled, turn = (
        torch.tensor([[token[i] for token in row] for row in rows], dtype=kind)
        for i, kind in enumerate(kinds)
    )
    return rewards, values, sampled, turn


def assert_agrees(got: tuple[Tensor, Tensor], sampled: Tensor, expected: list) -> None:
    for tensor, number in zip(got, range(2), strict=True):
        assert not tensor[~sampled].any(), "something outside the sampled tokens"
        for row, of_row, want in zip(tensor, sampled, expected, strict=True):
            want = torch.tensor(want[number], dtype=torch.float64)
            torch.testing.assert_close(row[of_row], want, atol=1e-6, rtol=0)


@given(episodes, share, share)
@few
def test_the_token_clock_agrees_with_the_loop(batch, gamma: float, lam: float) -> None:
    rewards, values, sampled, _ = lay_out(batch)
    got = gae(rewards, values, sampled, gamma=gamma, lam=lam)
    assert_agrees(got, sampled, [token_clock(episode, gamma, lam) for episode in batch])


@given(episodes, share, share)
@few
def test_the_turn_clock_agrees_with_the_loop(batch, gamma: float, lam: float) -> None:
    rewards, values, sampled, turn = lay_out(batch)
    got = turn_gae(rewards, values, sampled, turn, gamma=gamma, lam=lam)
    assert_agrees(got, sampled, [turn_clock(episode, gamma, lam) for episode in batch])


@given(episodes, share, share, share)
@few
def test_bi_level_agrees_with_the_loop(batch, turn_gamma: float, turn_lam: float, lam) -> None:
    rewards, values, sampled, turn = lay_out(batch)
    got = bi_level_gae(
        rewards, values, sampled, turn, turn_gamma=turn_gamma, turn_lam=turn_lam, lam=lam
    )
    expected = [bi_level_clock(episode, turn_gamma, turn_lam, lam) for episode in batch]
    assert_agrees(got, sampled, expected)


# Two turns of two tokens; rewards 0, 0.2 and 0, 1; values 0.5, 0.4 and 0.6, 0.8.
CASE: TokenPairs = [[(0.0, 0.5), (0.2, 0.4)], [(0.0, 0.6), (1.0, 0.8)]]


def test_the_turn_clock_by_hand() -> None:
    # delta_1 = 1 - 0.6 = 0.4; delta_0 = 0.2 + 0.9 * 0.6 - 0.5 = 0.24; A_0 = 0.24 + 0.45 * 0.4.
    rewards, values, sampled, turn = lay_out([CASE])
    advantages, returns = turn_gae(rewards, values, sampled, turn, gamma=0.9, lam=0.5)
    assert advantages[sampled].tolist() == pytest.approx([0.42, 0.42, 0.4, 0.4])
    assert returns[sampled].tolist() == pytest.approx([0.92, 0.0, 1.0, 0.0])


def test_the_worked_example_of_the_docstring() -> None:
    turn, sampled = torch.tensor([[0, 0, 1]]), torch.ones(1, 3, dtype=torch.bool)
    rewards, values = torch.tensor([[0.0, 0, 1]]), torch.tensor([[0.4, 0.9, 0.7]])
    advantages, returns = turn_gae(rewards, values, sampled, turn, gamma=1.0, lam=1.0)
    torch.testing.assert_close(advantages, torch.tensor([[0.6, 0.6, 0.3]]))
    torch.testing.assert_close(returns, torch.tensor([[1.0, 0, 1]]))


def test_bi_level_by_hand() -> None:
    # Turn 1 inside: last 1 - 0.8 = 0.2; first 0.8 - 0.6 + 0.5 * 0.2 = 0.3.
    # Turn 1 outside: A = 1 - 0.6 = 0.4, so C_0 = 0.9 * (0.6 + 0.5 * 0.4) = 0.72.
    # Turn 0 inside: last 0.2 + 0.72 - 0.4 = 0.52; first 0.4 - 0.5 + 0.5 * 0.52 = 0.16.
    rewards, values, sampled, turn = lay_out([CASE])
    advantages, returns = bi_level_gae(
        rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.5, lam=0.5
    )
    assert advantages[sampled].tolist() == pytest.approx([0.16, 0.52, 0.3, 0.2])
    assert returns[sampled].tolist() == pytest.approx([0.66, 0.92, 0.9, 1.0])


@given(episodes, share, share)
@few
def test_inside_lambda_one_the_first_token_has_the_turns_advantage(batch, gamma, lam) -> None:
    rewards, values, sampled, turn = lay_out(batch)
    both = bi_level_gae(rewards, values, sampled, turn, turn_gamma=gamma, turn_lam=lam, lam=1.0)
    outer = turn_gae(rewards, values, sampled, turn, gamma=gamma, lam=lam)
    first = first_of_turn(sampled, turn)
    torch.testing.assert_close(both[0][first], outer[0][first], atol=1e-9, rtol=0)


@given(episodes)
@few
def test_all_clocks_are_the_same_where_every_turn_is_one_token(batch) -> None:
    batch = [[turn[:1] for turn in episode] for episode in batch]
    rewards, values, sampled, turn = lay_out(batch)
    token = gae(rewards, values, sampled, gamma=0.9, lam=0.7)
    outer = turn_gae(rewards, values, sampled, turn, gamma=0.9, lam=0.7)
    both = bi_level_gae(rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.7, lam=0.2)
    for other in (outer, both):
        for x, y in zip(token, other, strict=True):
            torch.testing.assert_close(x, y, atol=1e-9, rtol=0)


def test_more_words_in_a_turn_change_nothing_for_the_turns_before_it() -> None:
    wordy: TokenPairs = [CASE[0], [(0.0, 0.6), *[(0.0, -7.0)] * 50, (1.0, 0.8)]]
    found = []
    for episode in (CASE, wordy):
        rewards, values, sampled, turn = lay_out([episode])
        found.append(
            [
                turn_gae(rewards, values, sampled, turn, gamma=0.9, lam=0.5)[0][sampled][:2],
                bi_level_gae(rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.5, lam=0.5)[
                    0
                ][sampled][:2],
            ]
        )
    for short, long in zip(*found, strict=True):
        torch.testing.assert_close(short, long)


@pytest.mark.parametrize("rewarded", [0.0, 1.0])
def test_turns_are_found_without_any_reward(rewarded: float) -> None:
    # Also when a reward is in the middle of a turn, or a turn follows another without observation.
    episode: TokenPairs = [[(rewarded, 0.1), (0.0, 0.2)], [(0.0, 0.3)], [(0.0, 0.4), (0.0, 0.5)]]
    rewards, values, sampled, turn = lay_out([episode], observed=0)
    assert first_of_turn(sampled, turn)[sampled].tolist() == [True, False, True, True, False]
    got = bi_level_gae(rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.8, lam=0.7)
    assert_agrees(got, sampled, [bi_level_clock(episode, 0.9, 0.8, 0.7)])
    got = turn_gae(rewards, values, sampled, turn, gamma=0.9, lam=0.8)
    assert_agrees(got, sampled, [turn_clock(episode, 0.9, 0.8)])


def test_two_thousand_observation_tokens_change_nothing_on_any_clock() -> None:
    found = []
    for observed in (1, 2000):
        rewards, values, sampled, turn = lay_out([CASE], observed)
        found += [turn_gae(rewards, values, sampled, turn, gamma=0.9, lam=0.5)[0][sampled]]
        found += [
            bi_level_gae(rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.5, lam=0.5)[0][
                sampled
            ]
        ]
    assert torch.equal(found[0], found[2]) and torch.equal(found[1], found[3])


def test_a_reward_that_would_be_lost_is_refused_on_every_clock() -> None:
    rewards, values, sampled, turn = lay_out([CASE])
    rewards[0, 0] = 1.0
    with pytest.raises(ValueError, match="unsampled token"):
        turn_gae(rewards, values, sampled, turn, gamma=1.0, lam=1.0)
    with pytest.raises(ValueError, match="unsampled token"):
        bi_level_gae(rewards, values, sampled, turn, turn_gamma=1.0, turn_lam=1.0, lam=1.0)


def test_lambda_by_length() -> None:
    sampled = torch.zeros(4, 1000, dtype=torch.bool)
    for row, tokens in enumerate((50, 200, 800, 10)):
        sampled[row, :tokens] = True
    lam = length_adaptive_lam(sampled, 0.05)
    torch.testing.assert_close(lam, torch.tensor([0.6, 0.9, 0.975, 0.0]))


def test_one_lambda_per_row_is_each_rows_own() -> None:
    rewards, values, sampled, turn = lay_out([CASE, CASE])
    lam = torch.tensor([0.3, 0.8], dtype=torch.float64)
    for estimator in (
        lambda lam: gae(rewards, values, sampled, gamma=0.9, lam=lam),
        lambda lam: bi_level_gae(
            rewards, values, sampled, turn, turn_gamma=0.9, turn_lam=0.5, lam=lam
        ),
    ):
        together = estimator(lam)[0]
        for row in range(2):
            alone = estimator(float(lam[row]))[0]
            torch.testing.assert_close(together[row], alone[row])


def test_a_row_without_a_sampled_token_gets_nothing_and_takes_nothing() -> None:
    sampled = torch.tensor([[False, True, True], [False, False, False]])
    turn = torch.tensor([[0, 0, 1], [0, 0, 0]])
    rewards = torch.tensor([[0.0, 0.0, 1.0], [0.0] * 3])
    values = torch.tensor([[9.0, 0.25, 0.5], [9.0] * 3])
    ways = (
        lambda *rows: gae(*rows[:3], gamma=0.9, lam=0.5),
        lambda *rows: turn_gae(*rows, gamma=0.9, lam=0.5),
        lambda *rows: bi_level_gae(*rows, turn_gamma=0.9, turn_lam=0.5, lam=0.5),
    )
    for way in ways:
        both = way(rewards, values, sampled, turn)
        alone = way(rewards[:1], values[:1], sampled[:1], turn[:1])
        for found, expected in zip(both, alone, strict=True):
            assert not found[1].any()
            torch.testing.assert_close(found[:1], expected)
    assert first_of_turn(sampled, turn).tolist() == [[False, True, True], [False] * 3]
