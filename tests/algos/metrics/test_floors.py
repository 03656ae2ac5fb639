"""Laws of `algos.metrics.floors`: chance, the best constant, and the controls of each policy."""

from __future__ import annotations

from dataclasses import replace

import pytest

from algos.evaluation.row_results import EpisodeResult
from algos.metrics.entry_lines import EntryLine
from algos.metrics.floors import Floor, floors_of


def told(name: str, correct: bool | None, gold: int | None = 0, choices: int = 4) -> EpisodeResult:
    """Return a result about a video of its own."""
    more = {"duration": 60.0, "group": {}, "frames": 4, "turns": 1, "evidence_seen": None}
    choices = 0 if gold is None else choices
    return EpisodeResult(
        name,
        f"{name}.mp4",
        correct=correct,
        error=None,
        choices=choices,
        gold_choice=gold,
        **more,
    )


def line(policy: str, episodes: list[EpisodeResult], control: str | None = None) -> EntryLine:
    return EntryLine(policy, episodes, policy, control)


def named(floors: list[Floor]) -> dict[str, tuple[float | None, float | None]]:
    return {floor.name: (floor.accuracy.mean, floor.above.mean) for floor in floors}


def test_chance_and_the_best_constant_by_hand() -> None:
    """Four questions with choices, one open: chance (1/4 * 3 + 1/2) / 5, gold third twice."""
    episodes = [
        told("a", True, 2), told("b", True, 2), told("c", False, 1), told("d", True, 0, choices=2),
        told("open", False, None),
    ]  # fmt: skip
    floors = floors_of(line("p", episodes), [])
    assert named(floors) == {
        "chance": (pytest.approx(0.25), pytest.approx(0.6 - 0.25)),
        "constant 3": (pytest.approx(0.4), pytest.approx(0.2)),
    }
    assert all(floor.above.interval is not None for floor in floors), "five videos have one"


def test_only_judged_questions_count_and_open_ones_alone_have_no_such_floor() -> None:
    episodes = [told("a", True, 0), told("b", None, 1), told("c", None, 1)]
    assert named(floors_of(line("p", episodes), []))["constant 1"] == (1.0, 0.0)
    assert floors_of(line("p", [told("a", True, None)]), []) == []


def test_a_policy_that_is_the_constant_is_nothing_above_it() -> None:
    episodes = [told(str(k), k % 3 == 1, k % 3) for k in range(12)]
    above = {floor.name: floor.above for floor in floors_of(line("constant:2", episodes), [])}
    assert above["constant 1"].mean == 0.0, "of equal positions, the first"


def test_each_policy_has_its_own_controls_and_those_of_all() -> None:
    episodes = [told(str(k), k < 3, k % 4) for k in range(4)]
    wrong = [replace(e, correct=False) for e in episodes]
    lines = [
        line("random", episodes),
        line("uniform:8:random", wrong),
        line("uniform:0:random", wrong, "blind"),
        line("uniform:0:uniform:8:random", episodes, "blind"),
        line("random", wrong, "shuffled"),
        line("longest", episodes[:2], "longest"),
        line("constant:1", wrong, "constant-1"),
    ]
    first, second = (named(floors_of(one, lines)) for one in lines[:2])
    assert first["blind"] == (0.0, 0.75) and second["blind"] == (0.75, -0.75)
    assert first["shuffled"] == (0.0, 0.75) and "shuffled" not in second
    assert first["longest"] == (1.0, 0.0), "paired: over the questions that both have"
    assert set(first) == {"chance", "constant 1", "blind", "shuffled", "longest"}
