"""A against B: paired by question, clustered by video, by group, by cost, question by question."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from algos.comparison.compared_runs import (
    ComparedRun,
    ComparisonError,
    SharedQuestions,
    shared_questions,
)
from algos.comparison.manifest_differences import FieldDifference, manifest_differences
from algos.comparison.outcome_costs import OutcomeTable, outcome_table
from algos.comparison.paired_tests import holm, mcnemar_exact
from algos.evaluation.cluster_intervals import (
    Interval,
    difference_interval,
    difference_p_value,
)
from algos.evaluation.groups import group_keys
from algos.evaluation.measures import LONG, OWN_SECTIONS, SHORT, Measures, length_of, measures_of
from algos.evaluation.row_results import EpisodeResult
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of
from sage_env.datasets.report_keys import each_value

COSTS = (
    "frames",
    "turns",
    "tokens",
    "seconds",
    "cost",
    "frames_decoded",
    "frames_unique",
    "visual_tokens",
    "visual_tokens_billed",
    "prompt_tokens",
)
"""Keys of the rows that can be compared as the cost of a question."""


@dataclass(frozen=True)
class PairedGroup:
    """The verdicts of two runs on the same questions.

    Attributes:
        section: by what the questions are grouped; `all` for all.
        name: of the group.
        questions: that both have a verdict on.
        videos: how many these are about.
        accuracy_a: share that the first run has right; `None` without questions.
        accuracy_b: the second.
        difference: A minus B.
        interval: 95 % of it, over videos; `None` with fewer than five.
        only_a: questions that only the first run has right.
        only_b: that only the second has right.
        p_value: two-sided, clustered by video; `None` with fewer than five.
        mcnemar: of McNemar's exact test, which takes questions as independent.
        holm: the clustered one, corrected for the groups of all sections; `None` for `all`, which
            is one question asked before any other, and for a group that is all.
    """

    section: str
    name: str
    questions: int
    videos: int
    accuracy_a: float | None
    accuracy_b: float | None
    difference: float | None
    interval: Interval
    only_a: int
    only_b: int
    p_value: float | None
    mcnemar: float
    holm: float | None = None


@dataclass(frozen=True)
class Flip:
    """A question that one run has right and the other wrong."""

    id: str
    question: str
    gold: str
    answer_a: str | None
    answer_b: str | None


@dataclass(frozen=True)
class Comparison:
    """Everything that is said of two runs.

    Attributes:
        a: name of the first.
        b: name of the second.
        measures_a: of all questions of the first, its own ones included.
        measures_b: of the second.
        shared: which questions both were asked.
        groups: all, then by length, bucket and report key.
        outcomes: right or wrong by cheaper or dearer.
        won: questions that only A has right, in A's order.
        lost: that only B has right.
        differences: what differs between the manifests.
    """

    a: str
    b: str
    measures_a: Measures
    measures_b: Measures
    shared: SharedQuestions
    groups: tuple[PairedGroup, ...]
    outcomes: OutcomeTable
    won: tuple[Flip, ...]
    lost: tuple[Flip, ...]
    differences: tuple[FieldDifference, ...]


def compare(a: ComparedRun, b: ComparedRun, *, cost: str = "frames") -> Comparison:
    """Compare two runs, from their rows.

    Args:
        a: the first run.
        b: the second.
        cost: what a question costs, one of `COSTS`.

    Raises:
        ComparisonError: if they share no question, or mean another one by the same id.
    """
    if cost not in COSTS:
        raise ComparisonError(f"cost must be one of {', '.join(COSTS)}, got {cost!r}")
    shared = shared_questions(a, b)
    ours = [a.results[name] for name in shared.judged]
    right = [bool(e.correct) for e in ours], [bool(b.results[n].correct) for n in shared.judged]
    flips = [
        (name, won) for name, won, lost in zip(shared.judged, *right, strict=True) if won != lost
    ]
    return Comparison(
        a.name,
        b.name,
        measures_of(list(a.results.values())),
        measures_of(list(b.results.values())),
        shared,
        tuple(_groups(ours, right[0], right[1])),
        outcome_table(a, b, shared.judged, cost),
        tuple(_flip(name, a, b) for name, won in flips if won),
        tuple(_flip(name, a, b) for name, won in flips if not won),
        tuple(manifest_differences(a, b)),
    )


def _groups(
    episodes: Sequence[EpisodeResult], a: Sequence[bool], b: Sequence[bool]
) -> Iterator[PairedGroup]:
    """Yield all questions, and the groups of them with Holm's correction over these."""
    yield _paired("all", "all", episodes, a, b)
    groups = []
    for section, named in _sections(episodes).items():
        for name, places in named.items():
            these = [episodes[k] for k in places]
            ours, theirs = [a[k] for k in places], [b[k] for k in places]
            groups.append(_paired(section, name, these, ours, theirs))
    parts = [None if one.questions == len(episodes) else one.p_value for one in groups]
    corrected = holm(parts)  # a group of all questions is no further test
    for group, p_value in zip(groups, corrected, strict=True):
        yield PairedGroup(**{**vars(group), "holm": p_value})


def _paired(
    section: str,
    name: str,
    episodes: Sequence[EpisodeResult],
    a: Sequence[bool],
    b: Sequence[bool],
) -> PairedGroup:
    count, videos = len(episodes), [e.video for e in episodes]
    gaps = [float(x) - float(y) for x, y in zip(a, b, strict=True)]
    only_a, only_b = gaps.count(1.0), gaps.count(-1.0)
    return PairedGroup(
        section,
        name,
        count,
        len(set(videos)),
        sum(a) / count if count else None,
        sum(b) / count if count else None,
        sum(gaps) / count if count else None,
        difference_interval(gaps, videos),
        only_a,
        only_b,
        difference_p_value(gaps, videos),
        mcnemar_exact(only_a, only_b),
    )


def _sections(episodes: Sequence[EpisodeResult]) -> dict[str, dict[str, list[int]]]:
    """Return the places of the questions of each group, by section, as tables of one run have."""
    buckets = [bucket_of(e.duration) for e in episodes]
    lengths = [length_of(e.duration) for e in episodes]
    found = {
        "length": _places([[name] for name in lengths], (SHORT, LONG)),
        "bucket": _places([[name] for name in buckets], BUCKETS),
    }
    for key in group_keys([e.group for e in episodes], buckets):
        named = [each_value(e.group.get(key)) for e in episodes]
        section = f"{key} (group)" if key in OWN_SECTIONS else key
        found[section] = _places(named, sorted({one for names in named for one in names}))
    return found


def _places(named: Sequence[Sequence[str]], order: Sequence[str]) -> dict[str, list[int]]:
    groups: dict[str, list[int]] = {name: [] for name in order}
    for place, names in enumerate(named):
        for name in names:
            groups.setdefault(name, []).append(place)
    return {name: places for name, places in groups.items() if places}


def _flip(name: str, a: ComparedRun, b: ComparedRun) -> Flip:
    row: Mapping[str, object] = a.rows[name]
    ours, theirs = row.get("prediction"), b.rows[name].get("prediction")
    return Flip(name, str(row["question"]), str(row["gold"]), _text(ours), _text(theirs))


def _text(value: object) -> str | None:
    return None if value is None else str(value)
