"""Laws of `algos.rollout.transcript`: an episode as text, line by line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from algos.rollout.trajectory import Trajectory, Turn
from algos.rollout.transcript import spent_in_words, transcript, unjudged
from policies.base import Decision
from sage_env import Invalid, Skip
from tests.helpers.handmade import item, trajectory

QUESTION = item("q", "a.mp4", question="which?", choices=("yes", "no"), kind="mcq")


def test_a_whole_episode_by_hand() -> None:
    played = trajectory("q", False, overview=(5.0,), looks=((12.0, 61.0),), answer="no")
    assert transcript(QUESTION, played).splitlines() == [
        "a.mp4",
        "question: which?",
        "choices:  yes | no",
        "overview  1 frame at 0:05.0",
        'turn 1    sample: {"action": "sample", "start": 12.0, "end": 62.0, "num_frames": 2}',
        "          2 frames at 0:12.0, 1:01.0",
        'turn 2    answer: {"action": "answer", "text": "no"}',
        "answer:   no",
        "gold:     yes (wrong)",
    ]


@pytest.mark.parametrize(("verdict", "word"), [(True, "right"), (None, "not judged")])
def test_the_verdict_in_words(verdict: bool | None, word: str) -> None:
    assert transcript(QUESTION, trajectory("q", verdict)).endswith(f"gold:     yes ({word})")


def test_what_is_not_known_is_not_said() -> None:
    open_question = item("q", choices=())
    text = transcript(open_question, trajectory("q", True, overview=()), judged=False)
    assert not any(word in text for word in ("gold", "choices", "overview"))
    failed = trajectory("q", None, error="VideoError: gone")
    assert transcript(QUESTION, failed).endswith("failed:   VideoError: gone")


def test_text_that_is_no_action_is_shown_with_its_reason() -> None:
    turns = [
        Turn(Decision(Invalid("hm", "say one action")), 0.0, {}),
        Turn(Decision(Invalid("what", "no JSON"), "as it was said"), 0.0, {"frame_seconds": None}),
        Turn(Decision(Skip(3.0)), 0.0, {"correct": False}),
    ]
    text = transcript(QUESTION, Trajectory("q", 0, turns)).splitlines()
    assert text[3:9] == [
        "turn 1    invalid: hm",
        "          not an action: say one action",
        "turn 2    invalid: as it was said",
        "          not an action: no JSON",
        'turn 3    skip: {"action": "skip", "to": 3.0}',
        "answer:   none, out of turns",
    ]


def test_an_unjudged_episode_has_neither_verdict_nor_reward() -> None:
    played = trajectory("q", True, looks=((1.0,),))
    played.turns[-1].info["reward_terms"] = {"answer": 1.0}
    found = unjudged(played)
    assert [turn.reward for turn in found.turns] == [0.0, 0.0]
    last = found.turns[-1].info
    assert last["correct"] is None and last["reward_terms"] == {}
    assert last["stop_reason"] == "answered" and found.turns[0] is played.turns[0]
    assert played.turns[-1].info["correct"] is True, "the episode itself is left as it is"
    nothing = Trajectory("q")
    assert unjudged(nothing) is nothing


def test_the_cost_in_words() -> None:
    spent = SimpleNamespace(turns=1, frames_shown=4, frames_unique=3, decode_seconds=0.25)
    played = Trajectory("q", 0, [Turn(Decision(Skip(3.0)), 0.0, {"spent": spent})])
    assert spent_in_words(played, 2.0) == (
        "1 turn, 4 frames, 3 different, 2.0 s, of which 0.2 s reading the video"
    )
    spent.turns, spent.frames_shown = 2, 1
    assert spent_in_words(played, 2.0).startswith("2 turns, 1 frame, 3 different")
    overview = Trajectory("q", 0, start_info={"spent": spent})
    assert spent_in_words(overview, 1.0).startswith("2 turns, 1 frame")
    assert spent_in_words(Trajectory("q"), 1.0) == "1.0 s"
