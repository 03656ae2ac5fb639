"""Laws of `page/scripts/verdict`: what is said of how an episode ended, and why."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.algos.viewer.page.test_question_view import NEVER, QUESTION, STEPS
from tests.helpers.viewer.scripts import scripts


@pytest.fixture(scope="module")
def page() -> Iterator[Any]:
    with scripts(["dom.js", "looks.js", "verdict.js"], ["Verdict"]) as found:
        yield found


def played(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"entry": "a", "steps": list(steps), **more}


def step(turn: int, action: str = "zoom", *seconds: float, **more: Any) -> dict[str, Any]:
    return {"turn": turn, "action": action, "frames": [[one, -1, -1] for one in seconds], **more}


def hints(page: Any, **changes: Any) -> list[str]:
    """Return what is said of the first episode, with some changes."""
    episode = {**QUESTION["episodes"][0], **changes}
    found: list[str] = page.evaluate("(both) => Verdict.hints(...both)", [QUESTION, episode])
    return found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {},
            "It saw the evidence (3 frames of it, first in the overview) and still answered wrong.",
        ),
        ({}, "Before turn 1 the right choice was its most probable one; at the end it was not."),
        ({"steps": NEVER}, "It never saw the evidence: its nearest frame is 8.5 s away."),
        ({"steps": NEVER, "verdict": True}, "Lucky, or told by the question"),
        (
            {"prediction": None, "stop_reason": "out_of_turns", "steps": NEVER},
            "It ran out of turns without an answer.",
        ),
        ({"verdict": None, "error": "VideoError: gone"}, "It failed on our side"),
        ({"verdict": True}, "Right, and it saw the evidence: first in the overview."),
    ],
)
def test_why_it_ended_so_is_said_from_what_is_known(
    page: Any, changes: dict[str, Any], said: str
) -> None:
    assert said in " ".join(hints(page, **changes))


def test_nothing_is_said_of_evidence_where_the_frames_are_not_known(page: Any) -> None:
    steps = [{"turn": 1, "action": "answer"}]
    assert "evidence" not in " ".join(hints(page, steps=steps, row={}))
    view = "([question, episode]) => Verdict.view(question, episode).textContent"
    episode = {**QUESTION["episodes"][0], "steps": steps, "row": {}}
    text = page.evaluate(view, [QUESTION, episode])
    assert "evidence" not in text and "first hit" not in text


def test_a_belief_that_stays_right_was_not_lost(page: Any) -> None:
    steps = [STEPS[0], STEPS[1], {**STEPS[2], "beliefs": [0.3, 0.7]}]
    assert "most probable" not in " ".join(hints(page, steps=steps))


def test_a_share_of_the_evidence_is_of_its_spans(page: Any) -> None:
    question = {"evidence": [[0, 1], [5, 6]]}
    episode = played(step(1, "zoom", 0.5, 1.0, 9.0), verdict=False)
    recall = "([question, episode]) => Verdict.recall(question, episode)"
    assert page.evaluate(recall, [question, episode]) == 0.5
    assert page.evaluate(recall, [question, played(row={"evidence_recall": 0})]) == 0
    assert page.evaluate(recall, [question, played()]) is None, "its frames are not known"


@pytest.mark.parametrize(("second", "away"), [(10.0, "20"), (39.5, "8"), (3.5, "26.5")])
def test_how_far_the_nearest_frame_is_from_the_evidence(
    page: Any, second: float, away: str
) -> None:
    question = {"evidence": [[30, 31.5]]}
    episode = played(step(1, "zoom", second), verdict=False, prediction="x")
    hints = page.evaluate("([q, e]) => Verdict.hints(q, e)", [question, episode])
    assert f"It never saw the evidence: its nearest frame is {away} s away." in hints


def test_an_episode_that_nobody_judged_is_not_wrong(page: Any) -> None:
    words = page.evaluate("Verdict.words({ prediction: 'x' })")
    assert words == {"name": "none", "text": "not judged"}


def test_an_answer_by_letter_is_that_choice(page: Any) -> None:
    predicted = "(prediction) => Verdict.predicted({ choices: ['x', 'y', 'z'] }, { prediction })"
    answers = {"(B)": 1, "c.": 2, "Y": 1, "d": -1, "none": -1, None: -1}
    assert {one: page.evaluate(predicted, one) for one in answers} == answers
