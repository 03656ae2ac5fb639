"""Answers of others' systems: a file of JSON lines, `{"id": ..., "prediction": ...}`.

| key | value |
|---|---|
| `id` | of a question of the dataset |
| `prediction` | text of the answer; `null` for none, which is wrong |
| `frames`, `turns`, `tokens`, `seconds`, `cost` | what it took, numbers; may be left out |

Other keys are not read.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from algos.evaluation.sample_rows import sample_row
from algos.rollout.conditions import Conditions
from algos.rollout.trajectory import Trajectory, Turn
from algos.scoring.row_scoring import Row
from policies.base import Decision
from sage_env.actions.action import Answer
from sage_env.argument_checks import is_finite, is_whole
from sage_env.datasets.item import QAItem
from sage_env.errors import DatasetError

COSTS = ("frames", "turns", "tokens", "seconds", "cost")
WHOLE = ("frames", "turns", "tokens")


@dataclass(frozen=True)
class Prediction:
    """One line of a file of predictions."""

    text: str | None
    costs: Mapping[str, float] = field(default_factory=dict)


def read_predictions(path: Path) -> dict[str, Prediction]:
    """Return the predictions of a file, by id.

    Raises:
        DatasetError: if the file cannot be read, or for the first line that is no prediction.
    """
    try:
        # Not splitlines: strings in JSON may hold other line separators as they are.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"{path} cannot be read as predictions: {error}") from None
    found: dict[str, Prediction] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        place = f"{path}, line {number}"
        name, prediction = _read_line(line, place)
        if name in found:
            raise DatasetError(f"{place}: the id {name!r} stands twice: keep one answer to each")
        found[name] = prediction
    if not found:
        raise DatasetError(f"{path} holds no prediction: expected lines with id and prediction")
    return found


def rows_of_predictions(
    items: Sequence[QAItem], predictions: Mapping[str, Prediction], *, partial: bool
) -> list[Row]:
    """Return a row per question, as an evaluation writes them, with nothing decided yet.

    Args:
        items: the questions of the dataset.
        predictions: by id.
        partial: leave out questions without a prediction, which else count as not answered.

    Raises:
        DatasetError: if an id is none of the dataset's.
    """
    known = {item.id for item in items}
    if strange := [name for name in predictions if name not in known]:
        raise DatasetError(
            f"{len(strange)} of {len(predictions)} ids are no question of the dataset, the first "
            f"is {strange[0]!r}; the dataset's first is {items[0].id!r}: give the --dataset and "
            "--split that was answered"
        )
    chosen = [item for item in items if item.id in predictions or not partial]
    return [_row(item, predictions.get(item.id, Prediction(None))) for item in chosen]


def _row(item: QAItem, prediction: Prediction) -> Row:
    """Return a row: the schema of a play that saw the video somehow, and was not watched."""
    told: dict[str, Any] = {"stop_reason": "out_of_turns", "correct": False}
    turns = []
    if prediction.text is not None:
        told = {"stop_reason": "answered", "correct": None}
        turns = [Turn(Decision(Answer(prediction.text), prediction.text), 0.0, told)]
    watched = Conditions(whole_video=True)
    played = Trajectory(item.id, turns=turns, start_info=told, conditions=watched)
    costs = {name: prediction.costs.get(name) for name in COSTS}
    turns_told = 1 if costs["turns"] is None else costs["turns"]
    return {**sample_row(item, played), **costs, "turns": turns_told, "reward_terms": {}}


def _read_line(line: str, place: str) -> tuple[str, Prediction]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{place} is not JSON: {error}") from None
    if not isinstance(row, dict) or not isinstance(row.get("id"), str | int):
        raise DatasetError(f'{place}: expected {{"id": ..., "prediction": ...}}, got {line:.60}')
    text = row.get("prediction", row)
    if text is row or not isinstance(text, str | None):
        raise DatasetError(f"{place}: prediction must be a text or null, got {text!r:.60}")
    costs = {name: row[name] for name in COSTS if row.get(name) is not None}
    for name, value in costs.items():
        number = is_finite(value) and (is_whole(value) or name not in WHOLE)
        if not number or value < 0:
            raise DatasetError(f"{place}: {name} must be a number >= 0, got {value!r:.60}")
    return str(row["id"]), Prediction(text, costs)
