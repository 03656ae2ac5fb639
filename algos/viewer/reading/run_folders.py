"""Any run of ours as the page shows it: finished or not, of any command, a folder or its file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from algos.runs.json_files import RunFolderError
from algos.runs.run_folder import RunFolder
from algos.viewer.reading.report_files import load_report, report_view, write_report
from algos.viewer.reading.run_facts import dataset_of
from algos.viewer.reading.run_views import run_view
from algos.viewer.reading.stored_runs import (
    entry_folders,
    stored_replay,
    stored_run,
    writes_no_report,
)
from algos.viewer.view_data import RunView
from algos.viewer.writing.view_file import WriteSettings, write_view
from sage_env.datasets.native.frame_licences import may_show_frames

REPLAY = "replay.json"


def read_run(path: Path, *, pictures: bool | None = None) -> RunView:
    """Return a run as the page shows it; of one that is still going, what there is by now.

    Args:
        path: folder that a command wrote (`eval`, `train`, `sft`, `ask`, `score`, `data import`,
            `replay`), or a `replay.json`.
        pictures: whether frames are shown; by default where the dataset's licence lets them be.

    Raises:
        RunFolderError: if it is none, or a file of it cannot be read.
        LogError: if a line of one cannot be.
    """
    record = path if path.name == REPLAY else path / REPLAY
    folder = RunFolder(path if record.parent == path else path.parent)
    if not record.exists() and _finished(folder):
        return report_view(folder, load_report(folder), pictures=pictures)
    run = stored_replay(record) if record.exists() else stored_run(folder)
    if run is None:
        raise RunFolderError(
            f"{path} holds no run: give a folder that sage-vqa eval, train, sft, ask, score or "
            "replay wrote"
        )
    shown = may_show_frames(dataset_of(folder, run.entries)) if pictures is None else pictures
    return run_view(replace(run, pictures=shown))


def write_page(path: Path) -> Path:
    """Write `report.html` of a run anew from the files in its folder; return its path.

    Args:
        path: folder that a command wrote; an evaluation or a training must be finished.

    Raises:
        RunFolderError: if it is none, or a file of it cannot be read.
        LogError: if a line of one cannot be.
        OSError: if the page cannot be written.
    """
    folder = RunFolder(path)
    if writes_no_report(folder):
        settings = WriteSettings(more=f"sage-vqa view {path}")
        return write_view(read_run(path), folder.report, settings).path
    return write_report(folder.report, load_report(folder)).path


def _finished(folder: RunFolder) -> bool:
    """Return whether the folder has a report, and everything that it was written of."""
    if not folder.report_settings.exists():
        return False
    return not folder.manifest.exists() or all(
        own.summary.exists() and own.result_names() for own in entry_folders(folder)
    )
