"""Laws of `sage_env.actions.action`, `sage_env.spaces`: illegal values are refused when made."""

import math

import numpy as np
import pytest

from sage_env.actions.action import MAX_TEXT, Answer, Invalid, Sample, Skip, UseTool, Zoom
from sage_env.actions.action_text import format_action
from sage_env.spaces import ActionSpace, UnicodeText


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Skip(math.nan), ValueError, "to must be finite, got nan"),
        (lambda: Skip(10**400), ValueError, "to must be finite"),
        (lambda: Skip(-0.5), ValueError, "start of the video, >= 0, got -0.5"),
        (lambda: Skip(True), TypeError, "to must be a number, got True"),
        (lambda: Skip("5"), TypeError, "to must be a number, got '5'"),
        (lambda: Sample(5, 5, 1), ValueError, "start must be before end, got 5.0 and 5.0"),
        (lambda: Sample(5, math.inf, 1), ValueError, "end must be finite"),
        (lambda: Sample(0, 1, 0), ValueError, "num_frames must be from 1 to"),
        (lambda: Sample(0, 1, 10**5000), ValueError, "got a huge number"),
        (lambda: Sample(0, 1, 2.0), TypeError, "num_frames must be a whole number, got 2.0"),
        (lambda: Sample(0, 1, True), TypeError, "num_frames must be a whole number, got True"),
        (lambda: Zoom(0, 1, 1, (0, 0, 1)), ValueError, "box must be .x0, y0, x1, y1."),
        (lambda: Zoom(0, 1, 1, (0.5, 0, 0.5, 1)), ValueError, "0 <= x0 < x1 <= 1"),
        (lambda: Zoom(0, 1, 1, (0, 0, 1, 1.1)), ValueError, "0 <= y0 < y1 <= 1"),
        (lambda: Zoom(0, 1, 1, "box!"), TypeError, "box must be a list"),
        (lambda: Answer(5), TypeError, "text must be a string, got 5"),
        (lambda: Answer("\ud800"), ValueError, "lone surrogate"),
        (lambda: Answer("x" * (MAX_TEXT + 1)), ValueError, "at most 8192 characters"),
        (lambda: Answer("x", ((3, 2),)), ValueError, "start must be before its end"),
        (lambda: Answer("x", ((0, 1),) * 65), ValueError, "at most 64 spans, got 65"),
        (lambda: UseTool("", {}), ValueError, "name of a tool"),
        (lambda: UseTool("t", {"a": math.nan}), ValueError, "JSON"),
        (lambda: UseTool("t", {1: 2}), TypeError, "string keys"),
    ],
)
def test_illegal_values_are_refused_where_they_are_made(make, error, words):
    with pytest.raises(error, match=words):
        make()


def test_numbers_of_other_types_become_plain_ones():
    action = Zoom(np.float32(1.5), 2, np.int64(3), [0, 0, 1, 1])
    assert action == Zoom(1.5, 2.0, 3, (0.0, 0.0, 1.0, 1.0))
    assert [type(x) for x in (action.start, action.end, action.num_frames)] == [float, float, int]
    assert len({action, Zoom(1.5, 2.0, 3, (0.0, 0.0, 1.0, 1.0)), UseTool("a", {"b": []})}) == 2


def test_a_tool_call_keeps_a_copy_of_its_arguments():
    arguments = {"spans": [1]}
    call = UseTool("transcribe", arguments)
    arguments["spans"].append(2)
    assert call.arguments == {"spans": [1]}


def test_samples_are_in_the_space_and_follow_the_seed():
    space, twin = ActionSpace(30, 4, seed=1), ActionSpace(30, 4, seed=1)
    samples = [space.sample() for _ in range(300)]
    assert samples == [twin.sample() for _ in range(300)]
    assert all(sample in space for sample in samples)
    assert {type(sample) for sample in samples} == {Skip, Sample, Zoom, Answer}
    looks = [sample for sample in samples if isinstance(sample, Sample | Zoom)]
    assert {look.num_frames for look in looks} == {1, 2, 3, 4}
    assert all(look.end <= 30 for look in looks)
    assert Sample(1e9, 2e9, 500) in space
    assert Invalid("x", "y") not in space and format_action(Sample(0, 1, 1)) not in space
    assert space == twin != ActionSpace(31, 4)


def test_text_may_hold_what_people_write():
    space = UnicodeText(seed=0)
    assert all(space.sample() in space for _ in range(50))
    assert "Où est le chat ? 猫\n" in space and "" in space
    assert "\ud800" not in space and 5 not in space
    with pytest.raises(ValueError, match="without a mask"):
        space.sample(mask=np.ones(3))


@pytest.mark.parametrize(
    "arguments",
    [
        {"duration": 0},
        {"duration": math.nan},
        {"duration": "60"},
        {"max_frames": 0},
        {"max_frames": 2.5},
    ],
)
def test_a_space_without_times_or_frames_is_refused(arguments):
    with pytest.raises(ValueError, match="an action space needs a finite duration > 0"):
        ActionSpace(**arguments)
