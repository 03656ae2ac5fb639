"""Laws of `algos.cli.entry`: what needs no torch works without, the rest says what to install."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.helpers.clips import write_clip

ROOT = Path(__file__).parents[3]
SCRIPT = """
import contextlib, io, json, sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("torch", "transformers", "peft", "safetensors"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
from algos.cli import main
for command in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stderr(err), contextlib.redirect_stdout(out):
        status = main(command)
    print(json.dumps([status, err.getvalue()]), flush=True)
"""
DATA = ["--dataset", "d.jsonl", "--policy"]
WORK = [
    ["eval", *DATA, "random", "--out", "run"],
    ["eval", *DATA, "uniform:2:random", "--out", "uniform"],
    ["report", "run"],
    ["verify", "run"],
    ["play", *DATA, "oracle:random"],
    ["ask", "a.mp4", "?", "--policy", "random"],
    ["data", "check", "a.mp4"],
]
NEED = [
    ["eval", *DATA, "sage-mm-tiny"],
    ["eval", *DATA, "uniform"],
    ["eval", *DATA, "sage-mm:x"],
    ["play", *DATA, "scripted"],
    ["play", *DATA, "sage-released:x"],
    ["ask", "a.mp4", "?"],
    ["train", "--run", "trained"],
    ["sft", "--demonstrator", "random", "--dataset", "d.jsonl", "--out", "tuned"],
    ["verify", "training"],
]


def test_every_command_works_or_names_the_line_that_installs_what_is_missing(tmp_path) -> None:
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(4)])
    row = {"id": "q", "video": "a.mp4", "question": "?", "answer": "x", "evidence": [[0, 1]]}
    (tmp_path / "d.jsonl").write_text(json.dumps(row))
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "config.json").write_text('{"ppo": {}}')
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, json.dumps(WORK + NEED)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found = [json.loads(line) for line in ran.stdout.splitlines()]
    assert [status for status, _ in found] == [0] * len(WORK) + [2] * len(NEED)
    for command, (_, said) in zip(NEED, found[len(WORK) :], strict=True):
        line = said.strip().splitlines()[-1]
        assert "pip install 'sage-video-qa[sage]'" in line, command
        assert line.startswith("sage-vqa: ") and "Traceback" not in said
