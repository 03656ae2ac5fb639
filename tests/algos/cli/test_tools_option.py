"""Laws of `--tools` in `algos.cli.options`, `algos.rollout.environment_options`: names, no keys."""

from __future__ import annotations

import json

import pytest

from algos.cli import main
from tests.helpers.clips import write_clip

HANGING = "tests.helpers.plug_ins.hanging:Hanging"
KEY = "sk-secret-123456"


@pytest.mark.parametrize("setting", [f"api_key={KEY}", f"server=http://me:{KEY}@localhost/v1"])
@pytest.mark.parametrize(
    "command",
    [
        ["eval", "--policy", "random", "--out"],
        ["train", "--run"],
        ["sft", "--demonstrator", "random", "--out"],
    ],
)
def test_a_key_in_a_setting_is_refused_and_not_told(command, setting, tmp_path, capsys) -> None:
    assert main([*command, str(tmp_path / "run"), "--tools", f"ground?{setting}"]) == 2
    said = capsys.readouterr()
    assert "a key is read from the environment" in said.err and KEY not in said.out + said.err
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and KEY in file.read_text()]


def test_an_evaluation_has_the_tool_on_record_and_tells_of_late_calls(tmp_path, capsys) -> None:
    write_clip(tmp_path / "a.mp4", [25 * i for i in range(20)])
    row = {"id": "q", "video": "a.mp4", "question": "Q?", "choices": ["x", "y"], "answer": "x"}
    (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
    out, tool = tmp_path / "run", f"{HANGING}?timeout=0.05"
    policy = "tests.helpers.plug_ins.hanging:CallsOnce"
    given = ["eval", "--dataset", str(tmp_path / "data.jsonl"), "--policy", policy]
    assert main([*given, "--out", str(out), "--tools", tool]) == 0
    printed = capsys.readouterr().out
    assert "calls of tools: 1 late" in printed and "in 1 of 1 questions a tool was late" in printed
    (sample,) = map(json.loads, (out / "samples.jsonl").read_text().splitlines())
    assert (sample["tool_calls"], sample["verdict"], sample["error"]) == ({"late": 1}, True, None)
    assert tool in json.dumps(json.loads((out / "manifest.json").read_text()))
    report = (out / "report.html").read_text()
    assert "Calls of tools" in report and "questions with a late one" in report
