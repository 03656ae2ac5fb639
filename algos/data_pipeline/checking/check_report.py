"""What the checks found: numbers for a pipeline, and a text for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from algos.data_pipeline.checking.check_kinds import CHECKS, Subject
from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.guesses import chance_of
from algos.data_pipeline.checking.pass_rates import PassRate, mean_pass_rates
from algos.data_pipeline.checking.planned_plays import Plan
from algos.data_pipeline.checking.question_fates import Fate
from algos.data_pipeline.checking.writing_habits import WritingHabits
from algos.data_pipeline.questions.ledger import Spent
from algos.data_pipeline.questions.question_files import Rejection
from algos.evaluation.tables import format_table, points
from algos.metrics.estimates import Estimate, gap_estimate


@dataclass(frozen=True)
class AnswerLine:
    """How often one answerer was right at one check, over all questions that it was asked.

    Attributes:
        check: its name.
        answerer: its name.
        questions: with a judged try.
        share: mean over them of the share of right tries.
        chance: mean of what guesses get right.
        above: the difference, with an interval over videos: above 0, the check sees more than
            guesses, whatever single questions say.
    """

    check: str
    answerer: str
    questions: int
    share: float
    chance: float
    above: Estimate


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What `check_questions` found.

    Attributes:
        questions: that were to be checked.
        kept: ids of those that passed, in order.
        rejected: what did not, and why; a question may be there for several checks.
        unchecked: why others are neither, by id.
        only: how many questions each check alone rejects: what the set gains by it.
        answers: of each check and answerer.
        habits: of how choices are written.
        similarity: what texts were compared by.
        held_out: ids among `kept` that are held out.
        labels: of each question, whether it can be answered at each played check, by check.
        rates: of `pass_rates`, by id.
        plays: how many were asked for, over all calls; `failed` of them have no verdict.
        failed: see `plays`.
        spent: what the checks cost.
    """

    questions: int
    kept: Sequence[str]
    rejected: Sequence[Rejection]
    unchecked: Mapping[str, str]
    only: Mapping[str, int]
    answers: Sequence[AnswerLine]
    habits: WritingHabits
    similarity: str
    held_out: Sequence[str]
    labels: Mapping[str, Mapping[str, bool | None]] = field(default_factory=dict)
    rates: Mapping[str, PassRate] = field(default_factory=dict)
    plays: int = 0
    failed: int = 0
    spent: Spent

    def lost(self) -> dict[str, int]:
        """Return how many questions each check rejects, in the order of the checks."""
        found: dict[str, int] = {}
        for one in self.rejected:
            found[one.check] = found.get(one.check, 0) + 1
        return found

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as JSON data."""
        return {
            "questions": self.questions,
            "kept": len(self.kept),
            "unchecked": dict(self.unchecked),
            "rejected": self.lost(),
            "rejected by one check alone": dict(self.only),
            "answers": [
                {
                    "check": line.check,
                    "answerer": line.answerer,
                    "questions": line.questions,
                    "right": line.share,
                    "chance": line.chance,
                    "above chance": line.above.mean,
                    "interval": line.above.interval,
                }
                for line in self.answers
            ],
            "longest choice above chance": self.habits.longest.mean,
            "its interval": self.habits.longest.interval,
            "length biased": self.habits.length_biased,
            "positions of the right choice": dict(self.habits.positions),
            "positions expected": dict(self.habits.expected),
            "most frequent position above chance": self.habits.position_gap.mean,
            "texts compared by": self.similarity,
            "held out": list(self.held_out),
            "labels": {name: dict(found) for name, found in self.labels.items()},
            "mixed": [name for name, rate in self.rates.items() if rate.mixed],
            "pass@k": {str(k): share for k, share in mean_pass_rates(self.rates).items()},
            "plays": self.plays,
            "failed plays": self.failed,
            "dollars": self.spent.dollars,
            "replies of unknown cost": self.spent.unknown,
        }

    def text(self) -> str:
        """Return the report for a terminal."""
        gone = len({one.id for one in self.rejected})
        lines = [
            f"{self.questions} questions: {len(self.kept)} kept ({len(self.held_out)} held out), "
            f"{gone} rejected, {len(self.unchecked)} unchecked; {self.plays} plays asked for, "
            f"{self.failed} of them without a verdict; {self.spent.sentence()}"
        ]
        if lost := self.lost():
            cells = [(name, str(n), str(self.only.get(name, 0))) for name, n in lost.items()]
            header = ("rejected by", "questions", "by it alone")
            lines += ["", format_table(header, cells, text_columns=1)]
        if self.answers:
            lines += ["", format_table(_HEADER, [_cells(line) for line in self.answers])]
        lines += ["", *self._habit_lines()]
        if self.rates:
            mixed = sum(rate.mixed is True for rate in self.rates.values())
            means = mean_pass_rates(self.rates)
            told = ", ".join(f"pass@{k} {share:.1%}" for k, share in means.items())
            lines.append(
                f"{mixed} of {len(self.rates)} questions have right plays and wrong ones; {told}"
            )
        if self.unchecked:
            name, why = next(iter(self.unchecked.items()))
            lines.append(f"unchecked, the first {name}: {why}; the same command tries them again")
        return "\n".join(lines)

    def _habit_lines(self) -> list[str]:
        habits = self.habits
        if not habits.questions:
            return ["no question has choices"]
        told = "a bias" if habits.length_biased else "no bias is seen"
        places = ", ".join(f"{k}: {n}" for k, n in habits.positions.items())
        return [
            f"the longest choice is right {_signed(habits.longest)} points above chance ({told}); "
            f"the right choice stands at position {places}",
            f"texts of questions are compared by {self.similarity}",
        ]


_HEADER = ("check", "answerer", "questions", "right", "chance", "points above it")


def _cells(line: AnswerLine) -> tuple[str, ...]:
    shown = f"{100 * line.share:.1f} %", f"{100 * line.chance:.1f} %"
    return line.check, line.answerer, str(line.questions), *shown, _signed(line.above)


def _signed(found: Estimate) -> str:
    if found.mean is None:
        return "-"
    few = " (too few videos for an interval)" if found.interval is None else ""
    return points(found.mean, found.interval) + few


def answer_lines(
    subjects: Sequence[Subject], plan: Plan, plays: Mapping[str, CheckPlay]
) -> list[AnswerLine]:
    """Return how often each answerer was right at each check."""
    by_id = {subject.item.id: subject.item for subject in subjects}
    tries: dict[tuple[str, str], dict[str, list[bool]]] = {}
    for one in plan.plays:
        play = plays.get(one.key)
        if play is not None and play.verdict is not None:
            own = tries.setdefault((one.check, one.answerer), {})
            own.setdefault(one.question, []).append(play.verdict)
    found = []
    for (check, answerer), own in tries.items():
        shares = [sum(verdicts) / len(verdicts) for verdicts in own.values()]
        chances = [chance_of(by_id[name].choices) for name in own]
        gaps = [share - chance for share, chance in zip(shares, chances, strict=True)]
        above = gap_estimate(gaps, [str(by_id[name].video) for name in own])
        count = len(own)
        mean, chance = sum(shares) / count, sum(chances) / count
        found.append(AnswerLine(check, answerer, count, mean, chance, above))
    order = list(CHECKS)
    return sorted(found, key=lambda line: order.index(line.check))


def labels_of(fates: Mapping[str, Fate]) -> dict[str, dict[str, bool | None]]:
    """Return of each question whether it can be answered at each check that it was asked."""
    return {
        name: {check: one.answered for check, one in fate.results.items() if not one.not_asked}
        for name, fate in fates.items()
    }


def only_by(rejected: Sequence[Rejection]) -> dict[str, int]:
    """Return how many questions each check alone rejects."""
    checks: dict[str, list[str]] = {}
    for one in rejected:
        checks.setdefault(one.id, []).append(one.check)
    found: dict[str, int] = {}
    for names in checks.values():
        if len(names) == 1:
            found[names[0]] = found.get(names[0], 0) + 1
    return found
