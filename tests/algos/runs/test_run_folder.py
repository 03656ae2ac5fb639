"""Laws of `algos.runs.run_folder`: one writer at a time, and a dead one keeps nobody out."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from algos.runs.run_folder import RunFolder, RunFolderError, read_json, write_json

HOLD = """
import sys, time
from pathlib import Path
from algos.runs.run_folder import RunFolder
with RunFolder(Path(sys.argv[1])).alone():
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_training_is_refused_until_the_first_has_ended(tmp_path):
    folder = RunFolder(tmp_path / "run")
    with folder.alone():
        with pytest.raises(RunFolderError, match="--run"), RunFolder(folder.path).alone():
            pass
        with RunFolder(tmp_path / "other").alone():
            pass
    with RunFolder(folder.path).alone():
        pass


def test_an_error_inside_lets_go_and_comes_through(tmp_path):
    folder = RunFolder(tmp_path)
    with pytest.raises(ZeroDivisionError), folder.alone():
        raise ZeroDivisionError
    with folder.alone():
        pass


def test_a_process_that_was_killed_keeps_nobody_out(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        with pytest.raises(RunFolderError), RunFolder(tmp_path).alone():
            pass
        process.kill()
    with RunFolder(tmp_path).alone():
        pass


def test_two_writers_of_a_file_do_not_meet(tmp_path):
    """Both used to write `a.json.partial`, and one of them then found nothing to rename."""
    path = tmp_path / "a.json"

    def write(number: int) -> None:
        for _ in range(100):
            write_json(path, [number] * 2000)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, range(2)))
    assert len(set(read_json(path))) == 1 and os.listdir(tmp_path) == ["a.json"]
