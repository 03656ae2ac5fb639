"""How many planted errors each check caught, and how many good questions it lost.

Errors are planted by the stand-in for a service, which keeps a record for itself: nothing but this
report reads it, when all checks are done.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from algos.data_pipeline.questions.question_files import (
    QUESTIONS,
    generated_questions,
    rejections,
)
from algos.data_pipeline.stand_in.planted import Planted
from algos.evaluation.cluster_intervals import Interval
from algos.evaluation.tables import format_table
from algos.metrics.estimates import share_estimate
from algos.runs.append_log import read_log

GOOD = "good"
"""Name of the line of questions in which nothing was planted."""
_DUPLICATES = ("near_duplicate", "exact_duplicate")  # kinds of errors
_SAME = {"near_duplicate", "same_question"}  # checks that reject a question for another one


@dataclass(frozen=True, kw_only=True)
class CaughtLine:
    """One kind of error, or the good questions.

    Attributes:
        kind: of `planted.OF_QUESTIONS`, or `GOOD`.
        questions: of this kind that came into the folder.
        rejected: of these, by any check.
        kept: that are in `questions.jsonl`.
        unchecked: the rest.
        by_check: how many each check rejects; one question may be there for several.
        first: how many each check rejects first, which adds up to `rejected`.
        interval: of the share rejected, 95 % over videos; `None` with fewer than five.
    """

    kind: str
    questions: int
    rejected: int
    kept: int
    unchecked: int
    by_check: Mapping[str, int]
    first: Mapping[str, int]
    interval: Interval


@dataclass(frozen=True)
class CaughtReport:
    """What the checks caught and lost.

    Attributes:
        lines: good questions first, then the kinds of errors by name.
        unmatched: questions of sound form that the record does not have, such as edited ones.
    """

    lines: Sequence[CaughtLine]
    unmatched: int

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON data."""
        return {"lines": [asdict(line) for line in self.lines], "unmatched": self.unmatched}

    def text(self) -> str:
        """Return it as a table."""
        header = ("planted", "rejected first by", "questions", "rejected", "kept", "unchecked")
        cells = [
            (
                line.kind,
                ", ".join(f"{name} {n}" for name, n in line.first.items()) or "-",
                *map(str, (line.questions, line.rejected, line.kept, line.unchecked)),
            )
            for line in self.lines
        ]
        table = format_table(header, cells)
        others = f"\n{self.unmatched} questions are not of the record" * bool(self.unmatched)
        return table + others


def caught(folder: Path, planted: Sequence[Planted]) -> CaughtReport:
    """Compare what became of the questions of a folder with the record of what was planted.

    Args:
        folder: of the questions.
        planted: the record; see `planted.planted_questions`.

    Raises:
        LogError: if a file of the folder cannot be read.
    """
    gone: dict[str, list[str]] = {}
    videos: dict[str, str] = {one.id: one.video for one in generated_questions(folder)}
    generated = set(videos)
    for one in rejections(folder):
        gone.setdefault(one.id, []).append(one.check)
        videos.setdefault(one.id, one.video)
    kept = {row["id"] for row in read_log(folder / QUESTIONS)}
    kinds: dict[str, list[str]] = {}
    known = _kinds(planted, gone)
    for name in videos:
        if name in known:
            kinds.setdefault(known[name], []).append(name)
    names = sorted(kinds, key=lambda kind: (kind != GOOD, kind))
    lines = [_line(kind, kinds[kind], videos, gone, kept) for kind in names]
    return CaughtReport(lines, sum(name not in known for name in generated))


def _kinds(planted: Sequence[Planted], gone: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return what each question is: of two that ask the same, the one that was rejected for it.

    Which of the two comes first in a reply is chance, and either may stay.
    """
    kinds = {one.id: one.error or GOOD for one in planted}
    first = {(p.video, p.request, p.truth): p.id for p in planted if not p.error}
    for one in planted:
        twin = first.get((one.video, one.request, one.truth))
        if one.error in _DUPLICATES and twin is not None:
            lost, stays = (bool(_SAME & set(gone.get(name, ()))) for name in (twin, one.id))
            if lost and not stays:
                kinds[twin], kinds[one.id] = one.error, GOOD
    return kinds


def _line(
    kind: str,
    names: Sequence[str],
    videos: Mapping[str, str],
    gone: Mapping[str, Sequence[str]],
    kept: set[str],
) -> CaughtLine:
    checks = [gone.get(name, ()) for name in names]
    rejected = sum(map(bool, checks))
    stays = sum(name in kept and not own for name, own in zip(names, checks, strict=True))
    share = share_estimate([bool(own) for own in checks], [videos[name] for name in names])
    by_check = Counter(check for own in checks for check in dict.fromkeys(own))
    first = Counter(own[0] for own in checks if own)
    return CaughtLine(
        kind=kind,
        questions=len(names),
        rejected=rejected,
        kept=stays,
        unchecked=len(names) - rejected - stays,
        by_check=dict(sorted(by_check.items())),
        first=dict(sorted(first.items())),
        interval=share.interval,
    )
