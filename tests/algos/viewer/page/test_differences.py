"""Laws of `page/scripts/differences.js`: where two episodes part, and what is no difference."""

from __future__ import annotations

import random

import pytest

from tests.helpers.viewer.scripts import scripts

LOOK = {"turn": 1, "action": "zoom", "span": [10.0, 20.0], "frames": [[10.0, 0, -1], [15.0, 1, -1]]}
ANSWER = {"turn": 2, "action": "answer", "call": '{"answer": "red"}'}
START = {"turn": 0, "action": "overview", "frames": [[0.0, 2, -1], [50.0, 3, -1]]}


def episode(*steps, prediction="red"):
    return {"entry": "e", "steps": list(steps), "prediction": prediction}


SAME = episode(START, LOOK, ANSWER)
CASES = {
    "itself": (SAME, SAME, {}),
    "only the thought": (SAME, episode(START, LOOK | {"thought": "?", "raw": "x"}, ANSWER), {}),
    "what it cost": (SAME, episode(START, LOOK | {"tokens": 9, "seconds": 3.0}, ANSWER), {}),
    "where its pictures lie": (
        SAME,
        episode(START, LOOK | {"frames": [[10.0, 7, 8], [15.0, -1, -1]]}, ANSWER),
        {},
    ),
    "rounding": (
        SAME,
        episode(
            START, LOOK | {"span": [10.009, 20], "frames": [[9.991, 0, -1], [15, 1, -1]]}, ANSWER
        ),
        {},
    ),
    "a frame of the video": (
        SAME,
        episode(START, LOOK | {"span": [10.0, 20.02]}, ANSWER),
        {1: ["span"]},
    ),
    "no span": (
        SAME,
        episode(START, {k: v for k, v in LOOK.items() if k != "span"}, ANSWER),
        {1: ["span"]},
    ),
    "a box": (SAME, episode(START, LOOK | {"box": [0.0, 0.0, 0.5, 1.0]}, ANSWER), {1: ["box"]}),
    "the kind": (SAME, episode(START, LOOK | {"action": "sample"}, ANSWER), {1: ["action"]}),
    "frames": (SAME, episode(START, LOOK | {"frames": [[10.0, 0, -1]]}, ANSWER), {1: ["frames"]}),
    "the overview": (
        SAME,
        episode(START | {"frames": [[0.0, 2, -1], [60.0, 3, -1]]}, LOOK, ANSWER),
        {0: ["frames"]},
    ),
    "the answer": (SAME, episode(START, LOOK, ANSWER, prediction="blue"), {2: ["answer"]}),
    "blanks in it": (SAME, episode(START, LOOK, ANSWER, prediction="  red\n"), {}),
    "letters of it": (SAME, episode(START, LOOK, ANSWER, prediction="Red"), {2: ["answer"]}),
    "how it is written": (SAME, episode(START, LOOK, ANSWER | {"call": "answer: red"}), {}),
    "no text was judged": (
        episode(ANSWER, prediction=None),
        episode(ANSWER | {"call": "blue"}, prediction=None),
        {2: ["answer"]},
    ),
    "one turn more": (
        SAME,
        episode(START, LOOK, LOOK | {"turn": 2, "span": [30, 40]}, ANSWER | {"turn": 3}),
        {2: ["action", "span", "frames"], 3: ["only"]},
    ),
    "an overview without frames is none": (
        episode(ANSWER),
        episode({"turn": 0, "action": "overview"}, ANSWER),
        {},
    ),
    "an overview that one alone saw": (episode(ANSWER), episode(START, ANSWER), {0: ["only"]}),
    "another tool's call": (
        episode({"turn": 1, "action": "use_tool", "call": "a(1)"}),
        episode({"turn": 1, "action": "use_tool", "call": "a(2)"}),
        {1: ["call"]},
    ),
    "what was no action": (
        episode({"turn": 1, "action": "invalid", "call": "x"}),
        episode({"turn": 1, "action": "invalid", "call": "y"}),
        {},
    ),
    "no step at all": (episode(), episode(), {}),
}


@pytest.fixture(scope="module")
def page():
    with scripts(["differences.js"], ["Differences"]) as found:
        yield found


def compared(page, a, b):
    script = "([a, b]) => {const t = Differences.turns(a, b); return [t, Differences.first(t)]}"
    return page.evaluate(script, [a, b])


@pytest.mark.parametrize("case", CASES)
def test_turns_by_hand(page, case) -> None:
    a, b, differ = CASES[case]
    for one, other in ((a, b), (b, a)):
        turns, first = compared(page, one, other)
        assert {turn["turn"]: turn["differ"] for turn in turns if turn["differ"]} == differ
        assert first == (min(differ) if differ else None)


def test_turns_are_aligned_by_their_number(page) -> None:
    a = episode(*({"turn": n, "action": "skip", "span": [n, n + 1]} for n in (3, 1, 2)))
    b = episode(*({"turn": n, "action": "skip", "span": [n, n + 1]} for n in (1, 3)))
    turns, first = compared(page, a, b)
    assert [turn["turn"] for turn in turns] == [1, 2, 3] and first == 2
    assert turns[1]["b"] is None and turns[2]["b"]["span"] == [3, 4]


def test_the_first_is_the_first_that_was_changed(page) -> None:
    """Any one turn of twenty is changed in any one way, and all after it."""
    draws = random.Random(0)
    ways = (
        {"action": "sample"},
        {"span": [1, 2]},
        {"box": [0, 0, 1, 0.5]},
        {"frames": [[4.0, 0, 0]]},
    )
    steps = [LOOK | {"turn": n} for n in range(1, 21)]
    for _ in range(30):
        place = draws.randrange(20)
        way = draws.choice(ways)
        other = [step | way if step["turn"] > place else step for step in steps]
        assert compared(page, episode(*steps), episode(*other))[1] == place + 1
