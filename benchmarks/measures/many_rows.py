"""How long all tables of many questions take, and how much memory, from their rows alone.

`python -m benchmarks.measures.many_rows --rows 100000` writes made-up rows into a temporary file,
reads them, and makes every table and every section of the report that is made of rows.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro

from algos.evaluation.measures import measure_episodes
from algos.evaluation.row_results import EpisodeResult, result_of_row
from algos.evaluation.tables import BREAKDOWN_HEADER, breakdown_cells, format_table
from algos.metrics.entry_lines import EntryLine
from algos.metrics.measure_texts import measure_text
from algos.report.measure_sections import (
    evidence_section,
    horizon_section,
    rule_section,
    spending_section,
)

KEYS = 8
"""Report keys of a question; key k has 5 k + 2 values."""
QUESTIONS = 6
"""About each video."""


@dataclass(frozen=True)
class Settings:
    """What is made and measured."""

    rows: int = 100_000
    """Questions."""
    seed: int = 0
    """Of the rows."""


def made_rows(count: int, seed: int) -> Iterator[dict[str, Any]]:
    """Yield rows as an evaluation writes them, with every key that a measure reads."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        turns, hit = int(rng.integers(1, 9)), int(rng.integers(-1, 3))
        spans = [[10.0, 20.0]]
        yield {
            "id": f"q{number}",
            "question": f"What happens in part {number}, and what is it like?",
            "gold": "yes",
            "prediction": "yes",
            "verdict": bool(rng.random() < 0.6),
            "rule": "choice",
            "turns": turns,
            "frames": int(rng.integers(8, 64)),
            "seconds": float(rng.random()),
            "tokens": int(rng.integers(50, 900)),
            "cost": 0.01,
            "reward_terms": {"answer": 1.0},
            "error": None if rng.random() < 0.99 else "VideoError: cut off",
            "video": f"videos/v{number // QUESTIONS}.mp4",
            "duration": float(rng.random() * 4000),
            "group": {f"key{k}": f"value {rng.integers(5 * k + 2)}" for k in range(KEYS)},
            "kind": "mcq",
            "choices": 4,
            "gold_choice": 1,
            "chance": 0.25,
            "answered": True,
            "stop_reason": "answered",
            "invalid_actions": 0,
            "evidence": spans,
            "evidence_recall": float(hit >= 0),
            "evidence_precision": float(rng.random()),
            "evidence_hit_turn": None if hit < 0 else hit,
            "answer_spans": spans,
            "beliefs": [[0.25, 0.3, 0.25, 0.2]] * turns,
        }


def measured(rows: int, seed: int) -> list[tuple[str, float, float]]:
    """Return what each step took: its name, processor seconds, and the most memory so far in GB."""
    steps: list[tuple[str, float, float]] = []

    def step(name: str, work: Callable[[], Any]) -> Any:
        start = time.process_time()
        found = work()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        steps.append((name, time.process_time() - start, most))
        return found

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.jsonl"
        with path.open("w") as file:
            file.writelines(json.dumps(row) + "\n" for row in made_rows(rows, seed))
        episodes: list[EpisodeResult] = step("read", lambda: _read(path))
    lines = [EntryLine("agent", episodes, "agent")]
    groups = step("groups", lambda: measure_episodes(episodes))
    step("table", lambda: format_table(BREAKDOWN_HEADER, breakdown_cells(groups)))
    step("text", lambda: measure_text("sage-synth", lines))
    sections = (horizon_section, evidence_section, spending_section)
    step("rule", lambda: rule_section("sage-synth", lines))
    step("sections", lambda: [section(lines) for section in sections])
    return steps


def _read(path: Path) -> list[EpisodeResult]:
    with path.open() as file:
        return [result_of_row(json.loads(line)) for line in file]


def main(settings: Settings) -> None:
    """Print what each step took, and all of them."""
    steps = measured(settings.rows, settings.seed)
    for name, seconds, most in steps:
        print(f"{name:10}{seconds:8.1f} s{most:8.2f} GB")
    print(f"{'all':10}{sum(s for _, s, _ in steps):8.1f} s{max(m for *_, m in steps):8.2f} GB")


if __name__ == "__main__":
    main(tyro.cli(Settings))
