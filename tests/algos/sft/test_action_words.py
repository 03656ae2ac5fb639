"""Laws of `algos.sft.action_words`: what is taught is read as what was decided."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from algos.sft.action_words import words_of
from policies.base import Decision
from sage_env import Answer, Invalid, Sample, Zoom, format_action, parse_action
from tests.helpers.actions.action_strategies import actions

ZOOM = Zoom(2.0, 9.0, 3)
SPELLED = format_action(ZOOM, "why")
CALL = '{"name": "zoom", "arguments": {"start": 2.0, "end": 9.0, "num_frames": 3}}'


@pytest.mark.parametrize(
    ("text", "thinking", "taught"),
    [
        (SPELLED, False, SPELLED),
        (CALL, False, CALL),
        (f"Well. {SPELLED}", False, f"Well. {SPELLED}"),
        ("", False, format_action(ZOOM)),
        ("<look>2 to 9</look>", False, format_action(ZOOM)),
        (format_action(Sample(2.0, 9.0, 3), "why"), False, SPELLED),
        (f"hm </think> {SPELLED}", True, f"hm </think> {SPELLED}"),
        (SPELLED, True, f"why\n</think>\n\n{format_action(ZOOM)}"),
        ("", True, f"\n</think>\n\n{format_action(ZOOM)}"),
    ],
)
def test_the_text_is_kept_where_the_student_would_be_understood(text, thinking, taught) -> None:
    assert words_of(Decision(ZOOM, text), thinking=thinking) == taught


def test_what_is_no_action_keeps_its_text() -> None:
    assert words_of(Decision(Invalid("so", "no object"), "so what")) == "so what"
    assert words_of(Decision(Invalid("so", "no object"))) == "so"


@settings(max_examples=40)
@given(actions, st.booleans(), st.sampled_from(["", "some words", format_action(Answer("x"))]))
def test_what_is_taught_spells_the_action(action, thinking, text) -> None:
    taught = words_of(Decision(action, text), thinking=thinking)
    assert parse_action(taught, thinking=thinking) == action
