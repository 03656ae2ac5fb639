"""New verdicts on stored answers: by the rules, then by one judge or the majority of several.

A row keeps what it said before: `played_verdict` and `played_rule` are those of the play, however
often it is scored. Rows of episodes that failed, or that have no answer, stay as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from algos.scoring.judge_agreement import majority
from policies.served.api_key import hide_keys
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import Judge, Judged, ask_judge, rule_answer
from sage_env.errors import JudgeError
from sage_env.timeline import Span

Row: TypeAlias = dict[str, Any]
UNDECIDED, DISPUTED = "undecided", "judges_differ"
"""Rules of verdicts: no rule could tell and no judge was asked; as many judges say so as not."""


@dataclass(frozen=True)
class NamedJudge:
    """A judge, and its name as it was given."""

    name: str
    judge: Judge


@dataclass(frozen=True)
class Score:
    """A new verdict on an answer.

    Attributes:
        verdict: `None` where no judge gave one, or as many say right as wrong.
        rule: what decided: a rule of `sage_env.datasets.Ruling`, `judge`, or `judges_differ`.
        judged: what each judge said; `()` where a rule decided.
    """

    verdict: bool | None
    rule: str
    judged: tuple[Judged, ...] = ()

    @property
    def whole(self) -> bool:
        """Return whether every judge that was asked gave a verdict."""
        return all(one.verdict is not None for one in self.judged)


def to_be_scored(row: Mapping[str, Any], everything: bool) -> bool:
    """Return whether a row gets a new verdict.

    Args:
        row: of `samples.jsonl`.
        everything: whether every answer does, and not only those that nothing has decided: that
            were not judged, or wrong for want of a judge.
    """
    if row["error"] is not None or row["prediction"] is None:
        return False
    return everything or row["verdict"] is None or row["rule"] in (UNDECIDED, DISPUTED)


def score_answer(
    item: QAItem, text: str, judges: Sequence[NamedJudge], evidence: Sequence[Span] = ()
) -> Score:
    """Return the verdict on an answer: by the rules, else by the judges, else it is wrong.

    Args:
        item: the question.
        text: the answer.
        judges: who is asked what no rule can decide, and in what order.
        evidence: the stretches that the answer claims.
    """
    ruling = rule_answer(item, text, evidence)
    if ruling.verdict is not None or not judges or item.kind == "ground":
        return Score(bool(ruling.verdict), ruling.rule)
    judged = tuple(ask(one, item, text) for one in judges)
    verdict = majority([one.verdict for one in judged])
    drawn = verdict is None and any(one.verdict is not None for one in judged)
    return Score(verdict, DISPUTED if drawn else "judge", judged)


def left_unjudged(row: Mapping[str, Any], score: Score) -> Score:
    """Return the score of a played row, or none where its judge has yet to give a verdict.

    No rule can tell, and nobody was asked now: an outage of a judge is no wrong answer.
    """
    waits = row["verdict"] is None and score.rule == UNDECIDED and not score.judged
    return replace(score, verdict=None) if waits else score


def ask(named: NamedJudge, item: QAItem, text: str) -> Judged:
    """Return what a judge says, with its name on record; one that fails has not judged."""
    try:
        judged = ask_judge(named.judge, item, text)
    except JudgeError as error:
        judged = Judged(None, hide_keys(str(error)))
    return judged._replace(record={"judge": named.name, **judged.record})


def scored_row(row: Row, score: Score) -> Row:
    """Return a row with a new verdict, and what it said when it was played."""
    waits = score.verdict is None and not score.judged
    words = [row.get("judge_words")] if waits else [one.words for one in score.judged]
    records = [dict(one.record) for one in score.judged]
    several = [{"verdict": one.verdict, "words": one.words, **one.record} for one in score.judged]
    return {
        **row,
        "verdict": score.verdict,
        "rule": score.rule,
        "judge": records[0] if len(records) == 1 else None,
        "judge_words": words[0] if len(words) == 1 else None,
        "judges": row.get("judges") if waits else several if len(several) > 1 else None,
        "played_verdict": row.get("played_verdict", row["verdict"]),
        "played_rule": row.get("played_rule", row["rule"]),
    }


def score_to_json(score: Score) -> Row:
    """Return a verdict as plain JSON data; `score_from_json` takes it back."""
    judged = [[one.verdict, one.words, dict(one.record)] for one in score.judged]
    return {"verdict": score.verdict, "rule": score.rule, "judged": judged}


def score_from_json(data: Mapping[str, Any]) -> Score:
    """Read what `score_to_json` returned."""
    judged = tuple(Judged(verdict, words, record) for verdict, words, record in data["judged"])
    return Score(data["verdict"], data["rule"], judged)
