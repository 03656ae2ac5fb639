"""Pairs of episodes of one question, of which one is preferred: what DPO learns from.

| rule | chosen | rejected |
|---|---|---|
| `right-wrong` | the cheapest right one | a wrong one |
| `cheaper` | the cheapest right one | a right one that costs more: not less of anything |

Both begin with the same prompt, and the chosen one has seen the answer's evidence where the filter
asks for that: a guess that happens to be right is nothing to prefer. Cost is frames, then turns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts
from algos.data_pipeline.distilling.filtering import by_question
from algos.data_pipeline.distilling.settings import PairRule
from algos.seeds import subseed


@dataclass(frozen=True)
class Pair:
    """Two episodes of one question that begin with the same prompt.

    Attributes:
        chosen: the better one.
        rejected: the worse one.
        rule: why, one of `right-wrong` and `cheaper`.
    """

    chosen: EpisodeFacts
    rejected: EpisodeFacts
    rule: str


def find_pairs(
    comparable: Sequence[EpisodeFacts],
    rule: PairRule,
    *,
    most: int,
    grounded: bool = True,
    seed: int = 0,
) -> list[Pair]:
    """Return the pairs of all questions.

    Args:
        comparable: judged episodes that differ from each other, see `Filtered`.
        rule: which pairs.
        most: pairs of one question; those of `right-wrong` come first.
        grounded: whether the chosen one has to have seen the evidence.
        seed: decides which wrong episodes are taken, where there are more.
    """
    found: list[Pair] = []
    for own in by_question(comparable).values():
        prompts = dict.fromkeys(one.prompt for one in own)
        pairs = [
            pair
            for prompt in prompts
            for pair in _pairs([e for e in own if e.prompt == prompt], rule, grounded, seed)
        ]
        pairs.sort(key=lambda pair: pair.rule != "right-wrong")
        found += pairs[:most]
    return found


def _pairs(
    episodes: Sequence[EpisodeFacts], rule: PairRule, grounded: bool, seed: int
) -> Iterator[Pair]:
    right = [e for e in episodes if e.right and not (grounded and e.evidence_seen is False)]
    if not right:
        return
    best, *others = sorted(right, key=lambda e: (*e.cost, e.name))
    wrong = sorted(
        (e for e in episodes if e.right is False), key=lambda e: subseed(seed, "pair", e.name)
    )
    if rule in ("right-wrong", "both"):
        yield from (Pair(best, one, "right-wrong") for one in wrong)
    if rule in ("cheaper", "both"):
        dearer = [e for e in others if e.frames >= best.frames and e.turns >= best.turns]
        dearer = [e for e in dearer if e.cost > best.cost]
        yield from (Pair(best, one, "cheaper") for one in reversed(dearer))
