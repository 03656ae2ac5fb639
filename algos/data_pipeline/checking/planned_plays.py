"""Which plays the checks ask for, each with a key, and which questions a check is not asked of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from algos.data_pipeline.checking.check_kinds import CHECKS, NotAsked, PlayedCheck, Subject
from algos.data_pipeline.checking.check_settings import PLAYED, CheckSettings
from algos.data_pipeline.checking.guesses import chance_of, tries_needed
from algos.suite.question_changes import with_shuffled_choices
from sage_env.datasets.item import QAItem, item_digest

PASS = "pass"
"""Name in `checks.jsonl` of plays that check nothing: they tell how often a policy is right."""


@dataclass(frozen=True)
class PlannedPlay:
    """One play of one question.

    Attributes:
        key: see `CheckPlay`.
        question: id of the question.
        check: that it is for.
        answerer: name of who plays.
        trial: from 0.
        asked: the question as it is asked, under an id of its own.
    """

    key: str
    question: str
    check: str
    answerer: str
    trial: int
    asked: QAItem


@dataclass(frozen=True)
class Plan:
    """All plays, and what is not asked.

    Attributes:
        plays: in order of answerers, checks, questions and tries.
        not_asked: why, by question and check.
    """

    plays: Sequence[PlannedPlay]
    not_asked: Mapping[tuple[str, str], NotAsked]

    def grouped(self) -> dict[tuple[str, str, str], list[PlannedPlay]]:
        """Return the plays by question, check and answerer."""
        found: dict[tuple[str, str, str], list[PlannedPlay]] = {}
        for play in self.plays:
            found.setdefault((play.question, play.check, play.answerer), []).append(play)
        return found


def plan_checks(subjects: Sequence[Subject], settings: CheckSettings) -> Plan:
    """Return the plays of the checks.

    Args:
        subjects: the questions.
        settings: which checks, by whom, how often.
    """
    plays: list[PlannedPlay] = []
    not_asked: dict[tuple[str, str], NotAsked] = {}
    for answerer in settings.answerers:
        for name in (one for one in PLAYED if one in settings.checks):
            for subject in subjects:
                asked = CHECKS[name].ask(subject, settings)
                if isinstance(asked, NotAsked):
                    not_asked[subject.item.id, name] = asked
                    continue
                plays += _tries(asked, CHECKS[name], answerer, settings)
    return Plan(plays, not_asked)


def plan_passes(subjects: Sequence[Subject], settings: CheckSettings) -> Plan:
    """Return the plays of `pass_rates`: each question as it is, by the policy itself."""
    if settings.rl_policy is None:
        return Plan([], {})
    plays = [
        _planned(subject.item, PASS, settings.rl_policy, trial, settings, {"tools": settings.tools})
        for subject in subjects
        for trial in range(settings.rl_tries)
    ]
    return Plan(plays, {})


def tries_of(item: QAItem, settings: CheckSettings) -> int:
    """Return how often each answerer plays a question for a check."""
    return tries_needed(settings.tries, chance_of(item.choices), level_of(settings))


def level_of(settings: CheckSettings) -> float:
    """Return the level for one answerer: all together may guess with `settings.level`."""
    return settings.level / max(1, len(settings.answerers))


def _tries(
    asked: QAItem, check: PlayedCheck, answerer: str, settings: CheckSettings
) -> list[PlannedPlay]:
    shown: dict[str, Any] = dict(check.env_options(settings, max(1, len(asked.evidence))))
    if check.name == "uniform":
        shown["frames"] = settings.uniform_frames
    if check.name == "outside":
        shown |= {"frames": settings.outside_frames, "tools": list(settings.tools)}
    return [
        _planned(asked, check.name, answerer, trial, settings, shown)
        for trial in range(tries_of(asked, settings))
    ]


def _planned(
    item: QAItem,
    check: str,
    answerer: str,
    trial: int,
    settings: CheckSettings,
    shown: Mapping[str, Any],
) -> PlannedPlay:
    # The order of the choices hangs on the id: each try has one of its own. The policy's draws hang
    # on it too, so a play comes out the same whatever is played beside it.
    named = replace(item, id=f"{item.id}/{check}/{trial}")
    if check != PASS:
        (named,) = with_shuffled_choices([named], settings.seed)
    told = {
        "answerer": answerer,
        "seed": settings.seed,
        "temperature": 1.0 if check == PASS else settings.temperature,
        "judge": settings.judge,
        "shown": {name: str(value) for name, value in shown.items()},
    }
    words = f"{item_digest([named])} {json.dumps(told, sort_keys=True)}"
    key = hashlib.blake2b(words.encode(), digest_size=12).hexdigest()
    return PlannedPlay(key, item.id, check, answerer, trial, named)
