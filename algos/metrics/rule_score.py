"""The score of a benchmark by its own rule: lines, and the sentences that belong under them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import Estimate, share_estimate
from sage_env.datasets.report_keys import each_value


@dataclass(frozen=True)
class RuleLine:
    """One line of a score, in [0, 1].

    Attributes:
        name: what is measured.
        score: the figure by the rule, with its interval and the number it is about.
        accuracy: of the same questions, where the score is another figure.
    """

    name: str
    score: Estimate
    accuracy: Estimate | None = None


@dataclass(frozen=True)
class RuleScore:
    """A score by a rule.

    Attributes:
        rule: its name.
        about: sentences that are printed under the table: what was counted how.
        lines: the score first, then its parts.
        unit: what is counted, e.g. `questions`.
    """

    rule: str
    about: tuple[str, ...]
    lines: tuple[RuleLine, ...]
    unit: str = "questions"

    @property
    def plain(self) -> bool:
        """Return whether it is the accuracy and nothing else, which every table has."""
        return self.rule == "accuracy" and len(self.lines) == 1


def judged(episodes: Iterable[EpisodeResult]) -> list[EpisodeResult]:
    """Return the episodes that have a verdict."""
    return [e for e in episodes if e.error is None and e.correct is not None]


def accuracy_of(episodes: Sequence[EpisodeResult]) -> Estimate:
    """Return the share of right answers among those that were judged."""
    known = judged(episodes)
    return share_estimate([bool(e.correct) for e in known], [e.video for e in known])


def by_value(
    episodes: Sequence[EpisodeResult],
    key: str,
    estimate: Callable[[Sequence[EpisodeResult]], Estimate],
    order: Sequence[str] = (),
) -> list[RuleLine]:
    """Return a line for each value of a report key; a question counts under each of its values.

    Args:
        episodes: of the questions.
        key: of `group`.
        estimate: the figure of some questions.
        order: values that come first, where they occur.
    """
    groups: dict[str, list[EpisodeResult]] = {}
    for e in episodes:
        for value in each_value(e.group[key]) if key in e.group else ():
            groups.setdefault(value, []).append(e)
    names = [*(name for name in order if name in groups), *sorted(groups.keys() - set(order))]
    return [RuleLine(f"{key}: {name}", estimate(groups[name])) for name in names]


def left_out(episodes: Sequence[EpisodeResult]) -> tuple[str, ...]:
    """Return the sentence about questions without a verdict; none where all have one."""
    failed = sum(e.error is not None for e in episodes)
    unjudged = sum(e.error is None and e.correct is None for e in episodes)
    if not failed and not unjudged:
        return ()
    return (f"{failed} failed and {unjudged} not judged, which are in no figure.",)
