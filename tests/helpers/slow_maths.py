"""The estimators and losses once more: plain loops over Python floats, from the definitions.

No code here is shared with what it checks. An episode is a list of turns, a turn a list of sampled
tokens, a token a pair (reward, value). Sources are those of `algos.objectives`.
"""

from __future__ import annotations

import math

Pair = tuple[float, float]
TokenPairs = list[list[Pair]]


def sum_of_deltas(rewards: list[float], values: list[float], gamma: float, lam: float):
    """GAE as it is defined: A_i = sum over j >= i of (gamma lam)^(j-i) delta_j."""
    n = len(rewards)
    after = [*values[1:], 0.0]
    delta = [rewards[i] + gamma * after[i] - values[i] for i in range(n)]
    return [sum((gamma * lam) ** (j - i) * delta[j] for j in range(i, n)) for i in range(n)]


def token_clock(episode: TokenPairs, gamma: float, lam: float) -> tuple[list[float], list[float]]:
    tokens = [token for turn in episode for token in turn]
    values = [v for _, v in tokens]
    advantages = sum_of_deltas([r for r, _ in tokens], values, gamma, lam)
    return advantages, [a + v for a, v in zip(advantages, values, strict=True)]


def turn_clock(episode: TokenPairs, gamma: float, lam: float) -> tuple[list[float], list[float]]:
    earned = [sum(r for r, _ in turn) for turn in episode]
    before = [turn[0][1] for turn in episode]
    outer = sum_of_deltas(earned, before, gamma, lam)
    advantages, returns = [], []
    for turn, advantage, value in zip(episode, outer, before, strict=True):
        advantages += [advantage] * len(turn)
        returns += [advantage + value] + [0.0] * (len(turn) - 1)
    return advantages, returns


def bi_level_clock(episode: TokenPairs, turn_gamma: float, turn_lam: float, lam: float):
    earned = [sum(r for r, _ in turn) for turn in episode]
    before = [turn[0][1] for turn in episode]
    outer = sum_of_deltas(earned, before, turn_gamma, turn_lam)
    advantages, returns = [], []
    for k, turn in enumerate(episode):
        beyond = 0.0
        if k + 1 < len(episode):
            beyond = turn_gamma * before[k + 1] + turn_gamma * turn_lam * outer[k + 1]
        for i in range(len(turn)):
            advantage = 0.0
            for j in range(i, len(turn)):
                follows = turn[j + 1][1] if j + 1 < len(turn) else beyond
                advantage += lam ** (j - i) * (turn[j][0] + follows - turn[j][1])
            advantages.append(advantage)
            returns.append(advantage + turn[i][1])
    return advantages, returns


def groups_of(scores: list[float], groups: list[str]) -> list[tuple[float, float, float, bool]]:
    """Per episode: mean, mean of the others, deviation, and whether the group's scores differ."""
    found = []
    for i, own in enumerate(scores):
        if math.isnan(own):
            found.append((math.nan, math.nan, math.nan, False))
            continue
        members = [j for j, s in enumerate(scores) if groups[j] == groups[i] and not math.isnan(s)]
        inside = [scores[j] for j in members]
        others = [scores[j] for j in members if j != i]
        mean = sum(inside) / len(inside)
        rest = sum(others) / len(others) if others else own
        squares = sum((s - mean) ** 2 for s in inside)
        deviation = math.sqrt(squares / (len(inside) - 1)) if others else 0.0
        found.append((mean, rest, deviation, max(inside) - min(inside) > 1e-6))
    return found


def clipped_objective(
    ratio: float, advantage: float, low: float, high: float, dual: float | None
) -> float:
    if advantage >= 0:
        return min(ratio, 1 + high) * advantage
    worst = max(ratio, 1 - low)
    return (worst if dual is None else min(worst, dual)) * advantage


def truncated_weight(old: float, sampler: float, cap: float) -> float:
    """Of a token: how much likelier the learner found it than the sampler, up to a cap."""
    return min(math.exp(old) / math.exp(sampler), cap)


def masked_weight(old: list[float], sampler: list[float], cap: float) -> float:
    """Of an episode: the product over its tokens, 0 beyond the cap."""
    product = math.prod(math.exp(a) / math.exp(b) for a, b in zip(old, sampler, strict=True))
    return product if product <= cap else 0.0


def averaged(rows: list[list[float]], aggregation: str, length: int) -> float:
    """Average terms of tokens, one list per episode."""
    if aggregation == "token-mean":
        return sum(map(sum, rows)) / sum(map(len, rows))
    if aggregation == "sequence-mean":
        return sum(sum(row) / len(row) for row in rows) / len(rows)
    return sum(sum(row) / length for row in rows) / len(rows)
