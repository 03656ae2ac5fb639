"""Video-MME-v2: four questions about a video are one group, whose score is not linear.

Questions that belong together score 100 (k / 4)^2 for k right answers ("relevance"). Of questions
that build on each other ("logic") only the right ones before the first wrong one count:

| structure | 0 | 1 | 2 | 3 | 4 right in a row |
|---|---|---|---|---|---|
| 1, 2, 3, 4 | 0 | 1/16 | 4/16 | 9/16 | 1 |
| 1, (2 or 3), 4 | 0 | 1/12 | 4/12 | 7/12 | 1 |
| (1 or 2), 3, 4 | 0 | 1/10 | 2/10 | 5/10 | 1 |

Two questions in brackets stand beside each other: where the first of them is wrong, the second
stands in for it, and the row ends there. Source: the code of Video-MME-v2 (arXiv 2604.05015), as
lmms-eval has it, `lmms_eval/tasks/videomme_v2/utils.py`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.estimates import Estimate, bounded_estimate
from algos.metrics.rule_score import RuleLine, RuleScore, accuracy_of

SIZE = 4
"""Questions of a group."""
_SQUARES = (0.0, 1 / 16, 4 / 16, 9 / 16, 1.0)
_IN_A_ROW: Mapping[str, tuple[float, ...]] = {
    "[1,2,3,4]": _SQUARES,
    "[1,[2,3],4]": (0.0, 1 / 12, 4 / 12, 7 / 12, 1.0),
    "[[1,2],3,4]": (0.0, 1 / 10, 2 / 10, 5 / 10, 1.0),
}
_STANDS_IN = {"[1,[2,3],4]": (1, 2), "[[1,2],3,4]": (0, 1)}
"""How many are right in a row when the question of that number, from 0, may stand in for one."""
_HEADS = ("group_type", "level", "second_head", "third_head")


@dataclass(frozen=True)
class GroupScore:
    """A group of questions: its score in [0, 1], and the report keys of its last question."""

    score: float
    keys: Mapping[str, str]
    episodes: Sequence[EpisodeResult]


def relevance_score(right: Sequence[bool]) -> float:
    """Return the score of four questions that belong together: `(k / 4)^2`."""
    return _SQUARES[sum(right)]


def logic_score(right: Sequence[bool], structure: str) -> float:
    """Return the score of four questions that build on each other.

    Args:
        right: the four verdicts in order.
        structure: one of the three, as JSON without blanks: `[1,[2,3],4]`.

    Raises:
        KeyError: for another structure.
    """
    scores = _IN_A_ROW[structure]
    row = next((k for k, one in enumerate(right) if not one), SIZE)
    before, stand_in = _STANDS_IN.get(structure, (-1, 0))
    if row == before and right[stand_in]:
        row += 1
    return scores[row]


def group_scores(episodes: Sequence[EpisodeResult]) -> tuple[list[GroupScore], int]:
    """Return the scores of the whole groups, and how many groups cannot be scored.

    A group is whole when its four questions have a verdict, and its type is known.
    """
    groups: dict[str, list[EpisodeResult]] = {}
    for e in episodes:
        groups.setdefault(e.group.get("question_group", e.video), []).append(e)
    scored = [_scored(sorted(group, key=_place)) for group in groups.values()]
    whole = [group for group in scored if group is not None]
    return whole, len(scored) - len(whole)


def _place(e: EpisodeResult) -> int:
    tail = e.group.get("question_place", e.item_id.rpartition("-")[2])
    return int(tail) if tail.isdecimal() else 0


def _scored(group: Sequence[EpisodeResult]) -> GroupScore | None:
    if len(group) != SIZE or any(e.error is not None or e.correct is None for e in group):
        return None
    # Level and heads are often given with the last question only.
    keys = {key: value for e in group for key, value in e.group.items()}
    right = [bool(e.correct) for e in group]
    kind = keys.get("group_type")
    if kind == "relevance":
        return GroupScore(relevance_score(right), keys, group)
    structure = _as_json(keys.get("group_structure", ""))
    if kind == "logic" and structure in _IN_A_ROW:
        return GroupScore(logic_score(right, structure), keys, group)
    return None


def _as_json(structure: str) -> str:
    try:
        return json.dumps(json.loads(structure), separators=(",", ":"))
    except (ValueError, RecursionError):
        return ""


def video_mme_v2_score(episodes: Sequence[EpisodeResult]) -> RuleScore:
    """Return the mean group score, and by type, level and heads; accuracy beside each."""
    groups, left = group_scores(episodes)
    lines = [_line("all groups", groups)]
    for key in _HEADS:
        for value in sorted({g.keys[key] for g in groups if key in g.keys}):
            lines.append(_line(f"{key}: {value}", [g for g in groups if g.keys.get(key) == value]))
    about = ["Mean group score; four questions are one group, see docs/measures.md."]
    if left:
        about.append(f"{left} groups lack a verdict, a question or a known structure: in no score.")
    return RuleScore("video-mme-v2", tuple(about), tuple(lines), "groups")


def _line(name: str, groups: Sequence[GroupScore]) -> RuleLine:
    return RuleLine(name, _mean(groups), accuracy_of([e for g in groups for e in g.episodes]))


def _mean(groups: Sequence[GroupScore]) -> Estimate:
    return bounded_estimate([g.score for g in groups], [g.episodes[-1].video for g in groups])
