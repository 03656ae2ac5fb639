"""Laws of `algos.runs.joint_folder` and `running_totals`: entries by name, sums of what counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from algos.runs.joint_folder import entry_folder, entry_names, is_joint, join_entries
from algos.runs.run_folder import RunFolder, RunFolderError
from algos.runs.running_totals import RunningTotals


def test_entries_are_added_in_order_and_found_by_name(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    assert not is_joint(folder) and entry_folder(tmp_path) == folder
    join_entries(folder, [{"name": "a", "policy": "x"}])
    assert entry_folder(tmp_path).path == tmp_path / "a", "the only one needs no name"
    join_entries(folder, [{"name": "b"}, {"name": "a", "policy": "another"}])
    assert is_joint(folder) and entry_names(folder) == ["a", "b"]
    assert entry_folder(tmp_path, "b").path == tmp_path / "b"
    for name, said in ((None, "name one with --entry"), ("c", "--entry 'c' is none of them")):
        with pytest.raises(RunFolderError, match=f"holds the entries a, b: {said}"):
            entry_folder(tmp_path, name)


def test_a_folder_of_one_evaluation_has_no_entries(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"kind": "evaluation"}')
    with pytest.raises(RunFolderError, match="without entries: leave out --entry"):
        entry_folder(tmp_path, "a")
    with pytest.raises(RunFolderError, match="holds one evaluation"):
        join_entries(RunFolder(tmp_path), [{"name": "a"}])
    (tmp_path / "manifest.json").unlink()
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(RunFolderError, match="of another command"):
        join_entries(RunFolder(tmp_path), [{"name": "a"}])


@pytest.mark.parametrize("name", ["", "..", "a/b", "/a", 3])
def test_a_name_that_leads_elsewhere_is_refused(name: object, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    join_entries(folder, [{"name": "a"}])
    text = folder.manifest.read_text().replace('"a"', "3" if name == 3 else f'"{name}"')
    folder.manifest.write_text(text)
    with pytest.raises(RunFolderError, match="is not of several evaluations"):
        entry_names(folder)


def test_totals_by_hand() -> None:
    """Of five rows: one failed, one not judged, one saw the whole video, two have a price."""
    totals = RunningTotals()
    assert str(totals) == ""
    for verdict, frames, cost, error in (
        (True, 10, 0.5, None), (False, 20, None, None), (None, 30, 0.25, None),
        (True, None, None, None), (None, 99, 9.0, "VideoError: gone"),
    ):  # fmt: skip
        totals.add({"verdict": verdict, "frames": frames, "cost": cost, "error": error})
    said = "accuracy 66.7 %, 20.0 frames, $0.75, 1 not judged, 1 failed"
    assert str(totals) == said


@pytest.mark.parametrize("key", ["policy", "control", "budget", "repeat"])
@pytest.mark.parametrize("value", ['{"a": 1}', "[1]", "1.5"])
def test_an_entry_of_another_type_is_refused(key: str, value: str, tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.manifest.write_text(
        f'{{"kind": "evaluations", "entries": [{{"name": "a", "{key}": {value}}}]}}'
    )
    with pytest.raises(RunFolderError, match="is not of several evaluations"):
        entry_names(folder)
