"""Laws of `algos.runs.run_folder`: one writer at a time, and a dead one keeps nobody out."""

from __future__ import annotations

import subprocess
import sys

import pytest

from algos.runs.run_folder import RunFolder, RunFolderError

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
