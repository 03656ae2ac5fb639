"""Numbers of a run, one JSON line per update, append-only: `metrics.jsonl`.

Names follow CleanRL: `charts/`, `losses/`, `rollout/`, `proof/`, `eval/`, `time/`. A value of null
means not measured.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.sample_rows import overview_end
from algos.rollout.trajectory import Trajectory
from algos.runs.tracking import Tracker
from sage_env.argument_checks import is_finite
from sage_env.datasets.duration_buckets import BUCKETS, bucket_of
from sage_env.storage.atomic_file import atomic_write

_log = logging.getLogger(__name__)
MetricsRow = dict[str, float | None]
TURNS = "rollout/turns/"
"""Before a bucket's name: mean turns on videos of that many seconds."""
_OF_THE_MACHINE = re.compile(
    r"^time/|_seconds$|/encodes_per_frame$|^rollout/frames_(decoded|cached)$"
)

_DAMAGED = ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError


def of_the_run(row: Mapping[str, float | None]) -> MetricsRow:
    """Return the numbers of a row that the run decides, without those of the machine.

    Seconds, and what a cache had or had not, differ from one machine to the next, and between a
    run that was interrupted and one that was not; nothing else does.
    """
    return {name: value for name, value in row.items() if not _OF_THE_MACHINE.search(name)}


class Metrics:
    """Writer of `metrics.jsonl`.

    Args:
        path: of the file; made when missing.
        keep_through: lines of later updates are dropped: a resumed run plays them again.
        tracker: is given every line too.
    """

    def __init__(
        self, path: Path, *, keep_through: int = 0, tracker: Tracker | None = None
    ) -> None:
        """Open the file and drop what the run is about to write again."""
        self.path, self.tracker = path, tracker
        rows = [row for row in read_metrics(path) if row["update"] <= keep_through]
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, "".join(json.dumps(row) + "\n" for row in rows))

    def write(self, update: int, values: Mapping[str, float | None]) -> None:
        """Append one line and flush it to disk."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"update": update, **values}) + "\n")
        if self.tracker is not None:
            self.tracker.log(update, values)


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """Return the lines of a metrics file, `[]` when there is none.

    A torn last line is left out, and with a warning any other that is none.
    """
    if not path.exists():
        return []
    rows: list[dict[str, Any]] = []
    lines = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines[:-1], 1):
        try:
            row = json.loads(line)
            if odd := [key for key, value in row.items() if not _is_metric(value)]:
                raise ValueError(f"{odd[0]} is no number")
            rows.append({**row, "update": int(row["update"])})
        except _DAMAGED as error:
            _log.warning("%s, line %d is damaged and is left out: %r", path, number, error)
    return rows


def _is_metric(value: Any) -> bool:
    return value is None or isinstance(value, float) or is_finite(value)


def rollout_row(trajectories: Sequence[Trajectory]) -> MetricsRow:
    """Return the means of some episodes; failed ones are counted and in no mean."""
    whole = [t for t in trajectories if t.error is None]
    verdicts = [t.turns[-1].info.get("correct") for t in whole if t.turns]
    infos = [[t.start_info, *(turn.info for turn in t.turns)] for t in whole]
    costs = [rows[-1].get("spent", {}) for rows in infos]
    return {
        "rollout/episodes": len(whole),
        "rollout/failed": len(trajectories) - len(whole),
        "rollout/return": _mean(t.ret for t in whole),
        "rollout/accuracy": _mean(verdict for verdict in verdicts if verdict is not None),
        "rollout/turns": _mean(t.num_turns for t in whole),
        "rollout/frames": _mean(
            sum(len(info.get("frame_seconds", ())) for info in rows) for rows in infos
        ),
        "rollout/sampled_tokens": _mean(int(t.sampled.sum()) for t in whole),
        **{
            f"rollout/{name}": _mean(
                value for spent in costs if (value := spent.get(name)) is not None
            )
            for name in ("frames_decoded", "frames_cached", "decode_seconds")
        },
        **_turns_by_bucket(whole),
    }


def progress_fields(row: MetricsRow) -> dict[str, str]:
    """Return what the progress bar shows of an update; "-" where nothing was measured."""
    shown = {
        "reward": ("rollout/return", ".3f"),
        "accuracy": ("rollout/accuracy", ".3f"),
        "turns": ("rollout/turns", ".2f"),
        "frames": ("rollout/frames", ".1f"),
        "|dlogp|": ("proof/max_dlogp", ".1e"),
        "tok/s": ("time/tokens_per_second", ".0f"),
    }
    values = {name: (row.get(key), form) for name, (key, form) in shown.items()}
    return {name: "-" if x is None else format(x, form) for name, (x, form) in values.items()}


def _turns_by_bucket(trajectories: Sequence[Trajectory]) -> MetricsRow:
    """Return mean turns per bucket of the video's length, for the buckets that were played."""
    turns: dict[str, list[int]] = {bucket: [] for bucket in BUCKETS}
    for trajectory in trajectories:
        if (duration := overview_end(trajectory)) is not None:
            turns[bucket_of(duration)].append(trajectory.num_turns)
    return {f"{TURNS}{bucket}": _mean(values) for bucket, values in turns.items() if values}


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return sum(found) / len(found) if found else None
