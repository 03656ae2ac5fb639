"""The questions of the RL set: neither too easy nor too hard, half of them in need of turns.

A question that is always answered or never teaches nothing, since all its episodes are paid alike:
the share of right tries has to lie strictly between 0 and 1. The SAGE paper (arXiv 2512.13874,
section 3.3) takes half of its questions from those that need tools, half from those that do not;
how it tells them apart is not published. Here a question needs several turns if most of its right
tries took several.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from algos.data_pipeline.distilling.episode_facts import EpisodeFacts
from algos.data_pipeline.distilling.filtering import by_question
from algos.seeds import subseed

Horizon = Literal["direct", "several turns"]


@dataclass(frozen=True)
class RLQuestion:
    """A question to train on.

    Attributes:
        item_id: which.
        tries: how often it was played and judged.
        right: how often the answer was right.
        horizon: whether most of the right tries answered at once, or took several turns.
        uses_tools: whether a right try called a tool.
    """

    item_id: str
    tries: int
    right: int
    horizon: Horizon
    uses_tools: bool

    @property
    def pass_rate(self) -> float:
        """Return the share of right tries."""
        return self.right / self.tries


def choose_questions(
    episodes: Sequence[EpisodeFacts],
    *,
    half: bool = True,
    most: int | None = None,
    policy: str | None = None,
    held_out: Collection[str] = (),
    seed: int = 0,
) -> tuple[list[RLQuestion], dict[str, str]]:
    """Choose the questions to train on.

    Args:
        episodes: all tries.
        half: whether as many need several turns as do not.
        most: questions; by default all that suit.
        policy: whose tries count; by default everyone's.
        held_out: ids of questions that nothing may be learned of.
        seed: decides which are left out, where there are too many.

    Returns:
        The questions in the order of the episodes, and why each other one was left out, by its id.
    """
    found: list[RLQuestion] = []
    lost: dict[str, str] = {}
    for item_id, own in by_question(episodes).items():
        judged = [e for e in own if e.ended and e.right is not None and policy in (None, e.policy)]
        if item_id in held_out:
            lost[item_id] = "of a held-out video"
        elif not judged:
            lost[item_id] = "never judged"
        elif reason := _too_sure(question := _question(item_id, judged)):
            lost[item_id] = reason
        else:
            found.append(question)
    kept = _halves(found, half, most, seed)
    there = {one.item_id for one in kept}
    for one in found:
        if one.item_id not in there:
            lost[one.item_id] = "beyond its half or the limit"
    return kept, lost


def _question(item_id: str, judged: Sequence[EpisodeFacts]) -> RLQuestion:
    right = [one for one in judged if one.right]
    direct = sum(one.direct for one in right)
    return RLQuestion(
        item_id,
        len(judged),
        len(right),
        "direct" if 2 * direct >= len(right) else "several turns",
        any(one.uses_tools for one in right),
    )


def _too_sure(question: RLQuestion) -> str:
    if question.right == 0:
        return "never answered rightly"
    return "always answered rightly" if question.right == question.tries else ""


def _halves(
    questions: Sequence[RLQuestion], half: bool, most: int | None, seed: int
) -> list[RLQuestion]:
    """Return as many of either horizon, or as many as there may be in all."""
    sides: Mapping[Horizon, list[RLQuestion]] = {"direct": [], "several turns": []}
    order = sorted(questions, key=lambda one: subseed(seed, "rl", one.item_id))
    for one in order:
        sides[one.horizon].append(one)
    if half:
        each = min(map(len, sides.values()))
        each = each if most is None else min(each, most // 2)
        chosen = {one.item_id for own in sides.values() for one in own[:each]}
    else:
        chosen = {one.item_id for one in order[:most]}
    return [one for one in questions if one.item_id in chosen]
