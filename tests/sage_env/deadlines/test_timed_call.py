"""Laws of `sage_env.deadlines.timed_call`: what its errors tell whoever wrote the plug-in."""

from __future__ import annotations

import asyncio
import sqlite3
import threading

import pytest

from sage_env.deadlines.own_process import OwnProcess
from sage_env.deadlines.timed_call import timed_call
from sage_env.errors import JudgeError, JudgeTimeout, ToolTimeout, boundary

HINT = "pass call_timeout=None"


def called(function, seconds):
    with boundary(JudgeError, "the judge failed"):
        return timed_call(function, (), seconds, JudgeTimeout, "the judge")


def test_who_needs_the_thread_of_the_caller_is_told_how_to_get_it() -> None:
    database = sqlite3.connect(":memory:")

    def from_database() -> int:
        return database.execute("select 7").fetchone()[0]

    for belongs_to_one in (from_database, asyncio.get_event_loop):
        with pytest.raises(JudgeError, match=f"thread.*{HINT}$"):
            called(belongs_to_one, 10.0)
    assert called(from_database, None) == 7
    database.close()


def test_other_errors_and_other_threads_are_told_as_they_are() -> None:
    def fail() -> None:
        raise KeyError("at")

    with pytest.raises(JudgeError, match=r"KeyError: 'at'$"):
        called(fail, 10.0)
    with pytest.raises(JudgeError) as caught:
        called(lambda: threading.Lock().release(), 10.0)
    assert HINT not in str(caught.value)


def test_only_what_is_not_in_a_process_yet_is_sent_to_one() -> None:
    def late(function) -> str:
        with pytest.raises(ToolTimeout) as caught:
            timed_call(function, (60.0,), 0.3, ToolTimeout, "the tool")
        return str(caught.value)

    waits = threading.Event()
    assert "needs an OwnProcess" in late(waits.wait)
    waits.set()
    process = OwnProcess("time:sleep")
    assert "OwnProcess" not in late(process)
    process.close()
