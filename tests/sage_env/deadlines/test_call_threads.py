"""Laws of `sage_env.deadlines.call_threads`: a call ends in time or is left behind, and then ends.

The waits are short, and the machine may be busy: what must happen soon has `SOON`.
"""

from __future__ import annotations

import contextvars
import threading
import time

import pytest

from sage_env.deadlines import call_threads
from sage_env.deadlines.call_threads import CallOver, CallOverdue, call_in_thread, undisturbed

SOON = 10.0


def until(law) -> bool:
    end = time.monotonic() + SOON
    while not law() and time.monotonic() < end:
        time.sleep(0.005)
    return law()


def test_a_call_gives_what_it_returns_and_raises_what_it_raises() -> None:
    assert call_in_thread(lambda: 3, SOON) == 3
    assert call_in_thread(threading.get_ident, SOON) != threading.get_ident()
    for error in (ZeroDivisionError("oh"), SystemExit(3), KeyboardInterrupt()):

        def fail(error=error):
            raise error

        with pytest.raises(type(error)) as raised:
            call_in_thread(fail, SOON)
        assert raised.value is error


def test_calls_one_after_the_other_have_one_thread_and_the_callers_context() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    variable.set("of the caller")
    threads = {call_in_thread(threading.get_ident, SOON) for _ in range(20)}
    assert len(threads) == 1
    assert call_in_thread(variable.get, SOON) == "of the caller"
    call_in_thread(lambda: variable.set("of the call"), SOON)
    assert variable.get() == "of the caller"


def test_a_thread_with_nothing_to_do_ends(monkeypatch) -> None:
    monkeypatch.setattr(call_threads, "_IDLE", 0.01)
    monkeypatch.setattr(call_threads, "_idle", [])
    ident = call_in_thread(threading.current_thread, SOON)
    assert until(lambda: not ident.is_alive()) and call_threads._idle == []
    assert call_in_thread(lambda: 1, SOON) == 1


def test_threads_that_wait_can_be_ended_and_those_at_work_go_on() -> None:
    go, began = threading.Event(), threading.Event()
    results: list[int] = []

    def work() -> int:
        began.set()
        go.wait()
        return 7

    caller = threading.Thread(target=lambda: results.append(call_in_thread(work, SOON)))
    caller.start()
    began.wait()
    idle = call_in_thread(threading.current_thread, SOON)
    call_threads.end_idle_threads()
    assert not idle.is_alive() and call_in_thread(lambda: 1, SOON) == 1
    go.set()
    caller.join(SOON)
    assert results == [7]


def late(work) -> threading.Thread:
    """Call what never ends, and return the thread that it was left behind in."""
    thread: list[threading.Thread] = []

    def noted() -> None:
        thread.append(threading.current_thread())
        work()

    began = time.monotonic()
    with pytest.raises(CallOverdue):
        call_in_thread(noted, 0.05)
    assert time.monotonic() - began < SOON
    return thread[0]


def loop() -> None:
    while True:
        pass


def test_a_loop_is_left_behind_and_ends_and_the_next_call_has_another_thread() -> None:
    thread = late(loop)
    assert call_in_thread(threading.current_thread, SOON) is not thread
    assert until(lambda: not thread.is_alive())


def test_a_call_that_ends_right_after_its_deadline_ends_its_thread_too(monkeypatch) -> None:
    monkeypatch.setattr(call_threads, "_IDLE", 60.0)
    leave, go = call_threads._leave_behind, threading.Event()

    def leave_later(thread) -> None:
        go.set()
        time.sleep(0.05)  # it comes back, and waits for its next call
        leave(thread)

    monkeypatch.setattr(call_threads, "_leave_behind", leave_later)
    thread = late(go.wait)
    assert until(lambda: not thread.is_alive())


def test_who_catches_everything_is_interrupted_again(monkeypatch) -> None:
    monkeypatch.setattr(call_threads, "_WAITS", (0.05,) * 50)
    caught: list[BaseException] = []

    def stubborn() -> None:
        while len(caught) < 3:
            try:
                loop()
            except BaseException as error:
                caught.append(error)

    thread = late(stubborn)
    assert until(lambda: not thread.is_alive())
    assert [type(error) for error in caught] == [CallOver] * 3


def test_handlers_of_exceptions_let_the_end_pass_and_finally_is_run() -> None:
    seen: list[str] = []

    def careful() -> None:
        while True:
            try:
                time.sleep(0.001)
            except Exception:
                seen.append("caught")
            finally:
                seen.append("finally") if threading.current_thread() in gone else None

    gone: list[threading.Thread] = []
    thread = late(careful)
    gone.append(thread)
    assert until(lambda: not thread.is_alive()) and "caught" not in seen


def test_what_must_not_be_disturbed_ends_first(monkeypatch) -> None:
    monkeypatch.setattr(call_threads, "_WAITS", (0.05,) * 50)
    steps: list[str] = []
    go = threading.Event()

    def work() -> None:
        with undisturbed():
            with undisturbed():
                go.wait()
            for _ in range(60):  # interrupted a few times, were it not for the outer block
                time.sleep(0.005)
                steps.append("whole")
        loop()

    thread = late(work)
    assert thread.is_alive()
    go.set()
    assert until(lambda: not thread.is_alive()) and steps == ["whole"] * 60


def test_an_interrupt_while_waiting_leaves_the_call_behind(monkeypatch) -> None:
    class Interrupted:
        """A lock in whose place the waiting thread is interrupted."""

        def __init__(self, lock) -> None:
            self.lock, self.release = lock, lock.release

        def acquire(self, timeout=None):
            if timeout is None:
                return self.lock.acquire()
            until(lambda: bool(thread))
            raise KeyboardInterrupt

    monkeypatch.setattr(call_threads, "Lock", lambda: Interrupted(threading.Lock()))
    thread: list[threading.Thread] = []

    def work() -> None:
        thread.append(threading.current_thread())
        loop()

    with pytest.raises(KeyboardInterrupt):
        call_in_thread(work, SOON)
    assert until(lambda: bool(thread) and not thread[0].is_alive())


def test_calls_side_by_side_do_not_mix() -> None:
    results: dict[int, int] = {}

    def caller(number: int) -> None:
        for _ in range(50):
            results[number] = call_in_thread(lambda: number * number, SOON)

    threads = [threading.Thread(target=caller, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SOON)
    assert results == {number: number * number for number in range(8)}
