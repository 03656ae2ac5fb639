"""A finished evaluation as it is stored: results from its rows, episodes read when asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.evaluation.row_types import check_row
from algos.rollout.trajectory import Trajectory
from algos.runs.line_index import LineList
from algos.runs.rare_collections import rare_collections
from algos.runs.run_folder import RunFolder, RunFolderError, item_from_json, read_json
from sage_env.datasets.item import QAItem

TRAJECTORY, ROW = "a trajectory", "the row of a question"
"""What a line is of, for messages."""


@rare_collections()
def load_stored(folder: RunFolder, name: str | None = None) -> EvalResult:
    """Read a finished evaluation; an episode is read from the disk whenever it is asked for.

    Args:
        folder: that `sage-vqa eval` wrote.
        name: of the result's files; by default the only one there.

    Raises:
        RunFolderError: if it is not finished, or a file of it cannot be read.
        LogError: if a line cannot be.
    """
    path = folder.result_path(only_result(folder) if name is None else name)
    data = read_json(path)
    try:
        items = [item_from_json(row) for row in data["items"]]
        title, decoding = str(data["name"]), str(data["decoding"])
        return result_of_rows(title, items, folder.samples, path, decoding)
    except (KeyError, TypeError, ValueError) as error:
        raise RunFolderError(f"{path} is not a saved evaluation: {error}") from error


def only_result(folder: RunFolder) -> str:
    """Return the name of the one evaluation of a folder.

    Raises:
        RunFolderError: if it is not finished.
    """
    names = folder.result_names()
    if len(names) != 1 or not folder.summary.exists():
        raise RunFolderError(
            f"{folder.path} holds an unfinished evaluation: run the same `sage-vqa eval` again, "
            "which goes on with it"
        )
    return names[0]


def result_of_rows(
    title: str, items: Sequence[QAItem], samples: Path, path: Path, decoding: str
) -> EvalResult:
    """Return the result of an evaluation from its rows.

    Args:
        title: of the line in tables.
        items: the questions.
        samples: the file of rows, one per item in order.
        path: the `.json` beside which the trajectories lie, one per item in order.
        decoding: how the policy chose.
    """
    results = list(stored_rows(samples, _result))
    return EvalResult(title, items, stored_trajectories(path), decoding, results)


def read_rows(samples: Path) -> list[dict[str, Any]]:
    """Return all rows of an evaluation at once.

    Raises:
        LogError: if the file cannot be read, or a line is no row; names the line.
    """
    return list(stored_rows(samples, check_row))


def _result(row: Any) -> EpisodeResult:
    return result_of_row(check_row(row))


def stored_rows(samples: Path, read: Callable[[Any], Any] = dict) -> Sequence[Any]:
    """Return the rows of an evaluation, each read when it is asked for.

    Args:
        samples: their file.
        read: what a row is turned into.
    """
    return LineList(samples, read, ROW)


def stored_trajectories(path: Path) -> Sequence[Trajectory]:
    """Return the trajectories beside a result's `.json`, each read when it is asked for."""
    return LineList(path.with_suffix(".jsonl"), Trajectory.from_json, TRAJECTORY)
