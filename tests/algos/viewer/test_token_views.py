"""Laws of `algos.viewer.token_views`: recorded tokens as the page reads them."""

from __future__ import annotations

from algos.runs.token_records import TurnRecord
from algos.viewer.token_views import step_fields
from algos.viewer.view_data import StepView

RECORD = TurnRecord(
    ("a", "b", ""),
    logprob=(-1.0, -2.0, -3.0),
    entropy=(0.1, 0.2, 0.3),
    ratio=(1.1, 1.2, 1.3),
    advantage=(5.0, 6.0, 7.0),
    value=(0.5, 0.6, 0.7),
    in_loss=(True, False, True),
    reward=1.0,
    stop="<stop>",
)


def test_every_list_keeps_its_place_and_a_turn_has_those_of_its_first_token() -> None:
    step = StepView(turn=1, action="answer", **step_fields(RECORD))
    assert step.pieces is not None
    for name in ("text", "logprob", "entropy", "ratio", "advantage", "value", "in_loss", "stop"):
        assert getattr(step.pieces, name) == getattr(RECORD, name)
    assert (step.value, step.advantage, step.tokens) == (0.5, 5.0, 3)


def test_what_was_not_measured_is_not_known() -> None:
    step = StepView(turn=1, action="answer", **step_fields(TurnRecord(("a",), (-1.0,))))
    assert step.value is step.advantage is None and step.pieces.in_loss is None
    assert step_fields(None) == {}
    assert (
        StepView(turn=1, action="answer", **step_fields(TurnRecord((), (), value=()))).value is None
    )
