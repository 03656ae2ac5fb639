"""Laws of `algos.metrics.group_scores`: four questions are a group, with the published scores."""

from __future__ import annotations

from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from algos.metrics.group_scores import (
    group_scores,
    logic_score,
    relevance_score,
    video_mme_v2_score,
)
from tests.helpers.handmade import asked

CHAIN, MIDDLE, FIRST = "[1,2,3,4]", "[1,[2,3],4]", "[[1,2],3,4]"


def verdicts(text):
    return [mark == "1" for mark in text]


def test_questions_that_belong_together_score_the_square() -> None:
    for right in product([False, True], repeat=4):
        assert relevance_score(right) == (sum(right) / 4) ** 2


@pytest.mark.parametrize(
    ("structure", "right", "score"),
    [
        (CHAIN, "0111", 0), (CHAIN, "1011", 1 / 16), (CHAIN, "1101", 4 / 16),
        (CHAIN, "1110", 9 / 16), (CHAIN, "1111", 1),
        (MIDDLE, "0111", 0), (MIDDLE, "1000", 1 / 12), (MIDDLE, "1001", 1 / 12),
        (MIDDLE, "1100", 4 / 12), (MIDDLE, "1010", 4 / 12), (MIDDLE, "1011", 4 / 12),
        (MIDDLE, "1101", 4 / 12), (MIDDLE, "1110", 7 / 12), (MIDDLE, "1111", 1),
        (FIRST, "0011", 0), (FIRST, "1000", 1 / 10), (FIRST, "0100", 1 / 10),
        (FIRST, "0111", 1 / 10), (FIRST, "1011", 1 / 10), (FIRST, "1100", 2 / 10),
        (FIRST, "1101", 2 / 10), (FIRST, "1110", 5 / 10), (FIRST, "1111", 1),
    ],
)  # fmt: skip
def test_questions_that_build_on_each_other_by_hand(structure, right, score) -> None:
    assert logic_score(verdicts(right), structure) == score


@given(st.sampled_from([CHAIN, MIDDLE, FIRST]), st.lists(st.booleans(), min_size=4, max_size=4))
def test_another_right_answer_never_costs(structure, right) -> None:
    for k in range(4):
        better = [*right[:k], True, *right[k + 1 :]]
        assert logic_score(better, structure) >= logic_score(right, structure)


def group(name, right, kind, structure="", level=""):
    """Return a group; only its last question says its level."""
    keys = {"question_group": name, "group_type": kind, "group_structure": structure}
    return [
        asked(
            f"{name}-{k}",
            ok,
            f"video {name}",
            group={**keys, "question_place": str(k), **({"level": level} if k == 4 else {})},
        )
        for k, ok in enumerate(verdicts(right), 1)
    ]


def test_the_score_by_hand() -> None:
    episodes = [
        *group("001", "1101", "relevance", level="1"),  # 9/16, 3 of 4
        *group("002", "1100", "logic", "[1, [2, 3], 4]", level="3"),  # 4/12, 2 of 4
        *group("003", "0000", "logic", CHAIN, level="3"),  # 0, 0 of 4
    ]
    score = video_mme_v2_score(episodes[::-1])  # the order of the rows says nothing
    lines = {line.name: line for line in score.lines}
    whole = lines["all groups"]
    assert whole.score.mean == pytest.approx((9 / 16 + 4 / 12) / 3)
    assert whole.score.questions == 3 and whole.accuracy.mean == 5 / 12
    assert lines["group_type: relevance"].score.mean == 9 / 16
    assert lines["group_type: logic"].score.mean == pytest.approx(4 / 24)
    assert lines["level: 3"].score.questions == 2 and lines["level: 3"].accuracy.mean == 2 / 8


def test_questions_stand_in_the_order_of_their_numbers() -> None:
    """Numbers 8 to 11: as texts, 10 and 11 would come first, and 8 would be the third."""
    verdict = {8: True, 9: True, 10: False, 11: True}
    keys = {"group_type": "logic", "group_structure": CHAIN}
    episodes = [asked(f"v-{k}", ok, "v", group=keys) for k, ok in verdict.items()]
    (found,), left = group_scores(episodes[::-1])
    assert (found.score, left) == (4 / 16, 0)


def test_a_group_without_a_verdict_or_a_known_structure_is_in_no_score() -> None:
    whole = group("001", "1111", "relevance")
    failed = group("002", "1111", "relevance")
    failed[2] = asked(
        failed[2].item_id, None, failed[2].video, group=failed[2].group, error="VideoError: gone"
    )
    unjudged = group("003", "1111", "relevance")
    unjudged[0] = asked("003-1", None, "video 003", group=unjudged[0].group)
    short = group("004", "111", "relevance")
    other = group("005", "1111", "logic", "[[1,2],[3,4]]")
    scored, left = group_scores([*whole, *failed, *unjudged, *short, *other])
    assert [g.score for g in scored] == [1.0] and left == 4
    score = video_mme_v2_score([*whole, *failed])
    assert score.lines[0].score.mean == 1.0 and "1 groups" in score.about[1]
