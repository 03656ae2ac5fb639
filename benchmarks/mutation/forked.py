"""Tests in forked children: libraries are imported once, a mutant lives and dies with its child.

The parent has imported torch, transformers and pytest, and nothing of this project. A child puts a
finder before all others that serves the mutant's text for one module, and runs pytest.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import SourceFileLoader
from importlib.util import spec_from_file_location
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from types import CodeType
from typing import Any

LIBRARIES = (
    "av",
    "gymnasium",
    "hypothesis",
    "numpy",
    "peft",
    "PIL",
    "pytest",
    "safetensors.torch",
    "tokenizers",
    "torch._dynamo",
    "tqdm",
    "transformers.models.qwen3_vl.modeling_qwen3_vl",
    "transformers.models.qwen3_vl_moe.modeling_qwen3_vl_moe",
)
"""What tests import beside the project; importing it takes seconds, a fork milliseconds.
`torch._dynamo` is imported by the first optimiser of a process, and takes seconds by
itself."""
OURS = ("sage_env", "policies", "algos")
OPTIONS = ("-x", "-q", *(f"-pno:{plugin}" for plugin in ("cacheprovider", "xdist", "anyio")))
"""Of pytest, in every child."""


@dataclass(frozen=True)
class Job:
    """Tests to run, and the module that is another one while they run.

    Attributes:
        key: names the job in what comes back.
        tests: node ids, in the order in which they run; the first failure ends it.
        seconds: after which the child is killed.
        path: of the changed module, from the current folder; None for none.
        source: its text.
    """

    key: int
    tests: Sequence[str]
    seconds: float
    path: str | None = None
    source: str = ""


@dataclass(frozen=True)
class Verdict:
    """How a job ended: `passed`, `failed`, `hung` or `died`; and the first test that failed."""

    key: int
    end: str
    test: str = ""
    seconds: float = 0.0


def preload() -> None:
    """Import the libraries, once, before the first fork.

    Raises:
        RuntimeError: if something of the project is imported already: a fork would keep it.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    for name in LIBRARIES:
        importlib.import_module(name)
    loaded = [name for name in sys.modules if name.partition(".")[0] in OURS]
    if loaded:
        raise RuntimeError(f"the parent must not import the project, and has {loaded[0]}")


def run_jobs(jobs: Iterable[Job], *, processes: int) -> Iterator[Verdict]:
    """Run jobs side by side; yield each verdict when it is there.

    Args:
        jobs: taken when a process is free.
        processes: children at a time.
    """
    waiting = iter(jobs)
    running: dict[Connection, tuple[BaseProcess, Job, float]] = {}
    while True:
        while len(running) < processes and (job := next(waiting, None)) is not None:
            pipe, child = _start(_test, job)
            running[pipe] = (child, job, time.monotonic())
        if not running:
            return
        now = time.monotonic()
        ends = [began + job.seconds for _, job, began in running.values()]
        ready = wait(list(running), timeout=max(0.0, min(ends) - now))
        for pipe, (child, job, began) in list(running.items()):
            took = time.monotonic() - began
            if pipe in ready or took >= job.seconds:
                del running[pipe]
                yield _ended(pipe, child, job, took, in_time=pipe in ready)


def in_child(function: Callable[..., Any], *args: Any) -> Any:
    """Return what a function returns in a forked child.

    Raises:
        RuntimeError: if the child died.
    """
    pipe, child = _start(function, *args)
    try:
        return pipe.recv()
    except EOFError:
        child.join()
        raise RuntimeError(f"a child ended with {child.exitcode}: see its output") from None
    finally:
        child.join()


def _start(function: Callable[..., Any], *args: Any) -> tuple[Connection, BaseProcess]:
    context = get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(theirs, function, *args))
    child.start()
    theirs.close()
    return ours, child


def _child(pipe: Connection, function: Callable[..., Any], *args: Any) -> None:
    os.setsid()  # so that what the tests start can be ended with it
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    pipe.send(function(*args))


def _ended(
    pipe: Connection, child: BaseProcess, job: Job, took: float, *, in_time: bool
) -> Verdict:
    """Return the verdict of a child, and end it with whatever it started."""
    end, test = "hung", ""
    if in_time:
        try:
            end, test = pipe.recv()
        except EOFError:
            end = "died"
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if child.pid is not None:
            os.killpg(child.pid, signal.SIGKILL)
    child.join()
    pipe.close()
    return Verdict(job.key, end, test, took)


class _FirstFailure:
    """A pytest plugin that keeps the first report of a failure, also of an import."""

    def __init__(self) -> None:
        self.test = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed:
            self.test = self.test or report.nodeid

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed:
            self.test = self.test or report.nodeid


def _test(job: Job) -> tuple[str, str]:
    """Run the tests of a job in this process."""
    import pytest

    if not job.tests:  # pytest would take none for all
        return "passed", ""
    if job.path is not None:
        serve(job.path, job.source)
    found = _FirstFailure()
    code = pytest.main([*OPTIONS, *job.tests], plugins=[found])
    return ("passed" if code in (0, 5) else "failed"), found.test


def serve(path: str, source: str) -> None:
    """Make this process import another text for one module."""
    sys.meta_path.insert(0, _Finder(Path(path).resolve(), source))


class _Finder:
    def __init__(self, path: Path, source: str) -> None:
        self.path, self.source = path, source
        self.name = ".".join(path.relative_to(Path.cwd()).with_suffix("").parts)

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        if name != self.name:
            return None
        loader = _Loader(name, str(self.path), self.source)
        return spec_from_file_location(name, self.path, loader=loader)


class _Loader(SourceFileLoader):
    def __init__(self, name: str, path: str, source: str) -> None:
        super().__init__(name, path)
        self._source = source

    def get_code(self, fullname: str) -> CodeType:
        """Return the mutant's code; no compiled file is read or written."""
        return compile(self._source, self.path, "exec", dont_inherit=True)
