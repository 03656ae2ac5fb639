"""Measures of played questions: accuracy with intervals, cost, and paired differences.

Episodes about one video are not independent, so every interval is one over *videos*
(`algos.evaluation.cluster_intervals`). An episode that failed on our side is counted and is in no
measure; one whose answer was not judged is counted and is not in the accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from gymnasium import Env

from algos.evaluation.cluster_intervals import difference_interval, proportion_interval
from algos.evaluation.groups import group_keys, in_group
from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.evaluation.sample_rows import sample_row
from algos.rollout.playing import EpisodeSpec, collect
from algos.rollout.trajectory import Trajectory
from algos.seeds import subseed
from policies.base import BatchPolicy, Policy
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of
from sage_env.datasets.item import QAItem
from sage_env.datasets.report_keys import each_value

SHORT, LONG = "<=600 s", ">600 s"
"""Sides of ten minutes, by which the SAGE paper (arXiv 2512.13874) reports long videos apart."""
Section: TypeAlias = str
"""By what a line of a table groups episodes: `all`, `length`, `bucket`, or a key of the items'
`group`."""
OWN_SECTIONS = ("all", "length", "bucket")
"""Sections that every dataset has; a report key of one of these names is `NAME (group)`."""


@dataclass(frozen=True)
class Measures:
    """Measures of some episodes; `None` where there was nothing to measure.

    Attributes:
        questions: episodes that did not fail.
        failed: episodes that our side failed; in none of the means.
        unjudged: episodes without a verdict; not in the accuracy.
        accuracy: share of judged episodes that are right.
        interval: 95 % interval of the accuracy; `None` with fewer than five videos.
        frames: mean frames shown per question.
        turns: mean turns per question.
        evidence_hits: share of episodes with known evidence that were shown a frame of it.
        missing: episodes that ended without an answer; wrong ones in the accuracy.
    """

    questions: int
    failed: int
    unjudged: int
    accuracy: float | None
    interval: tuple[float, float] | None
    frames: float | None
    turns: float | None
    evidence_hits: float | None
    missing: int = 0


@dataclass(frozen=True)
class MeasureRow:
    """One line of a table: the measures of a group of episodes."""

    section: Section
    name: str
    measures: Measures


@dataclass(frozen=True)
class Difference:
    """Accuracy of one run minus another's, over the questions that both were judged on."""

    questions: int
    mean: float | None
    interval: tuple[float, float] | None


@dataclass(frozen=True, eq=False)
class EvalResult:
    """One policy's play over some items, in the order of the items.

    Attributes:
        name: of the line in tables, e.g. `"SFT base"`.
        items: the questions.
        trajectories: one per item.
        decoding: how actions were chosen, e.g. `"greedy"` or `"T = 1"`; `""` if it has no choice.
    """

    name: str
    items: Sequence[QAItem]
    trajectories: Sequence[Trajectory]
    decoding: str = ""

    def __post_init__(self) -> None:
        """Refuse trajectories that are not of these items."""
        played = [trajectory.item_id for trajectory in self.trajectories]
        if played != [item.id for item in self.items]:
            raise ValueError(
                f"{self.name}: expected one trajectory per item in the items' order, got "
                f"{len(played)} trajectories for {len(self.items)} items"
            )

    @property
    def title(self) -> str:
        """Return the name with the decoding."""
        return f"{self.name}, {self.decoding}" if self.decoding else self.name

    def only(self, group: Mapping[str, str]) -> EvalResult:
        """Return the part about items of one group, e.g. `only({"tier": "core"})`."""
        pairs = zip(self.items, self.trajectories, strict=True)
        kept = [(item, played) for item, played in pairs if in_group(item, group)]
        return replace(self, items=[i for i, _ in kept], trajectories=[t for _, t in kept])

    def episodes(self) -> list[EpisodeResult]:
        """Return one episode result per item."""
        return [
            episode_result(item, trajectory)
            for item, trajectory in zip(self.items, self.trajectories, strict=True)
        ]


def evaluate(
    envs: Sequence[Env[Any, Any]],
    policy: Policy | BatchPolicy,
    items: Sequence[QAItem],
    *,
    seed: int = 0,
    name: str = "",
    decoding: str = "",
    progress: Callable[[Trajectory], None] | None = None,
    done: Mapping[str, Trajectory] | None = None,
    isolate: bool = False,
) -> EvalResult:
    """Play every item once, with the loop that training uses.

    An episode depends on the seed, the policy and its item alone: not on the other items, on their
    order, or on what was played before. So an evaluation may go on in another process.

    Args:
        envs: alike, and made with a dataset that holds the items.
        policy: who plays; set its temperature before.
        items: the questions.
        seed: of the environment (one per item) and of the policy.
        name: of the result.
        decoding: label of how the policy chooses.
        progress: called with each trajectory that ended, also when an exception ends the rest.
        done: what was played before, by item id: those are not played again.
        isolate: whether a bug is the failure of the episode that raised it; see `collect`.
    """
    done = done or {}
    waiting = [item.id for item in items if item.id not in done]
    specs = [EpisodeSpec(one, subseed(seed, "evaluate", one), name=one) for one in waiting]
    played = collect(envs, policy, specs, seed=seed, progress=progress, isolate=isolate)
    found = {**done, **dict(zip(waiting, played, strict=True))}
    return EvalResult(name, items, [found[item.id] for item in items], decoding)


def failures(result: EvalResult) -> list[tuple[str, str]]:
    """Return the questions that failed on our side, with the reasons, in order."""
    pairs = zip(result.items, result.trajectories, strict=True)
    return [(item.id, played.error) for item, played in pairs if played.error is not None]


def episode_result(item: QAItem, trajectory: Trajectory) -> EpisodeResult:
    """Return what a trajectory says about its question."""
    return result_of_row(sample_row(item, trajectory))


def length_of(duration: float | None) -> str:
    """Return which side of ten minutes a video is on."""
    if duration is None:
        return "unknown"
    return SHORT if duration <= 600 else LONG


def of_length(episodes: Sequence[EpisodeResult], length: str | None) -> list[EpisodeResult]:
    """Return the episodes on videos of a length, `SHORT` or `LONG`; `None`: all."""
    return [e for e in episodes if length in (None, length_of(e.duration))]


def measure(items: Sequence[QAItem], trajectories: Sequence[Trajectory]) -> list[MeasureRow]:
    """Return the rows of the report: all, by length, by bucket, and by each report key."""
    return measure_episodes(EvalResult("", items, trajectories).episodes())


def measure_episodes(episodes: Sequence[EpisodeResult]) -> list[MeasureRow]:
    """Return the rows of the report for given episodes."""
    rows = [MeasureRow("all", "all", measures_of(episodes))]
    rows += _rows("length", [(length_of(e.duration), e) for e in episodes], (SHORT, LONG))
    rows += _rows("bucket", [(bucket_of(e.duration), e) for e in episodes], BUCKETS)
    buckets = [bucket_of(e.duration) for e in episodes]
    for key in group_keys([e.group for e in episodes], buckets):
        grouped = [(name, e) for e in episodes for name in each_value(e.group.get(key))]
        section = f"{key} (group)" if key in OWN_SECTIONS else key
        rows += _rows(section, grouped, sorted({name for name, _ in grouped}))
    return rows


def measures_of(episodes: Sequence[EpisodeResult]) -> Measures:
    """Return the measures of some episodes taken together."""
    played = [e for e in episodes if e.error is None]
    judged = [e for e in played if e.correct is not None]
    right = [float(bool(e.correct)) for e in judged]
    return Measures(
        questions=len(played),
        failed=len(episodes) - len(played),
        unjudged=len(played) - len(judged),
        accuracy=_mean(right),
        interval=proportion_interval(right, [e.video for e in judged]),
        frames=_mean(e.frames for e in played if e.frames is not None),
        turns=_mean(e.turns for e in played),
        evidence_hits=_mean(e.evidence_seen for e in played if e.evidence_seen is not None),
        missing=sum(e.missing for e in played),
    )


def difference(ours: Sequence[EpisodeResult], theirs: Sequence[EpisodeResult]) -> Difference:
    """Return by how much `ours` is more accurate, paired by question.

    Raises:
        ValueError: if a question stands twice in one of them.
    """
    both = paired(ours, theirs)
    gaps = [float(bool(a.correct)) - float(bool(b.correct)) for a, b in both]
    return Difference(len(gaps), _mean(gaps), difference_interval(gaps, [a.video for a, _ in both]))


def paired(
    ours: Sequence[EpisodeResult], theirs: Sequence[EpisodeResult]
) -> list[tuple[EpisodeResult, EpisodeResult]]:
    """Return the two episodes of every question that both were judged on, in the order of `ours`.

    Raises:
        ValueError: if a question stands twice in one of them.
    """
    first, second = _judged(ours), _judged(theirs)
    return [(first[name], second[name]) for name in first if name in second]


def _judged(episodes: Sequence[EpisodeResult]) -> dict[str, EpisodeResult]:
    """Return the judged episodes by question."""
    if len({e.item_id for e in episodes}) < len(episodes):
        raise ValueError("a paired difference needs each question once in each run")
    return {e.item_id: e for e in episodes if e.correct is not None}


def _rows(
    section: Section, named: Iterable[tuple[str, EpisodeResult]], order: Sequence[str]
) -> list[MeasureRow]:
    """Return one row per name that occurs, in the given order, `unknown` at the end."""
    groups: dict[str, list[EpisodeResult]] = {name: [] for name in order}
    for name, e in named:
        groups.setdefault(name, []).append(e)
    return [
        MeasureRow(section, name, measures_of(group)) for name, group in groups.items() if group
    ]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
