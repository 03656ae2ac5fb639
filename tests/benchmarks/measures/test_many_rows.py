"""Laws of `benchmarks.measures.many_rows`: 100,000 questions in under a minute and 2 GB."""

from __future__ import annotations

import subprocess
import sys

import pytest

from algos.evaluation.row_results import result_of_row
from algos.evaluation.sample_rows import sample_row
from benchmarks.measures.many_rows import made_rows, measured
from tests.helpers.handmade import item, trajectory
from tests.helpers.source_tree import ROOT


def test_made_rows_are_rows_and_every_step_is_taken() -> None:
    known = set(sample_row(item("q"), trajectory("q", True)))
    rows = list(made_rows(40, 0))
    assert all(set(row) <= known for row in rows) and rows == list(made_rows(40, 0))
    assert len({result_of_row(row).video for row in rows}) == 7
    steps = measured(40, 0)
    assert [name for name, *_ in steps] == ["read", "groups", "table", "text", "rule", "sections"]


@pytest.mark.slow
def test_all_tables_of_100_000_questions_take_a_minute_and_2_gb() -> None:
    command = [sys.executable, "-m", "benchmarks.measures.many_rows", "--rows", "100000"]
    found = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    name, seconds, _, most, _ = found.stdout.splitlines()[-1].split()
    assert name == "all" and float(seconds) < 60 and float(most) < 2, found.stdout
