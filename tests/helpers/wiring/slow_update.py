"""One update as it is configured, once more: from episodes to the gradients of both losses.

Loops over floats, from the definitions of `PPOConfig`; the estimators are those of `slow_maths`.
Lists of lists stand for episodes and their sampled tokens.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from algos.ppo.config import PPOConfig
from tests.helpers.slow_maths import (
    bi_level_clock,
    groups_of,
    masked_weight,
    token_clock,
    truncated_weight,
    turn_clock,
)
from tests.helpers.wiring.slow_tables import (
    Episode,
    Table,
    Token,
    add_gradient,
    entropy,
    logprob,
)

Floats = list[list[float]]


@dataclass
class SlowTargets:
    """What is constant while a batch is learned from."""

    advantages: Floats
    returns: Floats
    values: Floats
    in_loss: list[bool]
    old: Floats
    mismatch: Floats


@dataclass
class SlowLoss:
    """A gradient, the statistics of its loss, and which cases of the loss occurred."""

    gradient: Table
    stats: dict[str, float]
    seen: Counter[str] = field(default_factory=Counter)


def slow_targets(
    config: PPOConfig,
    episodes: Sequence[Episode],
    names: Sequence[str],
    critic: Sequence[float],
    reference: Table,
    actor: Sequence[list[float]] = (),
) -> SlowTargets:
    """Advantages and returns of episodes of named questions, and weights against a mismatch."""
    values = [[critic[t.before] if config.uses_critic else 0.0 for t in e] for e in episodes]
    scores = [sum(t.reward for t in e) for e in episodes]
    differs = [found[3] for found in groups_of(scores, list(names))]
    rewards = _rewards(config, episodes, names, differs, reference)
    advantages, returns = [], []
    for e, r, v in zip(episodes, rewards, values, strict=True):
        advantages.append(_clock(config, e, r, v, critic_side=False)[0])
        returns.append(_clock(config, e, r, v, critic_side=True)[1])
    in_loss = differs if config.drop_ties else [True] * len(episodes)
    if config.whiten and max(scores) - min(scores) > 1e-6:
        advantages = _whitened(config, advantages, in_loss)
    old, mismatch = _mismatch(config, episodes, actor)
    within = [any(row) for row in mismatch]
    left = [learned and inside for learned, inside in zip(in_loss, within, strict=True)]
    return SlowTargets(advantages, returns, values, left, old, mismatch)


def _mismatch(
    config: PPOConfig, episodes: Sequence[Episode], actor: Sequence[list[float]]
) -> tuple[Floats, Floats]:
    """What the ratio of each token is to, and what the token counts for."""
    sampler = [[t.old for t in e] for e in episodes]
    if config.mismatch == "none":
        return sampler, [[1.0] * len(e) for e in episodes]
    old = [[logprob(list(actor), t, config.temperature) for t in e] for e in episodes]
    weights, cap = [], config.mismatch_cap
    for now, then in zip(old, sampler, strict=True):
        if config.mismatch == "token-tis":
            weights.append([truncated_weight(a, b, cap) for a, b in zip(now, then, strict=True)])
        else:
            weights.append([masked_weight(now, then, cap)] * len(now))
    return old, weights


def _rewards(
    config: PPOConfig,
    episodes: Sequence[Episode],
    names: Sequence[str],
    differs: Sequence[bool],
    reference: Table,
) -> Floats:
    """Rewards, less the KL of who sampled from the reference, less what the question earns."""
    paid = config.kl_coef if config.kl_in == "reward" else 0.0
    rewards = [
        [
            t.reward - (paid * (t.old - logprob(reference, t, config.temperature)) if paid else 0)
            for t in e
        ]
        for e in episodes
    ]
    if config.advantage == "critic":
        return rewards
    scores = [sum(r) for r in rewards]
    for row, score, (mean, rest, deviation, _), differ in zip(
        rewards, scores, groups_of(scores, list(names)), differs, strict=True
    ):
        baseline = rest if config.leave_one_out else mean
        if config.advantage == "both":
            row[-1] -= baseline
            continue
        above = score - baseline  # one advantage for the whole episode
        row[:] = [0.0] * len(row)
        row[-1] = above / deviation if config.divide_by_std and differ else above
    return rewards


def _clock(
    config: PPOConfig, e: Episode, rewards: list[float], values: list[float], *, critic_side: bool
) -> tuple[list[float], list[float]]:
    lam, turn_lam = config.lam, config.turn_lam
    if config.lam_alpha is not None:
        lam = max(0.0, 1 - 1 / (config.lam_alpha * len(e)))
    if not config.uses_critic:
        lam = turn_lam = 1.0
    elif critic_side and config.critic_lam is not None:
        lam = turn_lam = config.critic_lam
    pairs = list(zip(rewards, values, strict=True))
    numbers = sorted({t.turn for t in e})
    turns = [[p for p, t in zip(pairs, e, strict=True) if t.turn == n] for n in numbers]
    if config.clock == "token":
        return token_clock(turns, config.gamma, lam)
    if config.clock == "turn":
        return turn_clock(turns, config.turn_gamma, turn_lam)
    return bi_level_clock(turns, config.turn_gamma, turn_lam, lam)


def _whitened(config: PPOConfig, advantages: Floats, in_loss: Sequence[bool]) -> Floats:
    """Unit variance over what is learned from; centred where no question's mean is subtracted."""
    inside = [a for row, learned in zip(advantages, in_loss, strict=True) if learned for a in row]
    mean = sum(inside) / len(inside)
    deviation = math.sqrt(sum((a - mean) ** 2 for a in inside) / len(inside))
    shift = mean if config.advantage == "critic" else 0.0
    return [
        [(a - shift) / deviation if learned else 0.0 for a in row]
        for row, learned in zip(advantages, in_loss, strict=True)
    ]


def slow_actor(
    config: PPOConfig,
    episodes: Sequence[Episode],
    rows: Sequence[int],
    targets: SlowTargets,
    table: Table,
    reference: Table,
) -> SlowLoss:
    """The actor's gradient on one minibatch."""
    temperature, kl = config.temperature, config.kl_coef if config.kl_in == "loss" else 0.0
    lengths = [len(episodes[row]) for row in rows]
    tokens = sum(lengths)
    found = SlowLoss([[0.0] * len(line) for line in table], {})
    everyone = config.kl_coef > 0 or config.entropy_coef > 0
    scored, means = 0, Counter[str]()
    for row in rows:
        episode, advantages = episodes[row], targets.advantages[row]
        weight = _weight(config, len(episode), tokens / len(rows))
        now = [logprob(table, t, temperature) for t in episode]
        olds, corrections = targets.old[row], targets.mismatch[row]
        ratios = [math.exp(x - old) for x, old in zip(now, olds, strict=True)]
        if everyone or any(advantages):
            scored += len(episode)
            means["approx_kl"] += sum(r - 1 - math.log(r) for r in ratios)
            means["entropy"] += sum(entropy(table, t, temperature) for t in episode)
        if config.ratio_level == "sequence":
            ratios = [math.prod(r ** (1 / len(ratios)) for r in ratios)] * len(ratios)
        for t, log_p, ratio, a, corrected in zip(
            episode, now, ratios, advantages, corrections, strict=True
        ):
            objective, slope, case = _surrogate(config, ratio, a)
            found.seen[case] += 1
            means["clipfrac"] += objective != ratio * a
            means["policy_loss"] -= weight * corrected * objective
            gap = log_p - logprob(reference, t, temperature)
            means["reference_kl"] += _kl(config, -gap)
            add_gradient(
                found.gradient,
                table,
                t,
                temperature,
                of_logprob=weight * (kl * gap - corrected * slope) / tokens,
                of_entropy=-weight * config.entropy_coef / tokens,
            )
    found.stats = {name: value / scored for name, value in means.items()} if scored else {}
    found.stats["policy_loss"] = means["policy_loss"] / tokens
    return found


def _weight(config: PPOConfig, length: int, mean_length: float) -> float:
    by_name = {
        "token-mean": 1.0,
        "sequence-mean": mean_length / length,
        "constant-length": mean_length / config.constant_length,
    }
    return by_name[config.aggregation]


def _surrogate(config: PPOConfig, ratio: float, a: float) -> tuple[float, float, str]:
    """A token's objective, its slope by the log-prob, and which case it is."""
    if a >= 0:
        if ratio > 1 + config.clip_high:
            return (1 + config.clip_high) * a, 0.0, "high" if a else "none"
        return ratio * a, ratio * a, "on" if a else "none"
    if ratio < 1 - config.clip_low:
        return (1 - config.clip_low) * a, 0.0, "low"
    if config.dual_clip is not None and ratio > config.dual_clip:
        return config.dual_clip * a, 0.0, "dual"
    return ratio * a, ratio * a, "on"


def _kl(config: PPOConfig, gap: float) -> float:
    """The estimate that is reported; `gap` is the reference's log-prob less the policy's."""
    return {"k1": -gap, "k2": gap**2 / 2, "k3": math.exp(gap) - 1 - gap}[config.kl_estimator]


def slow_critic(
    config: PPOConfig,
    episodes: Sequence[Episode],
    rows: Sequence[int],
    targets: SlowTargets,
    critic: Sequence[float],
    *,
    clip: float,
) -> SlowLoss:
    """The critic's gradient on one minibatch: one number per token, whatever the aggregation."""
    asked: list[tuple[Token, float, float]] = []
    for row in rows:
        turns: set[int] = set()
        for t, goal, old in zip(
            episodes[row], targets.returns[row], targets.values[row], strict=True
        ):
            if config.clock != "turn" or t.turn not in turns:
                asked.append((t, goal, old))
            turns.add(t.turn)
    found = SlowLoss([[0.0] for _ in critic], {})
    loss = clipped = 0.0
    for t, goal, old in asked:
        value = critic[t.before]
        near = min(max(value, old - clip), old + clip)
        free, held = (value - goal) ** 2, (near - goal) ** 2
        loss += max(free, held) / 2
        clipped += held > free
        found.seen["held" if held > free else "free"] += 1
        if held <= free:
            found.gradient[t.before][0] += (value - goal) / len(asked)
    found.stats = {"value_loss": loss / len(asked), "value_clipfrac": clipped / len(asked)}
    return found
