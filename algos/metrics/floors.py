"""What a policy's accuracy is above its floors: paired by question, with intervals over videos.

Two floors need no play, as rows say where the right choice stands: a random choice, and the best
constant position. The others are lines of the table that were played as controls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from algos.evaluation.measures import difference
from algos.evaluation.row_results import EpisodeResult
from algos.metrics.entry_lines import EntryLine
from algos.metrics.estimates import Estimate, gap_estimate, share_estimate
from algos.metrics.rule_score import judged

_CONSTANT = "constant-"


@dataclass(frozen=True)
class Floor:
    """One floor or ceiling of a policy.

    Attributes:
        name: `chance`, `constant 2`, or the name of a control.
        accuracy: of the floor.
        above: accuracy of the policy minus the floor's, over the questions that both have.
    """

    name: str
    accuracy: Estimate
    above: Estimate


def floors_of(line: EntryLine, lines: Sequence[EntryLine]) -> list[Floor]:
    """Return the floors of a policy: chance, the best constant choice, and its controls.

    Args:
        line: of the policy.
        lines: of the table, controls among them.
    """
    found = _without_play(judged(line.episodes))
    for other in lines:
        name = other.control
        if name is None or name.startswith(_CONSTANT):  # the best of these is there already
            continue
        if _owner(other, lines) in (None, line.policy):
            gap = difference(line.episodes, other.episodes)
            above = Estimate(gap.mean, gap.interval, gap.questions)
            found.append(Floor(name, _accuracy(judged(other.episodes)), above))
    return found


def _without_play(episodes: Sequence[EpisodeResult]) -> list[Floor]:
    """Return chance and the best constant choice; [] without questions that have choices.

    To an open question both have no answer.
    """
    places = Counter(e.gold_choice for e in episodes if e.gold_choice is not None)
    if not places:
        return []
    best = min(places, key=lambda place: (-places[place], place))
    chances = [e.chance or 0.0 for e in episodes]
    constant = [float(e.gold_choice == best) for e in episodes]
    videos = [e.video for e in episodes]
    right = [float(bool(e.correct)) for e in episodes]
    found = []
    for name, floor in (("chance", chances), (f"constant {best + 1}", constant)):
        gaps = [a - b for a, b in zip(right, floor, strict=True)]
        mean = Estimate(sum(floor) / len(floor), None, len(floor))
        found.append(Floor(name, mean, gap_estimate(gaps, videos)))
    return found


def _accuracy(episodes: Sequence[EpisodeResult]) -> Estimate:
    return share_estimate([bool(e.correct) for e in episodes], [e.video for e in episodes])


def _owner(control: EntryLine, lines: Sequence[EntryLine]) -> str | None:
    """Return the policy that a control is of; `None` for one that is of all.

    `uniform:0:random` is of `random`: of the policies whose name ends it, the longest.
    """
    policies = {one.policy for one in lines if one.control is None}
    ends = [p for p in policies if control.policy == p or control.policy.endswith(f":{p}")]
    return max(ends, key=len, default=None)
