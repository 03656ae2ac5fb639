"""Laws of `algos.suite.evaluating` and `playing_entries`: what is interrupted loses nothing.

An evaluation of several entries is ended at random moments, as by SIGKILL in the middle of a write
or by Ctrl-C, and gone on with; then everything is as if nobody had disturbed it, but for times.
"""

from __future__ import annotations

import json
import os
import random
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

from algos.runs.append_log import read_log
from algos.suite.evaluating import evaluate_entries
from sage_env import Answer, QAItem, Sample
from sage_env.testing import open_memory

CHOICES = ("red", "green", "blue", "grey")
ITEMS = [
    QAItem(
        f"q{k}", Path(f"{60 + 60 * (k % 3)}.memory"), f"Which, {k}?", CHOICES, CHOICES[k % 4], "mcq"
    )
    for k in range(9)
]
WORK = {"seconds", "seconds_by_stage", "decode_seconds", "frames_decoded", "frames_cached"}
KILLED, INTERRUPTED = 9, 130


class Draws:
    """Looks once, then answers by a draw from the seed of its episode."""

    def reset(self, *, seed: int | None = None) -> None:
        self.random, self.looked = random.Random(seed), False

    def act(self, observation: Any) -> Any:
        if not self.looked:
            self.looked = True
            return Sample(0.0, 30.0, 2)
        return Answer(self.random.choice(CHOICES))


SMALL = {"opener": open_memory, "overview_frames": 2, "frames_per_turn": 2, "frame_size": (32, 32)}


def play(out: Path, *, envs: int = 2) -> Any:
    named = {"draws": Draws()}
    return evaluate_entries(
        ITEMS, named, out, controls=["longest"], repeats=2, seed=3, envs=envs, **SMALL
    )


def ended_at(moment: int, how: int, out: Path) -> None:
    """Play in a process that ends at its n-th write or rename, in the middle of it if killed."""
    write, replace, left = os.write, os.replace, iter(range(moment))

    def at_the_end(cut: Any) -> None:
        if next(left, None) is None:
            if how == KILLED:
                cut()
                os._exit(KILLED)
            raise KeyboardInterrupt

    def writes(file: int, data: bytes) -> int:
        at_the_end(lambda: write(file, data[: len(data) // 2]))
        return write(file, data)

    def replaces(*names: Any, **more: Any) -> None:
        at_the_end(lambda: None)
        replace(*names, **more)

    import algos.runs.append_log as log

    log.os = type("os", (), {**vars(os), "write": staticmethod(writes)})  # type: ignore[assignment]
    os.replace = replaces
    try:
        play(out, envs=1 + moment % 5)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    os._exit(0)


def contents(out: Path) -> dict[str, Any]:
    """Return what an evaluation left behind, but for times and who played when."""
    found: dict[str, Any] = {}
    for path in sorted(out.rglob("*")):
        name = str(path.relative_to(out))
        if path.suffix == ".jsonl":
            found[name] = [without_work(row) for row in read_log(path)]
        elif path.suffix == ".json":
            found[name] = {**json.loads(path.read_text()), "sessions": None}
        elif path.is_file() and path.name != "lock" and path.suffix != ".part":
            found[name] = None  # the page shows times
    return found


def without_work(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_work(x) for k, x in value.items() if k not in WORK}
    return [without_work(x) for x in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    play(out)
    return out


@pytest.mark.parametrize("how", [KILLED, INTERRUPTED])
def test_ended_at_random_moments_and_gone_on_with_it_is_the_undisturbed_one(
    how: int, whole: Path, tmp_path: Path
) -> None:
    draws, ends = random.Random(how), []
    for number in range(5):
        out = tmp_path / str(number)
        for _ in range(1 + (number == 0)):
            process = get_context("fork").Process(
                target=ended_at, args=(draws.randint(0, 80), how, out)
            )
            process.start()
            process.join(60)
            ends.append(process.exitcode)
        play(out, envs=1 + number)
        assert contents(out) == contents(whole)
    assert ends.count(how) >= 4, "hardly any was disturbed"


def test_a_repeat_has_seeds_of_its_own_and_the_first_those_of_no_repeats(
    whole: Path, tmp_path: Path
) -> None:
    evaluate_entries(ITEMS, {"draws": Draws()}, tmp_path / "one", seed=3, **SMALL)

    def said(folder: Path) -> list[str]:
        return [row["prediction"] for row in read_log(folder / "samples.jsonl")]

    assert said(whole / "draws") == said(tmp_path / "one") != said(whole / "draws_r1")
    first, again = (read_log(whole / name / "samples.jsonl") for name in ("draws", "draws_r1"))
    assert [row["repeat"] for row in first] == [0] * 9 and [row["repeat"] for row in again] == [
        1
    ] * 9


def test_what_is_finished_is_not_played_or_written_again(whole: Path) -> None:
    before = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    play(whole)
    changed = [p.name for p, data in before.items() if p.read_bytes() != data]
    assert changed == []
