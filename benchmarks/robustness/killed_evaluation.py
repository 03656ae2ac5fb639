"""An evaluation is killed (SIGKILL) at random moments, and the same command goes on with it.

Each case is one evaluation of a few questions, killed once or twice: when a random number of
rows is there, and a random moment later. After half of the kills a random part of the last line is
cut off, as by a kill in the middle of its write. Then the command runs to its end, and

* rows, trajectories and measures equal those of an evaluation that nobody disturbed, bit for bit,
  apart from times and from what lay in a cache (`_WORK`);
* no question that was saved before a kill was played again: its row has the same `seconds`.
"""

from __future__ import annotations

import json
import os
import random
import time
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import av
import numpy as np

from algos.cli.entry import main
from benchmarks.robustness.outcome import Outcome

_FORK = get_context("fork")
QUESTIONS, SECONDS, FRAME_RATE = 16, 8, 5
# The last is in every tenth case only: importing torch takes longer than all the rest.
WAYS = (
    ("random", "--envs", "2"),
    ("uniform:4:random", "--envs", "2"),
    ("oracle:random", "--envs", "2"),
    ("sage-mm-tiny", "--temperature", "1", "--envs", "2", "--limit", "3", "--max-turns", "1"),
)
_WORK = ("seconds", "seconds_by_stage", "decode_seconds", "frames_decoded", "frames_cached")
_END = 120.0  # seconds after which a command counts as hung


def run(tries: int, seed: int, folder: Path) -> Outcome:
    """Kill evaluations and compare what they end with.

    Args:
        tries: how many evaluations.
        seed: of the moments.
        folder: for the dataset and the runs.
    """
    outcome, random_state = Outcome(), random.Random(seed)
    writer = _FORK.Process(target=write_dataset, args=(folder,))  # its codec threads stay there
    writer.start()
    writer.join(_END)
    wanted: dict[int, Path] = {}
    for number in range(tries):
        way = 3 if number % 10 == 9 else number % 3
        if way not in wanted:
            wanted[way] = folder / f"undisturbed-{way}"
            _finish(folder, wanted[way], way, {})
        out = folder / f"try-{number}"
        kept: dict[str, float] = {}
        faults: list[str] = []
        kills = 1 if way == 3 else random_state.randint(1, 2)
        for _ in range(kills):
            kept, found = _kill(folder, out, way, random_state, kept)
            faults += found
        faults += _finish(folder, out, way, kept)
        faults += differences(wanted[way], out)
        end = "equal to the undisturbed one" if not faults else "another result"
        words = " ".join(WAYS[way])
        fault = f"seed {seed}, case {number} ({words}), {kills} kills: {'; '.join(faults)}"
        outcome.add(end, fault=fault if faults else "")
    return outcome


def write_dataset(folder: Path) -> None:
    """Write two videos of a few seconds, and questions about them."""
    for name in ("a", "b"):
        with av.open(str(folder / f"{name}.mp4"), "w") as file:
            stream = file.add_stream("libx264", rate=FRAME_RATE)
            stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
            for k in range(SECONDS * FRAME_RATE):
                picture = np.full((64, 64, 3), 6 * k, np.uint8)
                file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
            file.mux(stream.encode())
    rows = [
        {
            "id": f"q{k}",
            "video": f"{'ab'[k % 2]}.mp4",
            "question": "Which is it?",
            "choices": ["red", "green", "blue", "grey"],
            "answer": ["red", "green", "blue", "grey"][k % 4],
            "evidence": [[k % SECONDS, k % SECONDS + 1]],
        }
        for k in range(QUESTIONS)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (folder / "questions.jsonl").write_text(text, encoding="utf-8")


def _start(folder: Path, out: Path, way: int) -> BaseProcess:
    """Start the command in a fork of this process, which has imported it and opened nothing."""
    policy, *options = WAYS[way]
    words = ["eval", "--dataset", str(folder / "questions.jsonl"), "--out", str(out)]
    process = _FORK.Process(target=_command, args=([*words, "--policy", policy, *options],))
    process.start()
    return process


def _command(words: list[str]) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    silence = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(silence, stream)
    os._exit(main(words))


def _kill(
    folder: Path, out: Path, way: int, random_state: random.Random, kept: dict[str, float]
) -> tuple[dict[str, float], list[str]]:
    """Kill one run of the command.

    Args:
        folder: of the dataset.
        out: folder of the run.
        way: number of the command.
        random_state: says when.
        kept: the `seconds` of every question that was saved before.

    Returns:
        The same of what is saved now, and what was played again.
    """
    asked = 3 if way == 3 else QUESTIONS
    rows = random_state.randint(len(kept), asked)
    process = _start(folder, out, way)
    deadline = time.monotonic() + _END
    while process.is_alive() and len(_lines(out / "samples.jsonl")) < rows:
        if time.monotonic() > deadline:
            break
        time.sleep(0.001)
    time.sleep(random_state.uniform(0, 0.03))
    going = process.is_alive()
    process.kill()
    process.join()
    played = next(out.glob("evaluations/*.jsonl"), None)
    faults = _again(kept, _saved(out, played))
    if going and random_state.random() < 0.5:
        _tear(played if random_state.random() < 0.5 else out / "samples.jsonl", random_state)
    return _saved(out, played), faults


def _tear(path: Path | None, random_state: random.Random) -> None:
    """Cut off a random part of the last line of a file."""
    if path is None or not path.exists() or not (data := path.read_bytes()):
        return
    last = len(data) - (data[:-1].rfind(b"\n") + 1)
    os.truncate(path, len(data) - random_state.randint(1, last))


def _saved(out: Path, played: Path | None) -> dict[str, float]:
    """Return the seconds of the questions whose row and trajectory are whole."""
    found = {row["item_id"] for row in _lines(played)} if played else set()
    rows = _lines(out / "samples.jsonl")
    return {row["id"]: row["seconds"] for row in rows if row["id"] in found}


def _lines(path: Path) -> list[dict[str, Any]]:
    """Return the whole lines of a file of JSON lines."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def _finish(folder: Path, out: Path, way: int, kept: dict[str, float]) -> list[str]:
    """Run the command to its end, and return what was played twice, or that it did not end well."""
    process = _start(folder, out, way)
    process.join(_END)
    if process.is_alive():
        process.kill()
        return ["the last run hung"]
    if process.exitcode != 0:
        return [f"the last run ended with {process.exitcode}"]
    return _again(kept, _saved(out, next(out.glob("evaluations/*.jsonl"), None)))


def _again(kept: dict[str, float], now: dict[str, float]) -> list[str]:
    """Return what was saved and is not there any more as it was."""
    again = sorted(key for key, seconds in kept.items() if now.get(key) != seconds)
    return [f"{len(again)} saved questions were lost or played again: {again[:3]}"] if again else []


def differences(wanted: Path, out: Path) -> list[str]:
    """Return which files of two evaluations differ in more than `_WORK`."""
    names = sorted(p.relative_to(wanted) for p in wanted.glob("evaluations/*"))
    names += [Path("samples.jsonl"), Path("results.json")]
    told = []
    for name in names:
        if not (out / name).exists():
            told.append(f"{name} is missing")
        elif _lasting(wanted / name) != _lasting(out / name):
            told.append(f"{name} differs")
    return told


def _lasting(path: Path) -> list[str]:
    """Return the lines of a file, without `_WORK`."""
    if path.suffix != ".jsonl":
        return path.read_text("utf-8").splitlines()
    return [json.dumps(_without_work(row)) for row in _lines(path)]


def _without_work(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_work(x) for k, x in value.items() if k not in _WORK}
    return [_without_work(x) for x in value] if isinstance(value, list) else value
