"""How much better than expected each sampled token was: pure functions on tensors.

Letters: B episodes, L tokens. Observation tokens are not steps of the process: they neither
discount nor contribute. Clocks other than the token's are in `algos.objectives.turn_advantages`.

A group, for baselines, is a question: never the batch, whose questions differ in difficulty, and
never a turn's number, which the policy chooses. Each episode has one score; that of an episode that
failed is nan, and is in no mean.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, sampled: Tensor, *, gamma: float, lam: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Generalised advantage estimation over the sequence of sampled tokens of each row.

    With i running over the sampled tokens of a row, `delta_i = r_i + gamma V_{i+1} - V_i` and
    `A_i = delta_i + gamma lam A_{i+1}`. The last sampled token ends the episode: nothing is
    bootstrapped after it.

    Args:
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        values: float `(B, L)`, `values[t]` of the state before token t; read where sampled.
        sampled: bool `(B, L)`, True on tokens that the policy chose.
        gamma: discount per sampled token.
        lam: trade-off between one-step (0) and Monte-Carlo (1) estimates; one, or one per row
            `(B,)`.

    Returns:
        Advantages and returns (`advantages + values`), `(B, L)` each, 0 where not sampled.

    Raises:
        ValueError: if a reward is on a token that was not sampled, where it would be lost.
    """
    require_on_sampled(rewards, sampled)
    front, chosen = compress(sampled)
    reward = rewards.gather(1, front) * chosen
    value = values.gather(1, front).masked_fill(~chosen, 0.0)
    advantage = torch.zeros_like(value)
    following = next_value = torch.zeros_like(rewards[:, 0])
    for i in reversed(range(front.shape[1])):
        delta = reward[:, i] + gamma * next_value - value[:, i]
        following = delta + gamma * lam * following
        advantage[:, i] = following
        next_value = value[:, i]
    spread = torch.zeros_like(values)
    advantages = spread.scatter(1, front, advantage)
    returns = spread.scatter(1, front, advantage + value)
    return advantages, returns


def compress(sampled: Tensor) -> tuple[Tensor, Tensor]:
    """Return where each row's sampled tokens are, in order: int64 `(B, S)`, S of the longest row.

    Rows with fewer go on with other places; the second result, bool `(B, S)`, is False there.
    """
    steps = int(sampled.sum(1).max())
    # A stable sort brings each row's sampled tokens to the front and keeps their order.
    front = (~sampled).to(torch.uint8).argsort(dim=1, stable=True)[:, :steps]
    return front, sampled.gather(1, front)


def require_on_sampled(rewards: Tensor, sampled: Tensor) -> None:
    """Raise ValueError if a reward is on a token that was not sampled, where it would be lost."""
    if bool((rewards[~sampled] != 0).any()):
        raise ValueError("rewards must be on sampled tokens, got one on an unsampled token")


def length_adaptive_lam(sampled: Tensor, alpha: float) -> Tensor:
    """Return VAPO's lambda of each row, `1 - 1 / (alpha n)` with n sampled tokens, `(B,)`.

    It looks ahead over a share `alpha` of the row, however long that is. Rows so short that it
    would be negative get 0.
    """
    return (1 - 1 / (alpha * sampled.sum(1).clamp(min=1))).clamp(min=0.0)


def group_baseline(
    returns: Tensor, groups: Sequence[Hashable], *, leave_one_out: bool = True
) -> Tensor:
    """Return, per episode, the mean return of its group (one group per question).

    Args:
        returns: `(B,)`, one score per episode; nan for one that failed, which enters no mean and
            whose baseline is nan.
        groups: B names; equal names are one group.
        leave_one_out: leave the episode's own return out of its baseline, which keeps the
            gradient unbiased. A group of one has nothing to compare with: its baseline is its own
            return.

    Returns:
        Baselines, `(B,)`.
    """
    index, count = _index(returns, groups)
    known = ~returns.isnan()
    size = torch.bincount(index[known], minlength=count)[index].to(returns.dtype)
    total = torch.zeros(count, dtype=returns.dtype, device=returns.device)
    total = total.index_add(0, index, torch.where(known, returns, torch.zeros_like(returns)))[index]
    if leave_one_out:
        baseline = torch.where(size > 1, (total - returns) / (size - 1).clamp(min=1), returns)
    else:
        baseline = total / size.clamp(min=1)
    return torch.where(known, baseline, returns)


def group_deviation(returns: Tensor, groups: Sequence[Hashable]) -> Tensor:
    """Return, per episode, the standard deviation of its group's returns, `(B,)`.

    It is the one with n - 1 below, as in published GRPO code; 0 in a group of one, and nan for an
    episode that failed.
    """
    gap = returns - group_baseline(returns, groups, leave_one_out=False)
    index, count = _index(returns, groups)
    known = ~returns.isnan()
    size = torch.bincount(index[known], minlength=count)
    squares = torch.zeros(count, dtype=returns.dtype, device=returns.device)
    squares = squares.index_add(0, index[known], gap[known] ** 2)
    deviation = (squares / (size - 1).clamp(min=1)).sqrt()[index]
    return torch.where(known, deviation, returns)


def has_signal(returns: Tensor, groups: Sequence[Hashable]) -> Tensor:
    """Return which episodes belong to a group whose returns differ, bool `(B,)`.

    Where all are equal, right or wrong, there is nothing to prefer. Episodes that failed are not
    informative, and do not make their group so.
    """
    index, count = _index(returns, groups)
    gap = (returns - group_baseline(returns, groups, leave_one_out=False)).abs()
    differing = torch.bincount(index[gap > 1e-6], minlength=count)
    return ~returns.isnan() & (differing > 0)[index]


def subtract_at_end(rewards: Tensor, sampled: Tensor, baseline: Tensor) -> Tensor:
    """Subtract each row's baseline `(B,)` from the reward of its last sampled token.

    The baseline does not depend on the row's own actions, so it changes no expected gradient; a
    critic trained on what is left has to learn only what the question alone does not tell.
    """
    places = torch.arange(sampled.shape[1], device=sampled.device)
    last = torch.where(sampled, places, -1).argmax(1)
    shifted = rewards.clone()
    shifted[torch.arange(len(rewards), device=rewards.device), last] -= baseline
    return shifted


def whiten(values: Tensor, mask: Tensor, *, center: bool = True) -> Tensor:
    """Scale to unit variance over the masked entries, and shift to mean 0 if `center`.

    Entries outside the mask come back as 0. Constant values keep their scale.
    """
    inside = values[mask]
    mean, deviation = inside.mean(), inside.std(correction=0)
    shifted = values - mean if center else values
    scale = torch.where(deviation > 1e-8, deviation, torch.ones_like(deviation))
    return torch.where(mask, shifted / scale, torch.zeros_like(values))


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float | None:
    """Return `1 - var(returns - values) / var(returns)` over the mask; None if undefined."""
    spread = returns[mask].var(correction=0)
    if float(spread) == 0.0:
        return None
    return float(1 - (returns - values)[mask].var(correction=0) / spread)


def _index(returns: Tensor, groups: Sequence[Hashable]) -> tuple[Tensor, int]:
    """Return the number of each episode's group, int64 `(B,)`, and how many groups there are."""
    if len(groups) != len(returns):
        raise ValueError(f"expected one group per return: {len(returns)}, got {len(groups)}")
    names = {name: number for number, name in enumerate(dict.fromkeys(groups))}
    return torch.tensor([names[name] for name in groups], device=returns.device), len(names)
