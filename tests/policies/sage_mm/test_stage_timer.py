"""Laws of `policies.sage_mm.stage_timer`: seconds and counts add up, also where work fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
from policies.sage_mm import stage_timer  # noqa: E402
from policies.sage_mm.stage_timer import ENCODE, GENERATE, PREFILL, STEPS, StageTimer  # noqa: E402


class Clock:
    """Returns the given seconds, one after the other."""

    def __init__(self, *seconds: float) -> None:
        self.left: Iterator[float] = iter(seconds)

    def __call__(self) -> float:
        return next(self.left)


def test_seconds_and_counts_add_up_by_name() -> None:
    timer = StageTimer(torch.device("cpu"), Clock(1.0, 1.5, 10.0, 14.0, 20.0, 20.25))
    for name in (ENCODE, GENERATE, ENCODE):
        with timer.timing(name):
            timer.add(name, 3)
    timer.add(STEPS, 2)
    timer.add(GENERATE, 0)
    assert {n: timer.seconds(n) for n in (ENCODE, PREFILL, GENERATE)} == {
        ENCODE: 0.75, PREFILL: 0.0, GENERATE: 4.0
    }  # fmt: skip
    assert [timer.count(n) for n in (ENCODE, PREFILL, GENERATE, STEPS)] == [6, 0, 3, 2]
    timer.reset()
    assert timer.seconds(ENCODE) == 0.0 and timer.count(STEPS) == 0


def test_work_that_fails_took_its_time_too() -> None:
    timer = StageTimer(torch.device("cpu"), Clock(1.0, 3.0))
    with pytest.raises(ZeroDivisionError), timer.timing(PREFILL):
        raise ZeroDivisionError
    assert timer.seconds(PREFILL) == 2.0


def test_the_clock_is_read_after_the_gpu_is_done(monkeypatch) -> None:
    said: list[str] = []

    def clock() -> float:
        said.append("clock")
        return float(len(said))

    monkeypatch.setattr(stage_timer.torch.cuda, "synchronize", lambda device: said.append("wait"))
    for device, expected in (("cuda", ["clock", "wait", "clock"]), ("cpu", ["clock", "clock"])):
        said.clear()
        timer = StageTimer(torch.device(device), clock)
        with timer.timing(ENCODE):
            pass
        assert said == expected
