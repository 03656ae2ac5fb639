"""Right or wrong by cheaper or dearer: the six groups of a comparison of two agents.

What an agent that looks less is for: questions that both have right and it has more cheaply, and
what that costs: those that it alone has wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from algos.comparison.compared_runs import ComparedRun

OUTCOMES = (
    "both right, A cheaper",
    "both right, A not cheaper",
    "only A right",
    "only B right",
    "both wrong, A cheaper",
    "both wrong, A not cheaper",
)
"""The six groups, in the order of tables."""


@dataclass(frozen=True)
class OutcomeGroup:
    """Questions of one of `OUTCOMES`.

    Attributes:
        name: of the group.
        questions: how many, of those whose cost both runs know.
        share: of all of these; `None` without any.
        mean_a: mean cost of the first run; `None` without questions.
        mean_b: of the second.
        a_cheaper: on how many of them A is cheaper.
        same: on how many of them both cost the same.
    """

    name: str
    questions: int
    share: float | None
    mean_a: float | None
    mean_b: float | None
    a_cheaper: int
    same: int


@dataclass(frozen=True)
class OutcomeTable:
    """The six groups.

    Attributes:
        cost: what is meant by it, a key of the rows.
        groups: of `OUTCOMES`, in that order.
        all: every question whose cost both runs know, as a group.
        unknown: questions whose cost one of them does not know: in no group.
    """

    cost: str
    groups: tuple[OutcomeGroup, ...]
    all: OutcomeGroup
    unknown: int


def outcome_table(a: ComparedRun, b: ComparedRun, judged: Sequence[str], cost: str) -> OutcomeTable:
    """Return the six groups of the questions that both runs have a verdict on.

    Args:
        a: the first run.
        b: the second.
        judged: ids of the questions.
        cost: key of the rows that is compared, such as `frames`.
    """
    members: dict[str, list[tuple[float, float]]] = {name: [] for name in OUTCOMES}
    for name in judged:
        ours, theirs = a.rows[name].get(cost), b.rows[name].get(cost)
        if ours is None or theirs is None:
            continue
        right = bool(a.results[name].correct), bool(b.results[name].correct)
        members[_outcome(right, ours < theirs)].append((float(ours), float(theirs)))
    known = sum(map(len, members.values()))
    every = [pair for pairs in members.values() for pair in pairs]
    return OutcomeTable(
        cost,
        tuple(_group(name, pairs, known) for name, pairs in members.items()),
        _group("all", every, known),
        len(judged) - known,
    )


def _outcome(right: tuple[bool, bool], cheaper: bool) -> str:
    if right[0] != right[1]:
        return OUTCOMES[2] if right[0] else OUTCOMES[3]
    return OUTCOMES[(0 if right[0] else 4) + (not cheaper)]


def _group(name: str, pairs: Sequence[tuple[float, float]], known: int) -> OutcomeGroup:
    count = len(pairs)
    ours, theirs = (sum(pair[k] for pair in pairs) for k in (0, 1))
    return OutcomeGroup(
        name,
        count,
        count / known if known else None,
        ours / count if count else None,
        theirs / count if count else None,
        sum(x < y for x, y in pairs),
        sum(x == y for x, y in pairs),
    )
