"""A replay on record: `replay.json` with both episodes and what was changed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from algos.replaying.playing_on import Replayed
from algos.replaying.recorded import RecordedEpisode
from algos.replaying.side_by_side import first_difference
from algos.rollout.anytime import belief_rows
from algos.runs.evaluation_manifest import plain
from algos.runs.json_files import write_json
from algos.runs.run_folder import item_to_json

VERSION = 1
"""Raise it when a key of `replay.json` comes to mean something else."""


def replay_record(
    recorded: RecordedEpisode, replayed: Replayed, settings: Mapping[str, Any]
) -> dict[str, Any]:
    """Return both episodes as JSON data.

    | key | value |
    |---|---|
    | `kind`, `version` | `"replay"`, 1 |
    | `question` | the item |
    | `turn` | the first turn that was chosen anew, from 1 |
    | `before` | how the policy came by the turns before: `nothing`, `chosen again`, `recalled` |
    | `changed` | what was another setting then: `{name: [then, now]}` |
    | `first_difference` | the first turn that differs, 0 for the overview; `None`: none does |
    | `recorded`, `replayed` | `settings` and `trajectory` of each |
    | `beliefs` | of the replayed one, as in `samples.jsonl` |

    Args:
        recorded: the episode as it was.
        replayed: as it was played now.
        settings: of the replay, under the names that the run's manifest has.
    """
    now = plain(settings)
    then = {name: recorded.settings.get(name) for name in now}
    then["environment"] = plain(recorded.environment)
    return {
        "kind": "replay",
        "version": VERSION,
        "question": item_to_json(recorded.item),
        "turn": replayed.turn,
        "before": replayed.before,
        "changed": _changed(then, now),
        "first_difference": first_difference(recorded.trajectory, replayed.trajectory),
        "recorded": {"settings": then, "trajectory": recorded.trajectory.to_json()},
        "replayed": {"settings": now, "trajectory": replayed.trajectory.to_json()},
        "beliefs": belief_rows(replayed.trajectory),
    }


def _changed(then: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Return what differs, the arguments of the environment one by one."""
    found: dict[str, list[Any]] = {}
    for name in dict.fromkeys((*then, *now)):
        old, new = then.get(name), now.get(name)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found |= _changed(old, new)
        elif old != new:
            found[name] = [old, new]
    return found


def change_texts(record: Mapping[str, Any]) -> dict[str, str]:
    """Return what was changed in words, by name; a setting that was not there is `nothing`."""
    changed = {
        name: ["nothing" if value is None else value for value in values]
        for name, values in record["changed"].items()
    }
    return {name: f"{old}, now {new}" for name, (old, new) in changed.items()}


def save_record(path: Path, record: Mapping[str, Any]) -> None:
    """Write `replay.json`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, record)
