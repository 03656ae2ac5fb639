"""Log-probs, gradients and Adam of a policy that is two tables: loops over floats, no autograd.

Row b of a table holds the logits after token b. With p the softmax of it over what may be said,

    d log p(k) / d logit v  =  ([v = k] - p(v)) / temperature
    d H / d logit v         =  -p(v) (log p(v) + H) / temperature
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from algos.rollout.trajectory import Trajectory
from tests.helpers.toy import SPEAKABLE

Table = list[list[float]]


@dataclass(frozen=True)
class Token:
    """A sampled token: the one before it, itself, its turn, reward and log-prob when sampled."""

    before: int
    id: int
    turn: int
    reward: float
    old: float


Episode = list[Token]


def spoken(trajectory: Trajectory) -> Episode:
    """The sampled tokens of an episode, read from its turns."""
    found: Episode = []
    before = -1
    for number, turn in enumerate(trajectory.turns):
        tokens = turn.decision.tokens
        assert tokens is not None
        before = int(tokens.prompt[-1]) if len(tokens.prompt) else before
        last = len(tokens.completion) - 1
        for k, (token, old) in enumerate(zip(tokens.completion, tokens.logprobs, strict=True)):
            reward = turn.reward if k == last else 0.0
            found.append(Token(before, int(token), number, reward, float(old)))
            before = int(token)
    return found


def distribution(table: Table, before: int, temperature: float) -> dict[int, float]:
    """The probability of everything that may follow a token."""
    powers = {v: math.exp(table[before][v] / temperature) for v in SPEAKABLE}
    total = math.fsum(powers.values())
    return {v: power / total for v, power in powers.items()}


def logprob(table: Table, token: Token, temperature: float) -> float:
    return math.log(distribution(table, token.before, temperature)[token.id])


def entropy(table: Table, token: Token, temperature: float) -> float:
    found = distribution(table, token.before, temperature).values()
    return -sum(p * math.log(p) for p in found)


def add_gradient(
    gradient: Table,
    table: Table,
    token: Token,
    temperature: float,
    *,
    of_logprob: float,
    of_entropy: float,
) -> None:
    """Add what a loss with these derivatives by log-prob and entropy says of the table."""
    found = distribution(table, token.before, temperature)
    mean = -sum(p * math.log(p) for p in found.values())
    for v, p in found.items():
        slope = of_logprob * (float(v == token.id) - p) - of_entropy * p * (math.log(p) + mean)
        gradient[token.before][v] += slope / temperature


@dataclass
class SlowAdam:
    """Adam on a flat list, arXiv 1412.6980, algorithm 1; the gradient is clipped to a norm first.

    `clipped` counts the steps whose gradient was too long. `decay` is that of AdamW, arXiv
    1711.05101, algorithm 2.
    """

    size: int
    max_norm: float
    steps: int = 0
    clipped: int = 0
    decay: float = 0.0
    first: list[float] = field(default_factory=list)
    second: list[float] = field(default_factory=list)

    def step(self, weights: list[float], gradient: Sequence[float], lr: float) -> None:
        self.first = self.first or [0.0] * self.size
        self.second = self.second or [0.0] * self.size
        self.steps += 1
        norm = math.sqrt(math.fsum(g * g for g in gradient))
        shrink = min(1.0, self.max_norm / (norm + 1e-6))
        self.clipped += shrink < 1
        for k, g in enumerate(gradient):
            g = g * shrink
            self.first[k] = 0.9 * self.first[k] + 0.1 * g
            self.second[k] = 0.999 * self.second[k] + 0.001 * g * g
            mean = self.first[k] / (1 - 0.9**self.steps)
            square = self.second[k] / (1 - 0.999**self.steps)
            weights[k] -= lr * (mean / (math.sqrt(square) + 1e-8) + self.decay * weights[k])
