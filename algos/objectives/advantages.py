"""Advantages: how much better than expected each sampled token was. Pure functions on tensors.

Letters: B episodes, L tokens of the longest episode, S sampled tokens of the episode that has most.
Observation tokens are not steps of the decision process: they neither discount nor contribute. GAE
on the clock of turns is in `algos.objectives.turn_advantages`.

A group, for baselines, is a question: never the batch, whose questions differ in difficulty, and
never a turn's number, which the policy chooses. Each episode has one return. A failed episode has
the return nan and enters no mean.

| function | what it is called | source |
|---|---|---|
| `gae` | generalised advantage estimation | Schulman et al., arXiv 1506.02438, eq. 16 |
| `length_adaptive_lam` | length-adaptive GAE | VAPO, arXiv 2504.05118 |
| `group_baseline` | leave-one-out baseline, group mean | RLOO, arXiv 2402.14740; GRPO |
| `group_deviation` | group-relative scaling (GRPO) | DeepSeekMath, arXiv 2402.03300 |
| `has_signal` | zero-variance groups, dynamic sampling | DAPO, arXiv 2503.14476, section 3.2 |
| `whiten` | advantage normalisation | code of PPO; Andrychowicz et al., arXiv 2006.05990 |
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, sampled: Tensor, *, gamma: float, lam: float | Tensor
) -> tuple[Tensor, Tensor]:
    """Return generalised advantage estimates (GAE) over the sampled tokens of each row.

    With i running over the sampled tokens of a row, `delta_i = r_i + gamma V_{i+1} - V_i` and
    `A_i = delta_i + gamma lam A_{i+1}`. The last sampled token ends the episode: nothing is
    bootstrapped after it.

    Worked example, one row, `gamma = 1`, `lam = 0.5`; observation tokens are skipped:

        sampled      0     1     0     1     1
        rewards      0     0     0     0     1
        values       -    .5     -    .6    .8      (what stands at unsampled tokens is not read)
        delta        -    .1     -    .2    .2
        advantages   0   .25     0    .3    .2      .3 = .2 + .5 * .2,  .25 = .1 + .5 * .3
        returns      0   .75     0    .9     1      advantages + values

    Source: Schulman et al., arXiv 1506.02438, eq. 11-16.

    Args:
        rewards: float `(B, L)`, non-zero on sampled tokens only.
        values: float `(B, L)`, `values[t]` of the state before token t; read where sampled.
        sampled: bool `(B, L)`, True on tokens that the policy chose.
        gamma: discount per sampled token.
        lam: trade-off between one-step (0) and Monte-Carlo (1) estimates; one, or one per row
            `(B,)`.

    Returns:
        Advantages and returns (`advantages + values`), float `(B, L)` each, 0 where not sampled.

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
    """Return the positions of each row's sampled tokens, in order, and which of them are real.

    Args:
        sampled: bool `(B, L)`.

    Returns:
        Positions, int64 `(B, S)`, S sampled tokens of the row that has most; and bool `(B, S)`,
        False behind a row's last sampled token, where the position is that of another token.
    """
    steps = int(sampled.sum(1).max())
    # A stable sort brings each row's sampled tokens to the front and keeps their order.
    front = (~sampled).to(torch.uint8).argsort(dim=1, stable=True)[:, :steps]
    return front, sampled.gather(1, front)


def require_on_sampled(rewards: Tensor, sampled: Tensor) -> None:
    """Refuse rewards on tokens that were not sampled, where they would be lost.

    Args:
        rewards: float `(B, L)`.
        sampled: bool `(B, L)`.

    Raises:
        ValueError: if there is one.
    """
    if bool((rewards[~sampled] != 0).any()):
        raise ValueError(
            "rewards must be on sampled tokens, got one on an unsampled token: put a turn's reward "
            "on its last sampled token"
        )


def length_adaptive_lam(sampled: Tensor, alpha: float) -> Tensor:
    """Return the length-adaptive lambda of each row, `1 - 1 / (alpha n)` with n sampled tokens.

    GAE with this lambda looks ahead over the share `alpha` of the row, however long the row is. A
    row so short that its lambda would be negative gets 0. With `alpha = 0.05`: n = 20 gives 0,
    n = 50 gives 0.6, n = 800 gives 0.975.

    Source: VAPO, arXiv 2504.05118, length-adaptive GAE; the paper's alpha is 0.05.

    Args:
        sampled: bool `(B, L)`.
        alpha: share of the row, above 0.

    Returns:
        Float `(B,)`, in [0, 1).
    """
    return (1 - 1 / (alpha * sampled.sum(1).clamp(min=1))).clamp(min=0.0)


def group_baseline(
    returns: Tensor, groups: Sequence[Hashable], *, leave_one_out: bool = True
) -> Tensor:
    """Return, per episode, the mean return of its group (one group per question).

    Worked example, one group, returns `1 0 nan 0`: the baselines are `0 .5 nan .5` leave-one-out
    and `1/3 1/3 nan 1/3` otherwise.

    Source: leave-one-out is RLOO's, arXiv 2402.14740; the mean of all is that of GRPO, arXiv
    2402.03300, and Dr. GRPO, arXiv 2503.20783.

    Args:
        returns: float `(B,)`, one per episode; nan for an episode that failed, which enters no mean
            and whose baseline is nan.
        groups: B names; equal names are one group.
        leave_one_out: leave the episode's own return out of its baseline, which keeps the
            gradient unbiased. A group of one has nothing to compare with: its baseline is its own
            return.

    Returns:
        Baselines, float `(B,)`.
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
    """Return, per episode, the standard deviation of its group's returns.

    The divisor is n - 1, as in published GRPO code (the paper does not say). The deviation is 0 in
    a group of one, and nan for an episode that failed.

    Source: DeepSeekMath, arXiv 2402.03300, section 4.1.2 (outcome supervision).

    Args:
        returns: float `(B,)`, nan for an episode that failed.
        groups: B names; equal names are one group.

    Returns:
        Deviations, float `(B,)`.
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
    """Return which episodes belong to a group whose returns differ.

    A zero-variance group, all right or all wrong, prefers nothing: its group advantages are 0. A
    failed episode has no signal, and gives none to its group.

    Source: DAPO, arXiv 2503.14476, section 3.2 (dynamic sampling), which leaves such groups out.

    Args:
        returns: float `(B,)`, nan for an episode that failed.
        groups: B names; equal names are one group.

    Returns:
        Bool `(B,)`.
    """
    index, count = _index(returns, groups)
    gap = (returns - group_baseline(returns, groups, leave_one_out=False)).abs()
    # The mean of equal float32 returns differs from them by rounding; rewards that differ do so by
    # far more than 1e-6 (a cost of one frame is about 1e-2).
    differing = torch.bincount(index[gap > 1e-6], minlength=count)
    return ~returns.isnan() & (differing > 0)[index]


def subtract_at_end(rewards: Tensor, sampled: Tensor, baseline: Tensor) -> Tensor:
    """Subtract each row's baseline from the reward of its last sampled token.

    A leave-one-out baseline does not depend on the row's own actions, so it changes no expected
    gradient. A critic trained on what is left has to learn only what the question alone does not
    predict.

    Source: RLOO, arXiv 2402.14740, section 3.2.

    Args:
        rewards: float `(B, L)`.
        sampled: bool `(B, L)`.
        baseline: float `(B,)`.

    Returns:
        Rewards, float `(B, L)`, a copy.
    """
    return rewards - at_end(baseline, sampled)


def at_end(scores: Tensor, sampled: Tensor) -> Tensor:
    """Put each row's score on its last sampled token, 0 elsewhere.

    So a whole episode's score is the return of each of its tokens, as outcome supervision has it
    (DeepSeekMath, arXiv 2402.03300, section 4.1.2).

    Args:
        scores: float `(B,)`.
        sampled: bool `(B, L)`.

    Returns:
        Float `(B, L)`.
    """
    places = torch.arange(sampled.shape[1], device=sampled.device)
    last = torch.where(sampled, places, -1).argmax(1)
    zeros = torch.zeros(sampled.shape, dtype=scores.dtype, device=scores.device)
    return zeros.scatter(1, last[:, None], scores[:, None])


def whiten(values: Tensor, mask: Tensor, *, center: bool = True) -> Tensor:
    """Scale to unit variance over the masked entries, and shift to mean 0 if `center`.

    Constant values keep their scale: their deviation is rounding error, and dividing by it would
    make noise as loud as a signal.

    Source: advantage normalisation as PPO's implementations do it, here over the whole batch
    instead of each minibatch; compared in arXiv 2006.05990, section 3.

    Args:
        values: float `(B, L)`.
        mask: bool `(B, L)`, at least one True.
        center: also subtract the mean.

    Returns:
        Float `(B, L)`, 0 outside the mask.
    """
    inside = values[mask]
    mean, deviation = inside.mean(), inside.std(correction=0)
    shifted = values - mean if center else values
    scale = torch.where(deviation > 1e-8, deviation, torch.ones_like(deviation))
    return torch.where(mask, shifted / scale, torch.zeros_like(values))


def explained_variance(values: Tensor, returns: Tensor, mask: Tensor) -> float | None:
    """Return the critic's explained variance, `1 - var(returns - values) / var(returns)`.

    1 is a critic that is right everywhere, 0 one that knows the mean only; below 0 it does harm.

    Source: the share of variance that a regression explains; logged so by most PPO codes, such as
    https://github.com/DLR-RM/stable-baselines3 (`common/utils.py`).

    Args:
        values: float `(B, L)`, what the critic said.
        returns: float `(B, L)`, what was earned: Monte-Carlo returns. Targets of GAE with a lambda
            below 1 hold the critic's own words, and explain much of even a random critic.
        mask: bool `(B, L)`, where it is asked.

    Returns:
        A share, at most 1; None where all returns are equal.
    """
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
