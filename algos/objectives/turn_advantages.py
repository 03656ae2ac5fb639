"""Turn-level and bi-level advantages: a turn is one step, however many tokens spell it.

Turns are read from the turn index of the sampled tokens, never from where rewards are: an episode
without any reward has turns too. Letters: B episodes, L tokens, S sampled tokens and K turns of the
row that has most.

Sources: Turn-PPO, arXiv 2512.17008 (one step per turn); VAGEN, arXiv 2510.16907, section 4.2 and
algorithm 2 (bi-level GAE). Both are GAE, arXiv 1506.02438, with another clock.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algos.objectives.advantages import compress, gae, require_on_sampled


@dataclass(frozen=True, eq=False)
class _TurnTable:
    """The sampled tokens of each row, close together, and the turn that each belongs to.

    Attributes:
        front: int64 `(B, S)`, where they are in the row.
        chosen: bool `(B, S)`, False after the last one.
        starts: bool `(B, S)`, the first of each turn.
        ends: bool `(B, S)`, the last of each turn.
        number: int64 `(B, S)`, 0 for the first turn that has tokens, and so on.
        exists: bool `(B, K)`.
    """

    front: Tensor
    chosen: Tensor
    starts: Tensor
    ends: Tensor
    number: Tensor
    exists: Tensor


def turn_gae(
    rewards: Tensor, values: Tensor, sampled: Tensor, turn: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Return generalised advantage estimates with one step per turn, as in Turn-PPO.

    A turn's reward is the sum of its tokens' rewards; its value is that of the state before its
    first sampled token. All tokens of a turn share its advantage: a turn's log-prob is the sum of
    its tokens', so sharing is the turn-level policy gradient.

    Worked example, one row, `gamma = lam = 1`, a turn of two tokens and a turn of one:

        turn         0    0    1
        rewards      0    0    1
        values      .4   .9   .7     (.9 is not read: it is inside a turn)
        advantages  .6   .6   .3     .6 = (0 + .7 - .4) + .3
        returns      1    0    1     on the first token of each turn only

    Source: Turn-PPO, arXiv 2512.17008; the paper's gamma is 0.99 and its lambda 0.9.

    Args:
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        values: float `(B, L)`; read at the first sampled token of each turn.
        sampled: bool `(B, L)`.
        turn: int64 `(B, L)`, the turn of each token.
        gamma: discount per turn.
        lam: GAE's lambda per turn.

    Returns:
        Advantages, float `(B, L)`, 0 where not sampled; and returns, float `(B, L)`, on the first
        sampled token of each turn (`first_of_turn`) and 0 elsewhere: the critic is asked nowhere
        else.
    """
    turns = _turns(sampled, turn)
    reward, value = _per_turn(turns, rewards, values, sampled)
    advantage, goal = gae(reward, value, turns.exists, gamma=gamma, lam=lam)
    return (
        _spread(turns, advantage.gather(1, turns.number) * turns.chosen, values),
        _spread(turns, goal.gather(1, turns.number) * turns.starts, values),
    )


def bi_level_gae(
    rewards: Tensor,
    values: Tensor,
    sampled: Tensor,
    turn: Tensor,
    *,
    turn_gamma: float,
    turn_lam: float,
    lam: float | Tensor,
) -> tuple[Tensor, Tensor]:
    """Return bi-level GAE: advantages between turns, then of tokens inside each turn.

    First `turn_gae` says what follows turn k: `C_k = turn_gamma (V_{k+1} + turn_lam A_{k+1})`, with
    the value and the advantage of the next turn; 0 after the last. Then, inside the turn,
    `A_i = r_i + V_{i+1} - V_i + lam A_{i+1}`, and for its last token `A_i = r_i + C_k - V_i`.

    Tokens do not discount, and what lies beyond the turn's end enters whole: how many words a turn
    takes changes nothing for the turns before it. With `lam=1` the first token of a turn has the
    turn's own advantage; with `turn_gamma = turn_lam = lam = 1` all this is plain Monte Carlo.

    Source: VAGEN, arXiv 2510.16907, section 4.2. Ours departs in three ways: turns come from the
    turn index, not from where rewards are, so that an episode without reward has turns too; a turn
    bootstraps from the state before the next turn, not from its own last token; and the result is
    not mixed with token GAE.

    Args:
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        values: float `(B, L)`; read where sampled.
        sampled: bool `(B, L)`.
        turn: int64 `(B, L)`, the turn of each token.
        turn_gamma: discount per turn.
        turn_lam: GAE's lambda from turn to turn.
        lam: GAE's lambda from token to token; one, or one per row `(B,)`.

    Returns:
        Advantages and returns (`advantages + values`), float `(B, L)` each, 0 where not sampled.
    """
    turns = _turns(sampled, turn)
    turn_reward, turn_value = _per_turn(turns, rewards, values, sampled)
    outer, _ = gae(turn_reward, turn_value, turns.exists, gamma=turn_gamma, lam=turn_lam)
    beyond = torch.zeros_like(outer)
    beyond[:, :-1] = turn_gamma * (turn_value + turn_lam * outer)[:, 1:]
    reward = rewards.gather(1, turns.front) * turns.chosen
    # What follows the turn enters as a reward of its last token, so the inner recursion can stop
    # at the turn's end: no lambda and no value of another turn's inside reaches over it.
    reward = reward + beyond.gather(1, turns.number) * turns.ends
    value = values.gather(1, turns.front).masked_fill(~turns.chosen, 0.0)
    inner = torch.zeros_like(value)
    following = next_value = torch.zeros_like(value[:, 0])
    for i in reversed(range(value.shape[1])):
        goes_on = (~turns.ends[:, i]).to(value.dtype)
        delta = reward[:, i] + goes_on * next_value - value[:, i]
        following = delta + goes_on * lam * following
        inner[:, i] = following
        next_value = value[:, i]
    inner = inner * turns.chosen
    return _spread(turns, inner, values), _spread(turns, inner + value, values)


def first_of_turn(sampled: Tensor, turn: Tensor) -> Tensor:
    """Return which sampled tokens begin a turn.

    Args:
        sampled: bool `(B, L)`.
        turn: int64 `(B, L)`, the turn of each token.

    Returns:
        Bool `(B, L)`.
    """
    turns = _turns(sampled, turn)
    return torch.zeros_like(sampled).scatter(1, turns.front, turns.starts)


def _turns(sampled: Tensor, turn: Tensor) -> _TurnTable:
    """Find the turns among the sampled tokens."""
    front, chosen = compress(sampled)
    index = turn.gather(1, front).masked_fill(~chosen, -1)
    changes = index[:, 1:] != index[:, :-1]
    edge = torch.ones_like(chosen[:, :1])
    starts = torch.cat([edge, changes], 1) & chosen
    ends = torch.cat([changes, edge], 1) & chosen
    number = (starts.cumsum(1) - 1).clamp(min=0)
    count = starts.sum(1, keepdim=True)
    exists = torch.arange(int(count.max()), device=count.device) < count
    return _TurnTable(front, chosen, starts, ends, number, exists)


def _per_turn(
    turns: _TurnTable, rewards: Tensor, values: Tensor, sampled: Tensor
) -> tuple[Tensor, Tensor]:
    """Return each turn's reward and the value before it, `(B, K)`."""
    require_on_sampled(rewards, sampled)
    nothing = torch.zeros(turns.exists.shape, dtype=values.dtype, device=values.device)
    reward = rewards.gather(1, turns.front) * turns.chosen
    value = values.gather(1, turns.front).masked_fill(~turns.starts, 0.0)
    return (
        nothing.scatter_add(1, turns.number, reward),
        nothing.scatter_add(1, turns.number, value),
    )


def _spread(turns: _TurnTable, compressed: Tensor, like: Tensor) -> Tensor:
    """Put `(B, S)` back where the sampled tokens are, 0 elsewhere."""
    return torch.zeros_like(like).scatter(1, turns.front, compressed)
