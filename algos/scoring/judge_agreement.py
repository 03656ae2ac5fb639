"""How far judges agree: percent, Cohen's kappa, Krippendorff's alpha, majority, what is disputed.

`None` among the verdicts is *not judged*, and is in no figure. A kappa or an alpha of 1 is perfect
agreement, 0 what chance would give; neither is defined where only one verdict was ever given.

Sources: Cohen, Educational and Psychological Measurement 20, 1960; Krippendorff, "Content
Analysis", 4th edition, 2019, chapter 12 (nominal data, any number of judges, missing verdicts).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TypeAlias

Verdict: TypeAlias = bool | None


@dataclass(frozen=True)
class PairAgreement:
    """Two judges, over the answers that both gave a verdict on.

    Attributes:
        first: name of one.
        second: name of the other.
        answers: how many both gave a verdict on.
        same: share of these on which they agree; `None` without any.
        kappa: Cohen's; `None` where it is not defined.
    """

    first: str
    second: str
    answers: int
    same: float | None
    kappa: float | None


@dataclass(frozen=True)
class Agreement:
    """What several judges said of the same answers.

    Attributes:
        judges: their names.
        answers: how many answers they were asked about.
        unjudged: by judge, how many of these it gave no verdict on.
        right: by judge, the share right among its verdicts; `None` without any.
        pairs: every two of them.
        alpha: Krippendorff's, of all; `None` where it is not defined.
        disputed: ids of the answers on which two verdicts differ, in order.
    """

    judges: tuple[str, ...]
    answers: int
    unjudged: tuple[int, ...]
    right: tuple[float | None, ...]
    pairs: tuple[PairAgreement, ...]
    alpha: float | None
    disputed: tuple[str, ...]


def agreement(verdicts: Mapping[str, Sequence[Verdict]], judges: Sequence[str]) -> Agreement:
    """Return how far judges agree.

    Args:
        verdicts: by id of the answer, one verdict per judge, in the order of `judges`.
        judges: their names.
    """
    columns = [[row[k] for row in verdicts.values()] for k in range(len(judges))]
    given = [[v for v in column if v is not None] for column in columns]
    return Agreement(
        judges=tuple(judges),
        answers=len(verdicts),
        unjudged=tuple(len(verdicts) - len(values) for values in given),
        right=tuple(sum(values) / len(values) if values else None for values in given),
        pairs=tuple(
            _pair(judges[j], judges[k], columns[j], columns[k])
            for j, k in combinations(range(len(judges)), 2)
        ),
        alpha=krippendorff_alpha(list(verdicts.values())),
        disputed=tuple(name for name, row in verdicts.items() if {True, False} <= set(row)),
    )


def majority(verdicts: Sequence[Verdict]) -> Verdict:
    """Return what more judges say than not, of those that gave a verdict; `None` for a draw."""
    right, wrong = verdicts.count(True), verdicts.count(False)
    return None if right == wrong else right > wrong


def cohen_kappa(first: Sequence[Verdict], second: Sequence[Verdict]) -> float | None:
    """Return Cohen's kappa over the answers that both gave a verdict on.

    With p the share on which they agree, and e the share on which two judges would that said
    right as often, but by chance: (p - e) / (1 - e). For 10 answers, both right on 4, both wrong
    on 3: p = 0.7; with 6 and 5 right, e = 0.6 * 0.5 + 0.4 * 0.5 = 0.5 and kappa = 0.4.
    """
    both = _both(first, second)
    if not both:
        return None
    same = sum(a == b for a, b in both) / len(both)
    ours, theirs = (sum(pair[k] for pair in both) / len(both) for k in (0, 1))
    chance = ours * theirs + (1 - ours) * (1 - theirs)
    return None if chance == 1 else (same - chance) / (1 - chance)


def krippendorff_alpha(rows: Sequence[Sequence[Verdict]]) -> float | None:
    """Return Krippendorff's alpha of nominal verdicts, 1 - observed / expected disagreement.

    Args:
        rows: the verdicts on one answer each; one with fewer than two verdicts does not count.
    """
    units = [[v for v in row if v is not None] for row in rows]
    units = [unit for unit in units if len(unit) > 1]
    counts = Counter(v for unit in units for v in unit)
    number = sum(counts.values())
    apart = sum(2 * unit.count(True) * unit.count(False) / (len(unit) - 1) for unit in units)
    expected = 2 * counts[True] * counts[False]
    return None if not expected else 1 - apart * (number - 1) / expected


def _pair(
    first: str, second: str, ours: Sequence[Verdict], theirs: Sequence[Verdict]
) -> PairAgreement:
    both = _both(ours, theirs)
    same = sum(a == b for a, b in both) / len(both) if both else None
    return PairAgreement(first, second, len(both), same, cohen_kappa(ours, theirs))


def _both(first: Sequence[Verdict], second: Sequence[Verdict]) -> list[tuple[bool, bool]]:
    pairs = zip(first, second, strict=True)
    return [(a, b) for a, b in pairs if a is not None and b is not None]
