"""How good a judge is: 200 pairs of a gold answer and an answer, with the verdict that is right.

`calibration_pairs.jsonl` was written for this by hand, and is in no benchmark. Its labels are its
authors' own, of one opinion each. By category:

| category | pairs | what it tries |
|---|---|---|
| `plain_right`, `plain_wrong` | 25 each | the gold answer in a sentence; another answer |
| `paraphrase` | 30 | other words that mean the same (24), or nearly the same and do not |
| `negation` | 25 | the gold answer denied, or an answer that a negation makes right |
| `unit` | 25 | other units, spellings of numbers, times; equal or not |
| `partial` | 25 | a part of an answer that has several, or more detail than was asked |
| `refusal` | 20 | no answer in polite words, and answers that only sound like refusals |
| `injection` | 25 | orders to the judge, beside wrong answers, right ones, and none |
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path

from algos.evaluation.cluster_intervals import Interval, proportion_interval
from algos.scoring.judge_agreement import cohen_kappa
from algos.scoring.row_scoring import UNDECIDED, NamedJudge, ask, score_answer
from sage_env.datasets.item import QAItem

PAIRS_FILE = "calibration_pairs.jsonl"


@dataclass(frozen=True)
class Pair:
    """A question, its gold answer, an answer, and whether that is right."""

    id: str
    category: str
    question: str
    gold: str
    answer: str
    label: bool


@dataclass(frozen=True)
class CheckedPair:
    """What a judge said of a pair; `rule` is what decided, `judge` where the judge did."""

    pair: Pair
    verdict: bool | None
    rule: str
    words: str = ""


@dataclass(frozen=True)
class Calibration:
    """How a judge did on some pairs.

    Attributes:
        category: of the pairs; `all` for all.
        pairs: how many.
        by_rule: how many of them a rule decided.
        unjudged: how many have no verdict; in no other figure.
        accuracy: share of verdicts that are the label; `None` without verdicts.
        interval: 95 % of it, as if the pairs were drawn.
        false_accepts: wrong answers that were accepted, of how many wrong ones.
        false_rejects: right answers that were refused, of how many right ones.
        kappa: Cohen's, of verdicts and labels; `None` where it is not defined.
    """

    category: str
    pairs: int
    by_rule: int
    unjudged: int
    accuracy: float | None
    interval: Interval
    false_accepts: tuple[int, int]
    false_rejects: tuple[int, int]
    kappa: float | None


@lru_cache(maxsize=1)
def calibration_pairs() -> tuple[Pair, ...]:
    """Return the 200 pairs."""
    text = resources.files("algos.scoring").joinpath(PAIRS_FILE).read_text(encoding="utf-8")
    return tuple(Pair(**json.loads(line)) for line in text.splitlines())


def check_judge(
    judge: NamedJudge | None, *, alone: bool = False, workers: int = 8
) -> list[CheckedPair]:
    """Return what is said of every pair.

    Args:
        judge: asked what no rule can decide; `None` for the rules alone.
        alone: ask the judge about every pair, also where a rule could tell.
        workers: how many pairs are judged at the same time.
    """

    def checked(pair: Pair) -> CheckedPair:
        item = QAItem(pair.id, Path("calibration.mp4"), pair.question, answer=pair.gold)
        if alone and judge is not None:
            said = ask(judge, item, pair.answer)
            return CheckedPair(pair, said.verdict, "judge", said.words)
        score = score_answer(item, pair.answer, [] if judge is None else [judge])
        words = score.judged[0].words if score.judged else ""
        return CheckedPair(pair, score.verdict, score.rule, words)

    with ThreadPoolExecutor(max(1, workers)) as pool:
        return list(pool.map(checked, calibration_pairs()))


def calibrations(checked: Sequence[CheckedPair]) -> list[Calibration]:
    """Return how a judge did on all pairs, and by category."""
    categories = list(dict.fromkeys(one.pair.category for one in checked))
    parts = [(name, [one for one in checked if one.pair.category == name]) for name in categories]
    return [_calibration(name, part) for name, part in [("all", list(checked)), *parts]]


def _calibration(category: str, checked: Sequence[CheckedPair]) -> Calibration:
    judged = [one for one in checked if one.verdict is not None]
    good = [float(one.verdict is one.pair.label) for one in judged]
    wrong = [one for one in judged if not one.pair.label]
    right = [one for one in judged if one.pair.label]
    return Calibration(
        category=category,
        pairs=len(checked),
        by_rule=sum(one.rule not in ("judge", UNDECIDED) for one in checked),
        unjudged=len(checked) - len(judged),
        accuracy=sum(good) / len(good) if good else None,
        interval=proportion_interval(good, [one.pair.id for one in judged]),
        false_accepts=(sum(bool(one.verdict) for one in wrong), len(wrong)),
        false_rejects=(sum(not one.verdict for one in right), len(right)),
        kappa=cohen_kappa([one.verdict for one in judged], [one.pair.label for one in judged]),
    )
