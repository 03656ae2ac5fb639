"""Sets of episodes in Parquet, as `sage-vqa data distill` writes them: no pixels, no tokens.

Beside the columns of its question (`sage_env.datasets.question_sets`) a row has those of the
episode: `episode`, `policy`, `seed`, `environment` and `conditions` (JSON), `start` (the `info` of
the reset, JSON) and `steps`, a list of turns in order:

| field of a step | is |
|---|---|
| `prompt` | what the agent was told in words before it acted, as `ChatObservations` words it |
| `frames` | which frames it was shown with that: seconds, and the box of a region or null |
| `reply` | a tool's text among that, or "" |
| `action` | the action as JSON, or the text that was none |
| `invalid` | why it was none; null for an action |
| `text` | what the agent wrote |
| `reward` | of the environment |
| `info` | of the step, JSON |

The frames are in the video whose content id is the row's `video_id`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.sft.settings import FineTuningError
from sage_env.datasets.question_sets import read_set

EPISODE_COLUMNS = ("episode", "policy", "seed", "environment", "conditions", "start", "steps")
"""What an episode is read from, beside `id`; a pair has two of them as structs."""


def read_episode_set(path: Path) -> Iterator[tuple[str, Trajectory, dict[str, Any]]]:
    """Yield where each episode of a set stands, the episode, and its environment's arguments.

    Raises:
        FineTuningError: if a row is no episode; names it.
        DatasetError: if the file is no set.
        MissingExtra: without pyarrow.
    """
    rows, _ = read_set(path, ["id", *EPISODE_COLUMNS])
    for place, row in rows.items():
        yield (place, *episode_of(str(row["id"]), row, place))


def episode_of(
    item_id: str, row: Mapping[str, Any], place: str
) -> tuple[Trajectory, dict[str, Any]]:
    """Return the episode of a row, and what its environment was made with.

    Args:
        item_id: of its question.
        row: has `EPISODE_COLUMNS`.
        place: where it stands, for messages.

    Raises:
        FineTuningError: if it is none.
    """
    try:
        played = Trajectory.from_json(
            {
                "item_id": item_id,
                "seed": row["seed"],
                "start_info": json.loads(row["start"]),
                "turns": [_turn(step) for step in row["steps"]],
                "terminated": True,
                "truncated": False,
                "error": None,
                "failed": None,
                "conditions": json.loads(row["conditions"]),
            }
        )
        options = {name: _tuple(x) for name, x in json.loads(row["environment"]).items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FineTuningError(f"{place} is not an episode: {error!r}") from error
    return played, options


def _turn(step: Mapping[str, Any]) -> dict[str, Any]:
    action = (
        {"action": step["action"]}
        if step["invalid"] is None
        else {"invalid": {"text": step["action"], "reason": step["invalid"]}}
    )
    told = {"text": step["text"], "reward": step["reward"], "info": json.loads(step["info"])}
    return {**told, **action}


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
