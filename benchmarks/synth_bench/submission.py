"""A row as JSON: what it must say, how it is made of an evaluation, and how it is checked."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.evaluation.measures import Measures, measures_of
from algos.evaluation.row_results import EpisodeResult
from algos.evaluation.tables import format_table
from sage_env.errors import SageEnvError
from sage_env.storage.atomic_file import atomic_write
from sage_env.synth.bench import BENCH_DIGEST, BENCH_SEED, BENCH_VERSION

NAME = "sage-synth-bench"
MEANS = ("frames", "frames_decoded", "turns", "tokens", "visual_tokens", "cost", "seconds")
"""Keys of an evaluation's rows whose means a row of the benchmark has; `None` is not measured."""
SECTIONS = ("family", "bucket")
"""Report keys by which a row has accuracies of its own."""
KEYS: Mapping[str, type | tuple[type, ...]] = {
    "row": str,
    "policy": str,
    "about": str,
    "version": int,
    "seed": int,
    "digest": str,
    "pictures": str,
    "environment": dict,
    "questions": int,
    "answered": int,
    "failed": int,
    "not_judged": int,
    "accuracy": (float, type(None)),
    "interval": (list, type(None)),
    "evidence_hits": (float, type(None)),
    "means": dict,
    "by": dict,
    "release": str,
    "command": str,
    "submitter": str,
    "notes": str,
}
"""Every key of a row, and what its value is; `docs/sage-synth-bench.md` explains them."""


class SubmissionError(SageEnvError):
    """A row of the benchmark cannot be taken; the message says what is wrong with it."""


def measured(results: Sequence[EpisodeResult], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what was measured, from the results of an evaluation and its flat rows.

    A question without an answer is wrong; one that failed on our side, or was not judged, is
    counted and is in no accuracy.
    """
    whole, flat = measures_of(results), [row for row in rows if row.get("error") is None]
    by = {
        section: {name: _short(measures_of(group)) for name, group in _groups(results, section)}
        for section in SECTIONS
    }
    return {
        "questions": len(results),
        "answered": whole.questions - whole.missing,
        "failed": whole.failed,
        "not_judged": whole.unjudged,
        "accuracy": whole.accuracy,
        "interval": None if whole.interval is None else list(whole.interval),
        "evidence_hits": whole.evidence_hits,
        "means": {name: _mean([row.get(name) for row in flat]) for name in MEANS},
        "by": by,
    }


def _groups(
    results: Sequence[EpisodeResult], section: str
) -> Iterable[tuple[str, list[EpisodeResult]]]:
    groups: dict[str, list[EpisodeResult]] = {}
    for result in results:
        groups.setdefault(result.group[section], []).append(result)
    return sorted(groups.items())


def _short(measures: Measures) -> dict[str, Any]:
    return {"questions": measures.questions, "accuracy": measures.accuracy}


def _mean(values: Sequence[Any]) -> float | None:
    """Return the mean; `None` where one of them is not known, or there is none."""
    known = [float(value) for value in values if value is not None]
    return sum(known) / len(known) if known and len(known) == len(values) else None


def check_row(row: Any) -> dict[str, Any]:
    """Return a row if it is one of the published benchmark.

    Raises:
        SubmissionError: naming what is wrong.
    """
    if not isinstance(row, dict):
        raise SubmissionError(f"a row must be a JSON object, got {type(row).__name__}")
    name = row.get("row")
    for key, kind in KEYS.items():
        if key not in row:
            raise SubmissionError(f"row {name!r} lacks {key!r}")
        if not isinstance(row[key], kind) or isinstance(row[key], bool):
            raise SubmissionError(f"row {name!r}: {key} is {row[key]!r}")
    now = {"version": BENCH_VERSION, "seed": BENCH_SEED, "digest": BENCH_DIGEST}
    for key, expected in now.items():
        if row[key] != expected:
            raise SubmissionError(
                f"row {name!r} is of other videos: its {key} is {row[key]!r}, and that of the "
                f"published ones is {expected!r}"
            )
    share = row["accuracy"]
    if share is not None and not (math.isfinite(share) and 0 <= share <= 1):
        raise SubmissionError(f"row {name!r}: the accuracy is {share!r}, and it is a share")
    counted = row["answered"] + row["failed"]
    if min(row["answered"], row["failed"]) < 0 or counted > row["questions"]:
        raise SubmissionError(f"row {name!r}: {counted} of {row['questions']} questions are told")
    return row


def load_rows(path: Path) -> list[dict[str, Any]]:
    """Return the rows of a file; none where it is not there yet.

    Raises:
        SubmissionError: if it is no such file, or a row in it cannot be taken.
    """
    if not path.exists():
        return []
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        found = data["rows"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SubmissionError(f"{path} has no rows of {NAME}: {error!r}") from error
    return [check_row(row) for row in found]


def save_rows(path: Path, rows: Sequence[Mapping[str, Any]], order: Sequence[str] = ()) -> None:
    """Write rows: those of these names first, in this order, and then the others by name."""
    place = {name: number for number, name in enumerate(order)}
    ordered = sorted(rows, key=lambda row: (place.get(row["row"], len(place)), row["row"]))
    data = {
        "benchmark": NAME,
        "version": BENCH_VERSION,
        "seed": BENCH_SEED,
        "digest": BENCH_DIGEST,
        "rows": list(ordered),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")


def table_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a table: accuracy in percent with its interval, and what it cost."""
    families = sorted({name for row in rows for name in row["by"]["family"]})
    header = ("row", "accuracy", "frames", "turns", "answered", *families)
    lines = [
        (
            row["row"],
            _percent(row["accuracy"]) + _interval(row["interval"]),
            _number(row["means"]["frames"]),
            _number(row["means"]["turns"]),
            f"{row['answered']}/{row['questions']}",
            *(_percent(row["by"]["family"].get(name, {}).get("accuracy")) for name in families),
        )
        for row in rows
    ]
    return format_table(header, lines)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f}"


def _interval(interval: Sequence[float] | None) -> str:
    return "" if interval is None else f" [{100 * interval[0]:.1f}, {100 * interval[1]:.1f}]"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
