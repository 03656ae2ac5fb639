"""Laws of `algos.evaluation.validation_table`: numbers by the questions' groups, and a table."""

from __future__ import annotations

import pytest

from algos.evaluation.validation_table import MOST_VALUES, validation_lines, validation_numbers
from tests.helpers.handmade import item, result, trajectory

PLAYED = result(
    (item("a", group={"domain": "news"}), trajectory("a", True)),
    (item("b", group={"domain": "news"}), trajectory("b", False, looks=((1.0, 2.0),))),
    (item("c", group={"domain": "sport", "hour": "late"}), trajectory("c", True)),
    (item("d", group={}), trajectory("d", None)),
    (item("e", group={"domain": "sport"}), trajectory("e", True, error="VideoError")),
    (item("f", group={"domain": "sport"}), trajectory("f", True, error="VideoError")),
)


def test_numbers_are_of_all_and_of_each_group_by_its_own_name() -> None:
    assert validation_numbers(PLAYED, 0.5) == {
        **{"score": 0.5, "accuracy": 2 / 3, "frames": 2.5, "turns": 1.25},
        **{"questions": 4, "failed": 2, "unjudged": 1},
        **{"accuracy/domain/news": 0.5, "frames/domain/news": 3.0, "turns/domain/news": 1.5},
        **{"accuracy/domain/sport": 1.0, "frames/domain/sport": 2.0, "turns/domain/sport": 1.0},
        **{"accuracy/hour/late": 1.0, "frames/hour/late": 2.0, "turns/hour/late": 1.0},
    }


def test_a_question_of_several_values_is_in_the_numbers_of_each() -> None:
    played = result(
        (item("a", group={"type": "x | y"}), trajectory("a", True)),
        (item("b", group={"type": "y"}), trajectory("b", False)),
    )
    numbers = validation_numbers(played, 0.5)
    assert (numbers["accuracy/type/x"], numbers["accuracy/type/y"]) == (1.0, 0.5)


@pytest.mark.parametrize("count", [MOST_VALUES, MOST_VALUES + 1])
def test_a_key_that_names_questions_has_no_numbers(count: int) -> None:
    pairs = [(item(f"q{k}", group={"id": f"{k}"}), trajectory(f"q{k}", True)) for k in range(count)]
    numbers = validation_numbers(result(*pairs), 0.5)
    named = [name for name in numbers if name.startswith("accuracy/id/")]
    assert len(named) == (count if count <= MOST_VALUES else 0)


def test_the_table_marks_the_first_best_and_says_what_was_not_measured() -> None:
    rows = [
        {"update": 0, "score": 0.25},
        {"update": 4, "score": 0.5, "accuracy": 0.75, "frames": 12.25, "accuracy/tier/core": 1.0},
        {"update": 8, "score": 0.5, "accuracy": None, "frames": 3.0},
    ]
    lines = [line.split() for line in validation_lines(rows).splitlines()]
    assert lines[0] == ["update", "score", "accuracy", "frames", "tier/core"]
    assert lines[2:] == [
        ["0", "0.250", "-", "-", "-"],
        ["4", "*", "0.500", "0.750", "12.2", "1.000"],
        ["8", "0.500", "-", "3.0", "-"],
        ["*", "the", "best"],
    ]


def test_without_validations_there_is_no_table() -> None:
    assert validation_lines([]) == ""


def test_the_star_is_of_the_update_that_was_kept_wherever_its_row_is() -> None:
    rows = [{"update": 2, "score": 0.5}, {"update": 3, "score": 0.5}]
    assert "3 *" in validation_lines(rows, 3) and "2 *" not in validation_lines(rows, 3)
    assert "*" not in validation_lines(rows, 0)
    assert validation_lines(rows) == validation_lines(rows, 2)
