"""Laws of `algos.runs.stopping`: a signal ends what is saved already, in seconds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from algos.runs import stopping
from algos.runs.stopping import Terminated, ended_by_signals

ROOT = Path(__file__).parents[3]
HANGS = """
import sys, threading, time
from concurrent.futures import ThreadPoolExecutor
from algos.runs import stopping
stopping.GRACE = 1
with stopping.ended_by_signals(), ThreadPoolExecutor() as pool:
    done = pool.submit(time.sleep, 60)
    print("hanging", flush=True)
    done.result()
"""


@pytest.mark.parametrize(
    ("number", "error"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)]
)
def test_a_signal_raises_and_everything_is_as_before(number, error, monkeypatch) -> None:
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [signal.getsignal(name) for name in names]
    monkeypatch.setattr(stopping, "GRACE", 1)
    with pytest.raises(KeyboardInterrupt) as raised, ended_by_signals():
        signal.raise_signal(number)
    assert type(raised.value) is error
    assert [signal.getsignal(name) for name in names] == before
    assert signal.alarm(0) == 0, "the process would end although the work has"


def test_what_hangs_is_not_waited_for() -> None:
    number = signal.SIGTERM
    command = [sys.executable, "-c", HANGS]
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "hanging\n"
        began = time.monotonic()
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 128 + number and time.monotonic() - began < 15
    assert said.strip().endswith(f"{number.name}: ended without waiting for what hangs")
