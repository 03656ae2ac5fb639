"""Laws of `policies.prompt`: a user turn has its frames after their times, and all that is told."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from policies.prompt import joined, render_user
from sage_env.tools.quoting import quoted

OBSERVATION = {
    "num_frames": 2,
    "seconds": np.array([1.94, 5.6, -1.0], np.float32),
    "cursor": np.float32(0.0),
    "duration": np.float32(7.5),
    "turns_left": 3,
    "frames_left": 16,
    "question": "Which?",
    "choices": "moon\nstar",
    "message": "",
    "text": "",
}
SEGMENTS = st.lists(st.one_of(st.text(max_size=3), st.integers(0, 5)))


def test_the_first_turn_by_hand():
    said = "\nVideo: 7.5 seconds. Cursor: 0.0 seconds. Turns left: 3. Frames left: 16."
    said += "\nQuestion: Which?\nChoices:\nmoon\nstar"
    assert render_user(OBSERVATION, first=True) == ["<1.9 seconds>", 0, "<5.6 seconds>", 1, said]


def test_a_later_turn_tells_what_happened_before_its_frames_and_not_the_question():
    observation = OBSERVATION | {"message": "Only 2 frames are left.", "text": "A bell."}
    segments = render_user(observation, first=False)
    assert segments[0] == f"Only 2 frames are left.\n{quoted('A bell.')}\n<1.9 seconds>"
    assert segments[-1] == "\nCursor: 0.0 seconds. Turns left: 3. Frames left: 16."


def test_the_brief_style_says_the_same_in_few_words():
    said = "\nvideo 7.5 seconds. turns left 3, frames left 16.\nWhich?\nmoon, star"
    assert render_user(OBSERVATION, first=True, style="brief")[-1] == said
    later = render_user(OBSERVATION, first=False, style="brief")
    assert later[-1] == "\nturns left 3, frames left 16."


@pytest.mark.parametrize("style", ["full", "brief"])
def test_without_frames_and_choices_there_is_one_text(style):
    observation = OBSERVATION | {"num_frames": 0, "choices": ""}
    (text,) = render_user(observation, first=True, style=style)
    assert "Which?" in text and "hoices" not in text


@given(SEGMENTS)
def test_joining_keeps_everything_in_order_and_leaves_no_texts_side_by_side(segments):
    found = joined(segments)
    assert [x for x in found if isinstance(x, int)] == [x for x in segments if isinstance(x, int)]
    assert "".join(x for x in found if isinstance(x, str)) == "".join(
        x for x in segments if isinstance(x, str)
    )
    pairs = zip(found, found[1:], strict=False)
    assert "" not in found and not any(isinstance(a, str) and isinstance(b, str) for a, b in pairs)
