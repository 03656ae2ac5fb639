"""Laws of `policies.hugging_face.conversation`: what was shown stays, thoughts do not."""

from __future__ import annotations

import numpy as np
import pytest

from policies.hugging_face.conversation import Conversation, shown_turn
from tests.helpers.loopback import shown


def conversation() -> Conversation:
    return Conversation(np.random.default_rng(0))


def test_a_turn_keeps_its_own_frames_in_order_after_their_times() -> None:
    observation = shown(3)
    kept = observation["frames"].copy()
    turn = shown_turn(observation, first=True)
    observation["frames"][:] = 0  # environments may write over what they showed
    assert turn.segments[:4] == ("<3.2 seconds>", 0, "<11.0 seconds>", 1)
    assert len(turn.pictures) == 2
    for picture, frame in zip(turn.pictures, kept, strict=False):
        assert (picture == frame).all()
    assert "what is it, 3?" in str(turn.segments[-1])
    later = shown_turn(shown(3, message="clamped"), first=False)
    assert later.segments[0] == "clamped\n<3.2 seconds>" and "what" not in str(later.segments)


@pytest.mark.parametrize(
    ("text", "thinks_first", "told"),
    [
        ("plain", False, "plain"),
        ("<think>a or b?</think> b", False, "b"),
        ("a or b?</think> b", True, "b"),
        ("a or", True, "..."),
        ("<think>a or", False, "..."),
        ("", False, "..."),
    ],
)
def test_thoughts_are_not_shown_again(text, thinks_first, told) -> None:
    talk = conversation()
    talk.said(shown_turn(shown(), first=True), text, thinks_first=thinks_first)
    assert talk.turns[0].reply == told


def test_the_oldest_turns_are_forgotten_but_never_the_question() -> None:
    talk = conversation()
    for number in range(3):
        turn = shown_turn(shown(number), first=not number)
        talk.said(turn, f"reply {number}", thinks_first=False)
    assert talk.drop_turn() and [t.reply for t in talk.turns] == ["reply 0", "reply 2"]
    assert talk.drop_turn() and talk.dropped == 2
    assert not talk.drop_turn() and talk.dropped == 2
    assert "what is it, 0?" in str(talk.turns[0].segments)
