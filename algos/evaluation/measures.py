"""Measures of played questions: accuracy with intervals, cost, and paired differences.

Episodes about one video are not independent, so every interval is one over *videos*
(`algos.evaluation.cluster_intervals`). An episode that failed on our side is counted and is in no
measure; one whose answer was not judged is counted and is not in the accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from gymnasium import Env

from algos.evaluation.cluster_intervals import Floats, difference_interval
from algos.evaluation.columns import Columns, Places, columns_of, mean_of
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
        right: judged episodes that are right.
        chance: expected accuracy of random choices, over judged questions that have choices.
        guessed: accuracy if each question without an answer had been given a random choice.
        corrected: (accuracy - chance) / (1 - chance), over judged questions that have choices: 0
            for random choices, 1 where all is right.
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
    right: int = 0
    chance: float | None = None
    guessed: float | None = None
    corrected: float | None = None

    @property
    def wrong(self) -> int:
        """Return how many judged episodes are not right, those without an answer included."""
        return self.questions - self.unjudged - self.right

    def of_all(self, official: int | None = None) -> float | None:
        """Return the accuracy where what has no verdict is wrong: failed, not judged, not there.

        Args:
            official: how many questions the benchmark has, where some could not be asked.
        """
        total = max(official or 0, self.questions + self.failed)
        return self.right / total if total else None


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
        trajectories: one per item; of a stored evaluation, each is read when it is asked for.
        decoding: how actions were chosen, e.g. `"greedy"` or `"T = 1"`; `""` if it has no choice.
        results: one per item, where they are known from rows; `None`: made of the trajectories.
    """

    name: str
    items: Sequence[QAItem]
    trajectories: Sequence[Trajectory]
    decoding: str = ""
    results: Sequence[EpisodeResult] | None = None

    def __post_init__(self) -> None:
        """Refuse trajectories that are not of these items."""
        known = self.trajectories if self.results is None else self.results
        played = [one.item_id for one in known]
        if len(self.trajectories) != len(known) or played != [item.id for item in self.items]:
            raise ValueError(
                f"{self.name}: expected one trajectory per item in the items' order, got "
                f"{len(self.trajectories)} trajectories for {len(self.items)} items"
            )

    @property
    def title(self) -> str:
        """Return the name with the decoding."""
        return f"{self.name}, {self.decoding}" if self.decoding else self.name

    def only(self, group: Mapping[str, str]) -> EvalResult:
        """Return the part about items of one group, e.g. `only({"tier": "core"})`."""
        if not group:
            return self
        kept = [k for k, item in enumerate(self.items) if in_group(item, group)]
        items, played = [self.items[k] for k in kept], [self.trajectories[k] for k in kept]
        results = self.results and [self.results[k] for k in kept]
        return EvalResult(self.name, items, played, self.decoding, results)

    def episodes(self) -> list[EpisodeResult]:
        """Return one episode result per item."""
        return list(self._episodes)

    @cached_property
    def _episodes(self) -> list[EpisodeResult]:
        if self.results is not None:
            return list(self.results)
        pairs = zip(self.items, self.trajectories, strict=True)
        return [episode_result(item, trajectory) for item, trajectory in pairs]

    @cached_property
    def measured(self) -> list[MeasureRow]:
        """Return the rows of the report: all, by length, by bucket, and by each report key."""
        return measure_episodes(self._episodes)


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
    specs = evaluation_specs(waiting, seed)
    played = collect(envs, policy, specs, seed=seed, progress=progress, isolate=isolate)
    found = {**done, **dict(zip(waiting, played, strict=True))}
    return EvalResult(name, items, [found[item.id] for item in items], decoding)


def evaluation_specs(item_ids: Iterable[str], seed: int) -> list[EpisodeSpec]:
    """Return the episodes of questions: each has a seed of its own, made of its id."""
    return [EpisodeSpec(one, subseed(seed, "evaluate", one), name=one) for one in item_ids]


def failures(result: EvalResult) -> list[tuple[str, str]]:
    """Return the questions that failed on our side, with the reasons, in order.

    One that only lacks its judge's verdict has not failed: it is not judged.
    """
    return [(e.item_id, e.error) for e in result.episodes() if e.error is not None]


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
    """Return the rows of the report for given episodes.

    A question whose report key has several values is counted under each of them.
    """
    columns = columns_of(episodes)
    rows = [MeasureRow("all", "all", _measures(columns, np.arange(len(episodes))))]
    rows += _rows("length", [[length_of(e.duration)] for e in episodes], (SHORT, LONG), columns)
    buckets = [bucket_of(e.duration) for e in episodes]
    rows += _rows("bucket", [[name] for name in buckets], BUCKETS, columns)
    for key in group_keys([e.group for e in episodes], buckets):
        named = [each_value(e.group.get(key)) for e in episodes]
        section = f"{key} (group)" if key in OWN_SECTIONS else key
        rows += _rows(section, named, sorted({one for names in named for one in names}), columns)
    return rows


def measures_of(episodes: Sequence[EpisodeResult]) -> Measures:
    """Return the measures of some episodes taken together."""
    return _measures(columns_of(episodes), np.arange(len(episodes)))


def _measures(columns: Columns, places: Places) -> Measures:
    """Return the measures of the episodes at some places."""
    played = places[~columns.failed[places]]
    judged = played[~np.isnan(columns.verdict[played])]
    right = columns.verdict[judged]
    return Measures(
        questions=len(played),
        failed=len(places) - len(played),
        unjudged=len(played) - len(judged),
        accuracy=mean_of(right),
        interval=columns.share(judged, right),
        frames=mean_of(columns.frames[played]),
        turns=mean_of(columns.turns[played]),
        evidence_hits=mean_of(columns.seen[played]),
        missing=int(columns.missing[played].sum()),
        right=int(right.sum()),
        chance=mean_of(columns.chance[judged]),
        guessed=mean_of(_guessed(columns, judged)),
        corrected=_corrected(columns, judged),
    )


def _guessed(columns: Columns, judged: Places) -> Floats:
    """Return the verdicts, with a random choice's chance where there was no answer."""
    chance = np.nan_to_num(columns.chance[judged])
    found: Floats = np.where(columns.missing[judged], chance, columns.verdict[judged])
    return found


def _corrected(columns: Columns, judged: Places) -> float | None:
    """Return how much of the way from chance to all right was gone, over questions with choices."""
    known = judged[columns.chance[judged] < 1]
    right, chance = mean_of(columns.verdict[known]), mean_of(columns.chance[known])
    return None if right is None or chance is None else (right - chance) / (1 - chance)


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
    section: Section, named: Sequence[Sequence[str]], order: Sequence[str], columns: Columns
) -> list[MeasureRow]:
    """Return one row per name that occurs, in the given order, `unknown` at the end.

    Args:
        section: of the rows.
        named: the names of each episode.
        order: of the names.
        columns: of the episodes.
    """
    groups: dict[str, list[int]] = {name: [] for name in order}
    for place, names in enumerate(named):
        for name in names:
            groups.setdefault(name, []).append(place)
    return [
        MeasureRow(section, name, _measures(columns, np.array(places, np.intp)))
        for name, places in groups.items()
        if places
    ]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
