"""Laws of `benchmarks.rollout.evaluation_scale`: what is measured is a whole evaluation."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from algos.runs.append_log import read_log
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import load_stored
from benchmarks.rollout import evaluation_scale
from benchmarks.rollout.evaluation_scale import NAME, STAGES, Settings, main, questions, write_play


def test_a_killed_play_with_doubles_becomes_a_result_in_order(tmp_path: Path) -> None:
    folder, count = RunFolder(tmp_path / "run"), 60
    folder.path.mkdir()
    write_play(folder, count)
    assert len(read_log(folder.samples)) == count + count // 50
    for stage in STAGES.values():
        stage(folder, count)
    ids = [item.id for item in questions(count)]
    assert [row["id"] for row in read_log(folder.samples)] == ids
    result = load_stored(folder, NAME)
    assert [t.item_id for t in result.trajectories] == ids == [e.item_id for e in result.episodes()]
    assert 0.4 < sum(e.correct is True for e in result.episodes()) / count < 0.9
    assert folder.report.exists()


@pytest.mark.parametrize(("gigabytes", "kept"), [(99.0, ": kept"), (0.0, ": NOT KEPT")])
def test_the_report_says_whether_the_bars_are_kept(gigabytes, kept, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(evaluation_scale, "GIGABYTES", gigabytes)
    monkeypatch.setattr(evaluation_scale, "measured", lambda *_: (2.0, 1.0, 0.5))
    main(Settings(questions=8, out=tmp_path))
    text = (tmp_path / "evaluation_scale.md").read_text()
    assert kept in text and re.search(r"all, and the largest +6.0 +3.0 +0.50", text)
