"""Laws of `benchmarks.mutation.forked`, `executed`: a mutant lives and dies in a child."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.mutation.executed import Executed

ROOT = Path(__file__).resolve().parents[3]
RUN = """
from benchmarks.mutation import forked
forked.LIBRARIES = ("pytest",)
forked.preload()
tests = ["test_thing.py::test_more", "test_thing.py::test_two"]
sources = {
    1: "def two(): return 2",
    2: "def two(): return 3",
    3: "def two():\\n    while True: pass",
    4: "import os; os._exit(3)",
}
jobs = [forked.Job(k, tests, 60 if k != 3 else 3, "thing.py", s) for k, s in sources.items()]
for verdict in forked.run_jobs(jobs, processes=2):
    print(verdict.key, verdict.end, verdict.test)
"""


def test_what_becomes_of_mutants(tmp_path: Path) -> None:
    (tmp_path / "thing.py").write_text("def two():\n    return 2\n")
    (tmp_path / "test_thing.py").write_text(
        "import thing\n"
        "def test_two():\n    assert thing.two() == 2\n"
        "def test_more():\n    assert thing.two() is not None\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", RUN],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert sorted(done.stdout.splitlines()) == [
        "1 passed ",
        "2 failed test_thing.py::test_two",
        "3 hung ",
        "4 died ",
    ]
    assert (tmp_path / "thing.py").read_text() == "def two():\n    return 2\n"


def test_a_mutant_meets_the_tests_of_its_line_the_cheap_ones_first() -> None:
    seconds = {"a.py::1": 5.0, "b.py::1": 1.0, "b.py::2": 9.0, "c.py::1": 0.5, "d.py::1": 30.0}
    lines = {test: {"m.py": {3, 4}} for test in seconds}
    lines["c.py::1"] = {"m.py": {9}}
    del lines["b.py::2"]  # calls nothing of the module, as a test of its constants
    lines["d.py::1"] = {"other.py": {3}}
    found = Executed(seconds, lines)
    assert found.tests_of("m.py", 3, 3, 100) == ["b.py::1", "a.py::1"]
    assert found.tests_of("m.py", 3, 3, 6.5) == ["b.py::1", "a.py::1"]
    assert found.tests_of("m.py", 8, 12, 100) == ["c.py::1"]
    # A line that runs at import, or never: every test of the files that execute others.
    assert set(found.tests_of("m.py", 1, 1, 100)) == set(seconds) - {"d.py::1"}
    assert found.tests_of("other.py", 3, 3, 1.0) == ["d.py::1"], "the cheapest is always met"
    assert found.tests_of("nobody.py", 3, 3, 100) == []
