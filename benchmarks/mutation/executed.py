"""Which test executes which line of the learning core, and how long it takes.

Found once, by running every test under a trace function that looks at the mutated modules only. A
mutant then meets the tests that execute its line, and no others.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from benchmarks.mutation.forked import in_child
from benchmarks.mutation.sites import module_paths

TESTS = (
    "tests/algos/batching",
    "tests/algos/evaluation",
    "tests/algos/exactness",
    "tests/algos/experiment",
    "tests/algos/objectives",
    "tests/algos/ppo",
    "tests/algos/recipe",
    "tests/algos/report",
    "tests/algos/rollout",
    "tests/algos/runs",
    "tests/algos/verify",
    "tests/algos/cli/test_ask.py",
    "tests/algos/test_presets.py",
    "tests/algos/test_sft.py",
    "tests/policies/sage_mm",
    "tests/policies/test_episode_states.py",
    "tests/policies/baselines",
    "tests/policies/served",
)
"""The rooms of tests that mirror the mutated ones, and those of what uses them."""


@dataclass
class Executed:
    """The map: per test, its seconds and the lines of each module that it executed."""

    seconds: dict[str, float] = field(default_factory=dict)
    lines: dict[str, dict[str, set[int]]] = field(default_factory=dict)

    def tests_of(self, path: str, line: int, last: int, budget: float) -> list[str]:
        """Return the tests that execute some of the lines of a module, the cheapest of them.

        Lines that no test executes, such as those that run at import, are met by all tests of the
        files that execute others of the module. A file's tests stay together, so that its fixtures
        are made once.

        Args:
            path: of the module.
            line: first line of what was changed.
            last: last line of it.
            budget: seconds that all of them may take; the dearest are left out beyond it.
        """
        ran = {test: lines[path] for test, lines in self.lines.items() if path in lines}
        span = set(range(line, last + 1))
        chosen = [test for test, lines in ran.items() if lines & span]
        if not chosen:
            near = {test.partition("::")[0] for test in ran}
            chosen = [test for test in self.seconds if test.partition("::")[0] in near]
        chosen.sort(key=lambda test: self.seconds[test])
        files: dict[str, list[str]] = {}
        for test in chosen:
            budget -= self.seconds[test]
            if budget < 0 and files:
                break
            files.setdefault(test.partition("::")[0], []).append(test)
        return [test for tests in files.values() for test in tests]


def trace_tests(tests: Sequence[str] = TESTS) -> Executed:
    """Run every test once and return the map."""
    return _from_json(in_child(_traced, list(tests)))


def load(path: Path) -> Executed:
    """Read what `save` wrote."""
    return _from_json(json.loads(path.read_text(encoding="utf-8")))


def save(path: Path, executed: Executed) -> None:
    """Write the map as JSON, so that another run of the same tests does not need to trace."""
    lines = {t: {p: sorted(n) for p, n in of.items()} for t, of in executed.lines.items()}
    path.write_text(json.dumps({"seconds": executed.seconds, "lines": lines}), encoding="utf-8")


def _from_json(data: Any) -> Executed:
    lines = {t: {p: set(n) for p, n in of.items()} for t, of in data["lines"].items()}
    return Executed(dict(data["seconds"]), lines)


def _traced(tests: list[str]) -> dict[str, Any]:
    tracer = _Tracer()
    pytest.main(["-q", "-p", "no:cacheprovider", *tests], plugins=[tracer])
    lines = {t: {p: sorted(n) for p, n in of.items()} for t, of in tracer.executed.lines.items()}
    return {"seconds": tracer.executed.seconds, "lines": lines}


class _Tracer:
    """A pytest plugin that traces every test.

    What a test's set-up executes counts for all tests of its file: a fixture may be the file's.
    """

    def __init__(self) -> None:
        root = Path.cwd()
        self._paths = {str(root / path): path for path in module_paths(root)}
        self._now: dict[str, set[int]] = {}
        self._of_file: dict[str, dict[str, set[int]]] = {}
        self._failed: set[str] = set()
        self.executed = Executed()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: Any) -> Generator[None, Any, Any]:
        """Trace the fixtures."""
        self._now = self._of_file.setdefault(item.nodeid.partition("::")[0], {})
        with self._tracing():
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Generator[None, Any, Any]:
        """Trace the test."""
        self._now = self.executed.lines.setdefault(item.nodeid, {})
        with self._tracing():
            return (yield)

    def pytest_runtest_logreport(self, report: Any) -> None:
        """Add up the seconds of set-up, test and clean-up."""
        seconds = self.executed.seconds
        seconds[report.nodeid] = seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Give what a file's set-ups executed to all of its tests; leave out what failed."""
        for test in self._failed:  # red without a mutant, it would see every one
            self.executed.lines.pop(test, None)
        for test, of_test in self.executed.lines.items():
            for path, lines in self._of_file.get(test.partition("::")[0], {}).items():
                of_test.setdefault(path, set()).update(lines)

    @contextmanager
    def _tracing(self) -> Iterator[None]:
        threading.settrace(self._on_call)
        sys.settrace(self._on_call)
        try:
            yield
        finally:
            sys.settrace(None)
            threading.settrace(None)

    def _on_call(self, frame: FrameType, event: str, arg: object) -> Any:
        """Follow the lines of a call into a mutated module, and of no other."""
        path = self._paths.get(frame.f_code.co_filename)
        if path is None:
            return None
        lines = self._now.setdefault(path, set())
        lines.add(frame.f_lineno)

        def on_line(frame: FrameType, event: str, arg: object) -> Any:
            lines.add(frame.f_lineno)
            return on_line

        return on_line
