"""Runs without a report: still going, or of commands that write none. What there is, is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from algos.rollout.trajectory import Trajectory
from algos.runs.evaluation_manifest import KIND
from algos.runs.joint_folder import read_entries
from algos.runs.json_files import RunFolderError, item_from_json, read_json
from algos.runs.metrics import read_metrics
from algos.runs.run_folder import RunFolder
from algos.runs.stored_result import load_stored
from algos.scoring.scored_folder import KIND as SCORES
from algos.viewer.reading.question_views import known_item
from algos.viewer.reading.run_facts import (
    config_of,
    is_joint_folder,
    manifest_of,
    session_facts,
    settings_of,
    training_facts,
)
from algos.viewer.reading.run_views import StoredRun
from algos.viewer.reading.stored_entries import StoredEntry, entry_of_result
from algos.viewer.reading.unfinished_entries import (
    ItemOf,
    entry_of_rows,
    entry_of_trajectories,
    row_of,
)
from algos.viewer.reading.update_entries import first_validation, newest_update, update_entries
from sage_env.argument_checks import is_whole
from sage_env.datasets.item import QAItem
from sage_env.datasets.loading import load_dataset
from sage_env.errors import SageEnvError


def stored_run(folder: RunFolder) -> StoredRun | None:
    """Return what a folder has of a run; `None` if it holds none.

    Raises:
        RunFolderError, LogError: if a file of it cannot be read.
    """
    kind = manifest_of(folder).get("kind")
    if is_joint_folder(folder) or kind == KIND:
        return _evaluation(folder)
    if kind == SCORES:
        return _scores(folder)
    settings = config_of(folder)
    if "sft" in settings:
        return _fine_tuning(folder, settings)
    if "question" in settings and folder.trajectory.exists():
        return _asked(folder, settings)
    is_training = "ppo" in settings or folder.splits.exists()
    return _training(folder, settings) if is_training else None


def writes_no_report(folder: RunFolder) -> bool:
    """Return whether a folder is of a command that writes no `report.json`."""
    settings = config_of(folder)
    scores = manifest_of(folder).get("kind") == SCORES
    return scores or "sft" in settings or ("question" in settings and folder.trajectory.exists())


def entry_folders(folder: RunFolder) -> list[RunFolder]:
    """Return the folders of an evaluation's entries: itself where it is one evaluation."""
    if not is_joint_folder(folder):
        return [folder]
    return [RunFolder(folder.path / one["name"]) for one in read_entries(folder)]


def _evaluation(folder: RunFolder) -> StoredRun | None:
    """Return an evaluation that goes on, or whose report was not written."""
    told: list[dict[str, Any]] = [settings_of(folder)]
    if is_joint_folder(folder):
        told = read_entries(folder)
    folders = entry_folders(folder)
    entries, finished = [], True
    for own, one in zip(folders, told, strict=True):
        key = str(one.get("name", "evaluation"))
        if own.summary.exists() and len(own.result_names()) == 1:
            result = load_stored(own)
            found = entry_of_result(key, result, own.samples, told=one, settings=settings_of(own))
        elif own.samples.exists():
            settings = settings_of(own)
            title = str(one.get("policy") or one.get("control") or key)
            whole = dataset_items(settings.get("dataset"), settings.get("split"))
            found = entry_of_rows(own, key, title, told=one, settings=settings, item=whole)
            finished = False
        else:
            finished = False
            continue
        entries.append(found)
    if not entries:
        return None
    shared = entries[0].settings
    return StoredRun(
        title=f"{len(entries)} entries" if len(folders) > 1 else entries[0].title,
        about=_facts(shared) | session_facts(manifest_of(folders[0])),
        entries=entries,
        frame_size=_frame_size(shared),
        live=not finished,
        notes=[] if finished else ["This evaluation is not finished: the page has what is there."],
    )


def _scores(folder: RunFolder) -> StoredRun:
    """Return stored answers with their new verdicts, beside the play that they are from."""
    manifest = manifest_of(folder)
    source = Path(str((manifest.get("scored") or {}).get("from", "")))
    beside = None
    played = RunFolder(source)
    if source.is_dir() and played.manifest.exists() and played.result_names():
        result = load_stored(played)
        beside = entry_of_result("played", result, played.samples, settings=settings_of(played))
    settings = settings_of(folder)
    title = str(settings.get("policy") or source.name)
    entry = entry_of_rows(folder, "scored", title, told=settings, settings=settings, beside=beside)
    notes = [] if beside else ["What was played is not in this folder: only rows are shown."]
    return StoredRun(
        title=f"Scores of {title}",
        about={**_facts(settings), "answers": str(source), **session_facts(manifest)},
        entries=[entry],
        frame_size=_frame_size(settings),
        notes=notes,
    )


def _training(folder: RunFolder, settings: Mapping[str, Any]) -> StoredRun | None:
    """Return a training that goes on."""
    model = str(settings.get("checkpoint") or "sage-mm-tiny")
    entries = [
        entry_of_result(name, folder.load_result(name), settings={"policy": model})
        for name in folder.result_names()
    ]
    asked = list(entries)

    def item(name: str) -> QAItem | None:
        return known_item(asked, name)

    for path in sorted(folder.evaluations.glob("*.jsonl")):
        if not path.name.endswith(".tokens.jsonl") and not path.with_suffix(".json").exists():
            entries.append(entry_of_trajectories(path, path.stem, path.stem, item))
    entries += update_entries(folder, item)
    if not entries:
        return None
    metrics = read_metrics(folder.metrics)
    newest, first = newest_update(entries), first_validation(entries)
    return StoredRun(
        title=f"Training: {folder.path.name}",
        about={"model": model, **_data(settings), **training_facts(metrics)},
        entries=entries,
        shown=None if newest is None else newest.key,
        before=None if first is None or first is newest else first.key,
        live=True,
        notes=["This training is not finished: the page has what is there."],
        curves=metrics,
    )


def _data(settings: Mapping[str, Any]) -> dict[str, str]:
    """Return what was learned from, where it is written already."""
    return {"data": str(settings["dataset"])} if settings.get("dataset") else {}


def _fine_tuning(folder: RunFolder, settings: Mapping[str, Any]) -> StoredRun | None:
    """Return the demonstrations that were learned from, and what was played after."""
    item = dataset_items(settings.get("dataset"), settings.get("split"))
    entries = [entry_of_result(name, folder.load_result(name)) for name in folder.result_names()]
    if folder.demonstrations.exists():
        title = f"Demonstrations of {settings.get('demonstrator')}"
        found = entry_of_trajectories(folder.demonstrations, "demonstrations", title, item)
        entries.append(found)
    if not entries:
        return None
    metrics = read_metrics(folder.metrics)
    return StoredRun(
        title=f"Fine-tuning: {folder.path.name}",
        about={**_data(settings), **training_facts(metrics)},
        entries=entries,
        frame_size=_size(settings.get("frame_size")),
        curves=metrics,
    )


def _asked(folder: RunFolder, settings: Mapping[str, Any]) -> StoredRun:
    """Return the one question of `sage-vqa ask`, whose right answer is not known."""
    asked = QAItem(
        id="question",
        video=Path(str(settings.get("video", ""))),
        question=str(settings["question"]),
        choices=tuple(map(str, settings.get("choices") or ())),
    )
    policy = str(settings.get("policy"))
    told = {"policy": policy}
    path = folder.trajectory
    entry = entry_of_trajectories(path, "asked", policy, lambda _: asked, told=told)
    return StoredRun(
        title=asked.question,
        about={"policy": policy, "video": asked.video.name},
        entries=[entry],
        frame_size=_size(settings.get("frame_size")),
        notes=["Nobody said what the right answer is: there is no verdict."],
    )


def stored_replay(path: Path) -> StoredRun:
    """Return an episode beside what it was before something was changed.

    Raises:
        RunFolderError: if the file is no replay.
    """
    record = read_json(path)
    try:
        item = item_from_json(record["question"])
        entries = [_played(name, record[name], item) for name in ("recorded", "replayed")]
        changed = {str(name): f"{old}, now {new}" for name, (old, new) in record["changed"].items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunFolderError(f"{path} is no replay: {error!r}") from error
    return StoredRun(
        title=f"Replay of {item.id}",
        about=changed or {"changed": "nothing"},
        entries=entries,
        shown="replayed",
        before="recorded",
        frame_size=_frame_size(entries[1].settings),
    )


def _played(name: str, told: Mapping[str, Any], item: QAItem) -> StoredEntry:
    trajectory = Trajectory.from_json(told["trajectory"])
    row = row_of(item, trajectory)
    policy = told["settings"].get("policy")
    return StoredEntry(
        key=name,
        title=name,
        ids=[item.id],
        rows=lambda: iter((row,)),
        row=lambda asked: row if asked == item.id else None,
        episode=lambda asked: trajectory if asked == item.id else None,
        item=lambda asked: item if asked == item.id else None,
        told={"policy": str(policy)} if policy else {},
        settings=told["settings"],
    )


def dataset_items(dataset: Any, split: Any) -> ItemOf:
    """Return what finds a question of a dataset; it is loaded when first asked for, if it can be.

    Args:
        dataset: its name, as the settings of a run have it.
        split: likewise.
    """

    @cache
    def items() -> dict[str, QAItem]:
        try:
            return {item.id: item for item in load_dataset(str(dataset), split=str(split))}
        except (SageEnvError, OSError, ValueError, ImportError):
            return {}  # the questions are shown as far as the run tells

    return lambda name: items().get(name)


def _facts(settings: Mapping[str, Any]) -> dict[str, str]:
    found = {key: settings.get(key) for key in ("policy", "dataset", "split", "seed")}
    return {key: str(value) for key, value in found.items() if value is not None}


def _frame_size(settings: Mapping[str, Any]) -> tuple[int, int] | None:
    """Return `(H, W)` of the frames of an evaluation, as its manifest has them."""
    pixels = settings.get("pixels") or {}
    if isinstance(pixels, Mapping) and {"height", "width"} <= pixels.keys():
        return _size((pixels["height"], pixels["width"]))
    environment = settings.get("environment")
    return _size(environment.get("frame_size")) if isinstance(environment, Mapping) else None


def _size(value: Any) -> tuple[int, int] | None:
    if isinstance(value, Sequence) and len(value) == 2 and all(map(is_whole, value)):
        return int(value[0]), int(value[1])
    return None  # of each video its own, or a manifest that a hand has changed
