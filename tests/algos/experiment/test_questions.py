"""Laws of `algos.experiment.questions`: the same questions, and the lengths of their videos."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from algos.cli.entry import main
from algos.experiment.questions import durations_of, ready_questions
from algos.runs.run_folder import RunFolder, RunFolderError
from sage_env import QAItem
from sage_env.datasets.splits import Splits
from tests.helpers.clips import write_clip


@pytest.fixture
def splits(tmp_path) -> Splits:
    items = []
    for k in range(3):
        write_clip(tmp_path / f"{k}.mp4", [25 * i for i in range(4)])
        items.append(QAItem(f"q{k}", tmp_path / f"{k}.mp4", "?", ("a", "b"), "a", "mcq"))
    return Splits(items[:1], items[1:2], items[2:], {})


def test_a_folder_with_results_is_not_gone_on_with_where_a_question_says_something_else(
    splits, tmp_path
) -> None:
    folder = RunFolder(tmp_path / "run")
    ready_questions(splits, folder, skip_broken=False)
    (folder.checkpoints / "update-000000").mkdir(parents=True)
    ready_questions(splits, folder, skip_broken=False)
    other = replace(splits, test=[replace(splits.test[0], answer="b")])
    with pytest.raises(RunFolderError, match=r"on other questions \(the text of test in"):
        ready_questions(other, folder, skip_broken=False)
    kept = json.loads(folder.splits.read_text())
    del kept["digests"]  # as older versions left it
    folder.splits.write_text(json.dumps(kept))
    ready_questions(other, folder, skip_broken=False)


def test_report_keys_of_unreadable_videos_alone_are_refused_before_anything_is_played(
    tmp_path, capsys
) -> None:
    rows = []
    for split in ("train", "validation", "test"):
        for kind in ("good", "bad"):
            name = f"{split}-{kind}"
            write_clip(tmp_path / f"{name}.mp4", [25 * i for i in range(4)])
            row = {"id": name, "video": f"{name}.mp4", "question": "?", "answer": "a"}
            rows.append({**row, "group": {"kind": kind}, "split": split})
    (tmp_path / "train-bad.mp4").write_bytes(b"bad")
    (tmp_path / "set.jsonl").write_text("\n".join(map(json.dumps, rows)))
    arguments = ["train", "--run", str(tmp_path / "run"), "--dataset", str(tmp_path / "set.jsonl")]
    assert main([*arguments, "--skip-broken", "--only", "kind=bad"]) == 2
    assert "no question of the training has kind=bad" in capsys.readouterr().err


def test_a_length_that_no_question_says_is_read_from_the_file(splits) -> None:
    item = splits.train[0]
    told = [item, replace(item, id="said", duration=7.0), replace(splits.test[0], id="last")]
    assert durations_of(told, read=False) == {"q0": None, "said": 7.0, "last": None}
    found = durations_of(told, read=True)
    assert found["said"] == 7.0
    assert found["q0"] == found["last"] == pytest.approx(found["q0"]) and 0 < found["q0"] < 7
