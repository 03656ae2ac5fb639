"""Laws of `line.whole_line`, `making_questions`, `learning`, `measuring` and `pipeline_command`.

Six videos go through every stage; what is learned from is not measured on; a second call runs
nothing.
"""

from __future__ import annotations

import json
import sys

import pytest

from algos.cli.entry import main
from algos.data_pipeline.distilling.parquet_sets import FILES, rows_of
from algos.data_pipeline.line.measuring import require_apart
from algos.data_pipeline.line.settings import LineError
from policies.sage_mm.model.sage_model import SHIPPED
from tests.helpers.handmade import item

QUICK = ["--video-count", "6", "--spoken-count", "0", "--held-out", "0.5", "--sft-epochs", "1"]
QUICK += ["--updates", "1", "--per-update", "2", "--episodes", "2", "--tries", "1", "2"]
QUICK += ["--no-rl-half", "--check-tries", "1", "--envs", "8", "--workers", "1"]


def test_a_video_on_both_sides_is_refused() -> None:
    with pytest.raises(LineError, match="a.mp4 is learned from and measured on"):
        require_apart([item("q", "a.mp4")], [item("r", "a.mp4"), item("s", "b.mp4")])
    require_apart([item("q", "a.mp4")], [item("s", "b.mp4")])


@pytest.mark.slow
@pytest.mark.skipif(not SHIPPED.is_dir(), reason="no shipped model")
def test_the_whole_line_runs_once_and_keeps_both_sides_apart(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    command = ["data", "pipeline", "--out", str(tmp_path), *QUICK]
    assert main([*command, "--stop-after", "checks"]) == 0
    assert "report:" not in capsys.readouterr().out
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "[3/8] checks: done before" in said and "report: " in said
    found = json.loads((tmp_path / "results.json").read_text())
    kinds = {line["kind"]: line for line in found["planted"]["lines"]}
    assert kinds["good"]["kept"] > kinds["good"]["questions"] / 2
    lines = (tmp_path / "questions" / "questions.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    held = {row["video"] for row in rows if row["split"] == "test"}
    learned = {row["video"] for row in rows} - held
    assert held and learned
    for name in FILES.values():
        videos = {row["video"] for row in rows_of(tmp_path / "distilled" / name)}
        assert videos and videos <= learned
    assert found["stages"]["eval"]["videos"] == len(held)
    lines = found["stages"]["eval"]["lines"]
    assert set(lines) == {"base", "after SFT", "after PPO"}
    assert all(one["judged"] == one["questions"] for one in lines.values())
    assert found["ledger"]["all"]["replies"] >= 6 and found["ledger"]["all"]["dollars"] > 0
    calls = found["seconds"]
    assert main(command) == 0 and "[8/8] tools: done before" in capsys.readouterr().out
    assert json.loads((tmp_path / "results.json").read_text())["seconds"] == calls
