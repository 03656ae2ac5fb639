"""Laws of `sage_env.datasets.grounding`: stretches of time in answers, and what they are worth."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sage_env.actions.action import Answer, Invalid, Skip
from sage_env.datasets.grounding import (
    Overlap,
    answer_spans,
    gold_spans,
    overlap,
    read_spans,
)
from sage_env.datasets.item import QAItem
from sage_env.datasets.matching import decide_answer, rule_answer
from sage_env.datasets.validation import validate
from sage_env.env import VideoQAEnv
from sage_env.errors import DatasetError
from sage_env.testing.memory_video import MemoryVideo

GROUND = QAItem(
    "g", Path("v.mp4"), "When?", (), "10-20 s", "ground", evidence=((10.0, 20.0),), duration=60.0
)
CHOICE = QAItem("m", Path("v.mp4"), "Which?", ("1-2 s", "no"), "1-2 s", "mcq", ((10.0, 20.0),))
SPANS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(1, 9)).map(lambda s: (s[0], s[0] + s[1])), max_size=5
)


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("12.5-20 s", [(12.5, 20)]), ("12.5s–20s", [(12.5, 20)]), ("12 - 20", [(12, 20)]),
        ("from 0:12 to 0:20", [(12, 20)]), ("01:05:02.5 – 01:05:10", [(3902.5, 3910)]),
        ("between 12 and 20 seconds.", [(12, 20)]), ("[[1, 2], [3, 4.5]]", [(1, 2), (3, 4.5)]),
        ("It starts at 12 s and ends at 20 s", [(12, 20)]), ("<3s> - <4s>", [(3, 4)]),
        ('{"start": 12, "end": 20}', [(12, 20)]), ("Start time: 3, end time: 4.5", [(3, 4.5)]),
        ("1-2 min", [(60, 120)]), ("1 min 5 s to 1 min 12 s", [(65, 72)]),
        ("5m - 6m", [(300, 360)]), ("3-4 s and 01:08-01:12", [(3, 4), (68, 72)]),
        ("2-3 people walk at 12-20 s", [(12, 20)]), ("**12.5 - 20.0**", [(12.5, 20)]),
        ("20-12 s", [(12, 20)]), ("12.5-20 s, and between 1 and 2 s", [(12.5, 20), (1, 2)]),
        ("<think>1-2 s</think> <answer>3-4 s</answer>", [(3, 4)]),
    ],
)  # fmt: skip
def test_ways_to_write_a_stretch(text, spans):
    assert read_spans(text) == tuple(spans)


@pytest.mark.parametrize(
    "text",
    ["", "12:30", "about 12 s", "A", "12-12 s", "-5 - 8", "2020-05-01", "12 s, 20 s",
     "<think> 1-2 s", "nan-inf s", "1e3", "12 apples and 20 pears"],
)  # fmt: skip
def test_what_names_no_stretch(text):
    assert read_spans(text) == ()
    assert rule_answer(GROUND, text) == (False, "no_span")


@given(SPANS)
def test_what_is_written_is_read_again(spans):
    written = "; ".join(f"{start}.0-{end}.25 s" for start, end in spans)
    assert read_spans(written) == tuple((start, end + 0.25) for start, end in spans)


@given(SPANS, SPANS)
def test_overlap_is_that_of_the_seconds(named, gold):
    seconds, wanted = ({t for a, b in spans for t in range(a, b)} for spans in (named, gold))
    common = len(seconds & wanted)
    iou = common / len(seconds | wanted) if seconds and wanted else 0.0
    iop = common / len(seconds) if seconds else 0.0
    assert overlap(named, gold) == pytest.approx((iou, iop))
    assert overlap(gold, named).iou == pytest.approx(iou)


def test_half_the_union_is_right_and_less_is_wrong():
    assert rule_answer(GROUND, "10-15 s") == (True, "iou")  # 5 of 10
    assert rule_answer(GROUND, "10-14.9 s") == (False, "iou")
    assert rule_answer(GROUND, "10-40 s") == (False, "iou")  # 10 of 30
    assert rule_answer(GROUND, "10-15 s, 12-15 s, 15-20 s") == (True, "iou")


def test_the_text_comes_before_the_evidence_and_no_judge_is_asked():
    def judge(item, text):
        raise AssertionError("asked")

    near, far = ((11.0, 19.0),), ((30.0, 40.0),)
    assert decide_answer(GROUND, "there", judge, near)[:2] == (True, "iou")
    assert decide_answer(GROUND, "11-19 s", judge, far)[:2] == (True, "iou")
    assert decide_answer(GROUND, "there", judge, far)[:2] == (False, "iou")
    assert decide_answer(GROUND, "there", judge)[:2] == (False, "no_span")
    # Options may be stretches of time: of other questions only the evidence is one.
    assert answer_spans(CHOICE, "1-2 s", near) == near
    assert decide_answer(CHOICE, "1-2 s", judge, far)[:2] == (True, "text")


def test_a_question_for_a_moment_is_still_one_for_a_time():
    moment = replace(GROUND, answer="0:12", tolerance=1.0)
    assert gold_spans(moment) == ()
    assert rule_answer(moment, "12.5 s") == (True, "number")
    assert gold_spans(GROUND) == ((10.0, 20.0),)
    assert gold_spans(replace(GROUND, evidence=(), answer="1:00-1:10")) == ((60.0, 70.0),)
    validate([GROUND, replace(moment, id="m")])


def ended(item, *actions):
    env = VideoQAEnv(dataset=[item], opener=lambda path: MemoryVideo(60.0), max_turns=2)
    env.reset(seed=0)
    for action in actions:
        info = env.step(action)[4]
    return {
        key: info[key] for key in ("correct", "rule", "answer_spans", "answer_iou", "answer_iop")
    }


def test_the_last_step_says_how_the_answer_meets_the_evidence():
    keys = ("correct", "rule", "answer_spans", "answer_iou", "answer_iop")

    def told(*values):
        return dict(zip(keys, values, strict=True))

    assert ended(GROUND, Answer("10-15 s")) == told(True, "iou", 1, 0.5, 1.0)
    assert ended(GROUND, Answer("?")) == told(False, "no_span", 0, 0.0, 0.0)  # not left out
    assert ended(GROUND, Skip(1), Invalid("x", "y")) == told(False, None, 0, 0.0, 0.0)
    spans = ((10.0, 15.0), (30.0, 40.0))
    assert ended(CHOICE, Answer("no", spans)) == told(False, "text", 2, 5 / 20, 5 / 15)
    assert ended(CHOICE, Answer("1-2 s")) == told(True, "text", 0, None, None)
    plain = replace(CHOICE, evidence=())
    assert ended(plain, Answer("no", spans)) == told(False, "text", 2, None, None)


def test_weak_evidence_may_lie_behind_the_end_of_the_video():
    late = replace(CHOICE, evidence=((10.0, 20.0), (90.0, 91.0)))
    with pytest.raises(DatasetError, match="lies behind the end"):
        ended(late, Answer("no"))
    weak = replace(late, group={"evidence": "weak"})
    assert ended(weak, Answer("no", ((10.0, 20.0),)))["answer_iou"] == 10 / 11


@pytest.mark.parametrize(
    "text", ["1" * 8000, "1-" * 4000, "1 s " * 2000, "start " * 1300, "[1," * 2600, "1:" * 4000]
)
def test_long_texts_are_read_at_once(text):
    began = time.perf_counter()
    read_spans(text)
    assert time.perf_counter() - began < 1.0


def test_nothing_meets_nothing():
    assert overlap([], [(1, 2)]) == overlap([(1, 2)], []) == Overlap(0.0, 0.0)
