"""Laws of `algos.metrics.benchmark_rules`, `grounding_rules` and `rule_score`: rules by hand."""

from __future__ import annotations

import pytest

from algos.metrics.benchmark_rules import accuracy_score, benchmark_score, mlvu_score, rule_of
from algos.metrics.grounding_rules import (
    cg_bench_score,
    charades_score,
    next_gqa_score,
    recovery_rate,
)
from sage_env.datasets.loading import DATASETS
from tests.helpers.handmade import asked

FAILED = asked("failed", None, error="VideoError: gone", evidence=((0.0, 1.0),))
UNJUDGED = asked("unjudged", None, evidence=((0.0, 1.0),))


def figures(score):
    return {line.name: line.score.mean for line in score.lines}


def claimed(name, right, *spans, gold=((10.0, 20.0),)):
    return asked(name, right, evidence=gold, answer_spans=spans or None)


def test_accuracy_leaves_out_what_has_no_verdict_and_says_so() -> None:
    episodes = [
        asked("a", True, group={"question_type": "x | y"}),
        asked("b", False, group={"question_type": "y"}),
        asked("c", False, group={"question_type": "y"}, missing=True),
        FAILED,
        UNJUDGED,
    ]
    score = accuracy_score(episodes, "accuracy", ("question_type",))
    assert figures(score) == {
        "accuracy": 1 / 3,
        "question_type: x": 1.0,
        "question_type: y": 1 / 3,  # a question of two types is in both
    }
    assert score.about[-1] == "1 failed and 1 not judged, which are in no figure."
    assert len(accuracy_score(episodes[:3], "accuracy").about) == 1


def test_durations_of_video_mme_are_in_their_order() -> None:
    episodes = [asked(name, True, group={"duration": name}) for name in ("long", "medium", "short")]
    names = [line.name for line in benchmark_score("video-mme", episodes).lines]
    assert names == ["accuracy", "duration: short", "duration: medium", "duration: long"]


def test_the_mean_of_mlvu_is_over_tasks() -> None:
    """Tasks of 3, 1 and 2 questions with 2/3, 0 and 1: the mean over tasks is 5/9, not 4/6."""
    tasks = [("count", 1), ("count", 1), ("count", 0), ("order", 0), ("ego", 1), ("ego", 1)]
    choice = [
        asked(str(k), bool(ok), group={"task": task, "form": "choice"})
        for k, (task, ok) in enumerate(tasks)
    ]
    free = asked("free", False, group={"task": "summary", "form": "generation"})
    lost = [
        asked("x", None, group={"task": "order"}, error="VideoError: gone"),
        asked("y", None, group={"task": "ego", "form": "choice"}),  # not judged
    ]
    score = mlvu_score([*choice, free, *lost])
    assert figures(score)["M-Avg"] == pytest.approx(5 / 9)
    assert score.lines[0].accuracy.mean == pytest.approx(4 / 6)
    assert figures(score)["task: order"] == 0.0
    assert figures(score)["G-Avg, as right or wrong"] == 0.0
    assert "G-Avg, as right or wrong" not in figures(mlvu_score(choice))


def test_cg_bench_by_hand() -> None:
    """IoUs 1, .25, 0 (not claimed) and 0 (six spans): above .1 to .5 are 5, 2, 0 and 0 of 5."""
    six = [(10.0 + k, 11.0 + k) for k in range(6)]
    episodes = [
        claimed("a", True, (10.0, 15.0), (14.0, 20.0)),  # merged, it is the clue
        claimed("b", False, (10.0, 12.5)),
        claimed("c", True),
        claimed("d", True, *six),
        FAILED,
        UNJUDGED,
    ]
    clue = [asked(name, name != "d") for name in "abcd"]
    found = figures(cg_bench_score(episodes, clue))
    assert found == pytest.approx(
        {
            "long_acc": 3 / 4,
            "clue_acc": 3 / 4,
            "CRR": 1.0,
            "acc@IoU": 1 / 4,
            "rec@IoU": (1 + 2 / 5) / 4,
            "mIoU": 1.25 / 4,
        }
    )
    assert cg_bench_score([claimed("e", True, (10.0, 11.0))]).lines[4].score.mean == 0.0, "> .1"
    five = [(10.0 + 2 * k, 12.0 + 2 * k) for k in range(5)]
    assert cg_bench_score([claimed("f", True, *five)]).lines[5].score.mean == 1.0, "5 will do"
    without = cg_bench_score(episodes)
    assert figures(without)["CRR"] is None and "oracle" in without.about[1]


def test_the_recovery_rate_is_at_most_one_and_of_what_the_clues_give() -> None:
    ours = [asked(str(k), k < 2) for k in range(4)]
    clue = [asked(str(k), k < 3) for k in range(4)]
    assert recovery_rate(ours, clue).mean == pytest.approx(2 / 3)
    assert recovery_rate(clue, ours).mean == 1.0
    assert recovery_rate(ours, clue[:2]).mean == 1 / 2, "2 of 4, and 2 of the 2 with clues"
    assert recovery_rate(ours, [asked("x", False)]).mean is None, "nothing to recover"
    assert recovery_rate(ours, []).mean is None is recovery_rate([], clue).mean
    many = [asked(str(k), k % 2 == 0) for k in range(20)]
    low, high = recovery_rate(many, [asked(str(k), k % 4 != 3) for k in range(20)]).interval
    assert 0 <= low < 2 / 3 < high <= 1


def test_next_gqa_by_hand() -> None:
    """IoP 1, .5, .2 and 0: right and at least .5 are the first alone, the second is wrong."""
    episodes = [
        claimed("a", True, (12.0, 14.0)),  # IoU .2
        claimed("b", False, (5.0, 15.0)),  # IoU 5/15
        claimed("c", True, (18.0, 28.0)),  # IoU 2/18
        claimed("d", True),
        asked("e", True),  # no gold stretch: in the accuracy alone
    ]
    assert figures(next_gqa_score(episodes)) == pytest.approx(
        {
            "Acc@GQA": 1 / 4,
            "Acc@QA": 4 / 5,
            "mIoP": 1.7 / 4,
            "IoP@0.5": 2 / 4,
            "mIoU": (0.2 + 5 / 15 + 2 / 18) / 4,
            "IoU@0.5": 0.0,
        }
    )


def test_charades_by_hand() -> None:
    """IoUs 1, .5, .3 and 0; a stretch that cannot be read stays in, and only the first counts."""
    episodes = [
        claimed("a", True, (10.0, 20.0), (0.0, 5.0)),
        claimed("b", None, (10.0, 15.0)),  # what is not judged as text has an IoU all the same
        claimed("c", False, (10.0, 13.0)),
        claimed("d", False),
        FAILED,
    ]
    score = charades_score(episodes)
    assert figures(score) == pytest.approx(
        {"R@1, IoU=0.3": 3 / 4, "R@1, IoU=0.5": 2 / 4, "R@1, IoU=0.7": 1 / 4, "mIoU": 1.8 / 4}
    )
    assert score.about[-1].startswith("1 failed")


def test_the_rule_is_chosen_by_the_name_of_the_dataset() -> None:
    for name in ("sage-synth", "questions.jsonl", "video-mme", "lvbench", "egoschema"):
        assert rule_of(name) == "accuracy"
    assert rule_of("sage-bench") == "judge"
    assert (
        benchmark_score("charades-sta", [claimed("a", True, (10.0, 20.0))]).rule == "charades-sta"
    )
    own = {"video-mme-v2", "mlvu", "next-gqa", "cg-bench", "cg-bench-mini"}
    for name in own:
        rule = name.removesuffix("-mini")
        assert benchmark_score(name, [asked("a", True)]).rule == rule
        assert benchmark_score(name, []).lines[0].score.mean is None
    assert {name for name in DATASETS if rule_of(name) not in ("accuracy", "judge")} == {
        *own, "charades-sta"
    }  # fmt: skip
