"""Cases in processes of their own, with bounded memory and time: a crash is seen and is one case's.

A worker is a fresh interpreter (`spawn`), gets one case after another and answers with how it
ended. If it dies, or does not answer in time, that case is a fault, and a new worker goes on
with the next one.
"""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable, Iterable
from multiprocessing.connection import Connection
from typing import Any

from benchmarks.robustness.outcome import Outcome

Case = Any
Try = Callable[[Case], "tuple[str, str] | Outcome"]


def run_isolated(
    attempt: Try,
    cases: Iterable[Case],
    *,
    seconds: float = 20.0,
    memory: int = 4 << 30,
    prepare: Callable[[], None] | None = None,
) -> Outcome:
    """Try every case in a worker process and count how they ended.

    Args:
        attempt: a function of a module (it is pickled) that tries one case and returns how it
            ended and the fault, "" if there was none; or tries many and returns their outcome.
            What it raises is a fault too.
        cases: what it is given, one at a time; picklable. The `repr` of a case names it.
        seconds: what one case may take before the worker is killed: a hang.
        memory: bytes of address space that a worker may take beyond its libraries.
        prepare: called once in every new worker, before its first case.

    Returns:
        The ends of all cases, in the campaign's words, with "died" and "hung" beside them.
    """
    outcome, worker = Outcome(), None
    try:
        for case in cases:
            worker = worker or _Worker(attempt, memory, prepare)
            answer = worker.run(case, seconds)
            if isinstance(answer, Outcome):
                outcome.merge(answer)
                continue
            end, fault = answer
            outcome.add(end, fault=f"{case!r:.200}: {fault}" if fault else "")
            if end in ("died", "hung"):
                worker.kill()
                worker = None
    finally:
        if worker:
            worker.kill()
    return outcome


class _Worker:
    """One interpreter that tries cases as they are sent."""

    def __init__(self, attempt: Try, memory: int, prepare: Callable[[], None] | None) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(there, attempt, memory, prepare), daemon=True
        )
        self._process.start()
        there.close()
        if not self._pipe.poll(120) or self._pipe.recv() != "ready":
            raise RuntimeError("a worker process did not start: see its traceback above")

    def run(self, case: Case, seconds: float) -> tuple[str, str] | Outcome:
        """Return what the attempt says of a case, or that the process died or hung."""
        try:
            self._pipe.send(case)
            if not self._pipe.poll(seconds):
                return "hung", f"no answer within {seconds:g} s"
            answer: tuple[str, str] | Outcome = self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join(5)
            return "died", f"the process ended with {self._process.exitcode}"
        return answer

    def kill(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _serve(pipe: Connection, attempt: Try, memory: int, prepare: Callable[[], None] | None) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    if prepare is not None:
        prepare()
    limit = _address_space() + memory
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    pipe.send("ready")
    while True:
        try:
            case = pipe.recv()
        except EOFError:
            return
        try:
            answer: tuple[str, str] | Outcome = attempt(case)
        except BaseException as error:
            answer = ("raised", f"{type(error).__name__}: {str(error)[:200]}")
        pipe.send(answer)


def _address_space() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
