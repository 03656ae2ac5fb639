"""From plays to what becomes of each question: rejected, kept, or unchecked and tried again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from algos.data_pipeline.checking.check_kinds import CHECKS, Subject
from algos.data_pipeline.checking.check_log import CheckPlay
from algos.data_pipeline.checking.check_settings import CheckSettings
from algos.data_pipeline.checking.guesses import answered, chance_of, least_right
from algos.data_pipeline.checking.planned_plays import Plan, level_of
from algos.data_pipeline.questions.question_files import Rejection


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The tries of one answerer at one check of one question.

    Attributes:
        answerer: its name.
        right: tries that were right.
        wrong: tries that were wrong.
        failed: tries that failed on our side, or were not judged.
        tries: that are asked for.
        least: right tries that count as an answer.
        answered: whether they do; `None` while it is not known.
    """

    answerer: str
    right: int
    wrong: int
    failed: int
    tries: int
    least: int
    answered: bool | None


@dataclass(frozen=True, kw_only=True)
class CheckResult:
    """What one check says of one question.

    Attributes:
        check: its name.
        tallies: of each answerer; none where it is not asked.
        answered: whether any answerer can answer the question so; `None`: not known.
        not_asked: why it is not asked; "" where it is.
        open: whether that leaves the question unchecked.
    """

    check: str
    tallies: tuple[Tally, ...] = ()
    answered: bool | None = None
    not_asked: str = ""
    open: bool = False

    @property
    def passed(self) -> bool | None:
        """Return whether the question is good by it; `None` where it is not known."""
        if self.not_asked:
            return None if self.open else True
        if self.answered is None:
            return None
        return self.answered == CHECKS[self.check].must_succeed

    def reason(self) -> str:
        """Return in a sentence why a question is rejected, or not checked."""
        if self.not_asked:
            return self.not_asked
        told = "; ".join(
            f"{one.answerer}: {one.right} of {one.tries} right, {one.least} count"
            + (f", {one.failed} failed" if one.failed else "")
            for one in self.tallies
        )
        about = CHECKS[self.check].about
        if self.answered is None:
            return f"not known whether it is {about} ({told})"
        return f"{'' if self.answered else 'not '}{about} ({told})"


@dataclass(frozen=True, kw_only=True)
class Fate:
    """What becomes of a question by the checks that were played.

    Attributes:
        id: of the question.
        results: of each check.
        failed: checks that reject it, in order.
        unchecked: why it is neither rejected nor kept; "" where it is one of the two.
    """

    id: str
    results: Mapping[str, CheckResult] = field(default_factory=dict)
    failed: tuple[str, ...] = ()
    unchecked: str = ""

    @property
    def kept(self) -> bool:
        """Return whether every check that counts has passed."""
        return not self.failed and not self.unchecked


def fates_of(
    subjects: Sequence[Subject],
    plan: Plan,
    plays: Mapping[str, CheckPlay],
    settings: CheckSettings,
) -> dict[str, Fate]:
    """Return what becomes of each question, by its id.

    Args:
        subjects: the questions.
        plan: of their plays.
        plays: what was played, by key.
        settings: of the checks.
    """
    grouped = plan.grouped()
    fates = {}
    for subject in subjects:
        name = subject.item.id
        results = {}
        for check in (one for one in CHECKS if one in settings.checks):
            if (why := plan.not_asked.get((name, check))) is not None:
                results[check] = CheckResult(check=check, not_asked=why.why, open=why.open)
                continue
            tallies = tuple(
                _tally(
                    answerer,
                    [plays.get(one.key) for one in grouped.get((name, check, answerer), ())],
                    chance_of(subject.item.choices),
                    settings,
                )
                for answerer in settings.answerers
            )
            results[check] = CheckResult(check=check, tallies=tallies, answered=_any(tallies))
        fates[name] = _fate(name, results, settings)
    return fates


def rejection_of(fate: Fate, check: str, video: str) -> Rejection:
    """Return why a question is rejected by one check, with its numbers."""
    result = fate.results[check]
    numbers = [
        {"answerer": t.answerer, "right": t.right, "tries": t.tries, "least": t.least}
        for t in result.tallies
    ]
    return Rejection(
        id=fate.id, video=video, check=check, reason=result.reason(), found={"tallies": numbers}
    )


def _tally(
    answerer: str, plays: Sequence[CheckPlay | None], chance: float, settings: CheckSettings
) -> Tally:
    verdicts = [None if play is None else play.verdict for play in plays]
    right, wrong = verdicts.count(True), verdicts.count(False)
    tries = len(verdicts)
    least = least_right(tries, chance, level_of(settings), settings.share)
    return Tally(
        answerer=answerer,
        right=right,
        wrong=wrong,
        failed=tries - right - wrong,
        tries=tries,
        least=least,
        answered=answered(right, wrong, tries, least),
    )


def _any(tallies: Sequence[Tally]) -> bool | None:
    """Return whether any of them can answer; `None` while one that may is not known."""
    verdicts = [one.answered for one in tallies]
    if any(verdict is True for verdict in verdicts):
        return True
    return None if not verdicts or None in verdicts else False


def _fate(name: str, results: Mapping[str, CheckResult], settings: CheckSettings) -> Fate:
    gates = [results[check] for check in settings.gates]
    failed = tuple(one.check for one in gates if one.passed is False)
    unknown = [one for one in gates if one.passed is None]
    why = ""
    if not failed and unknown:
        why = f"{unknown[0].check}: {unknown[0].reason()}"
    if not failed and not settings.answerers:
        why = "nobody was asked: no answerer is given"
    return Fate(id=name, results=results, failed=failed, unchecked=why)
