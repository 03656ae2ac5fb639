"""Shards of an evaluation merged into the folder of the whole, as if one process had played it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algos.evaluation.measures import EvalResult
from algos.report.report_data import ReportData, check_told
from algos.runs.evaluation_manifest import KIND, read_settings, require_settings
from algos.runs.evaluation_run import row_index, summary_of, trajectory_index
from algos.runs.joint_folder import is_entry, is_joint, join_entries, read_entries
from algos.runs.json_files import RunFolderError, read_json, write_json
from algos.runs.line_index import LineIndex
from algos.runs.run_folder import RunFolder, result_text, write_changed
from algos.runs.stored_result import load_stored, only_result, result_of_rows
from algos.runs.token_log import MOST_QUESTIONS, kept_questions
from algos.runs.token_records import StoredTokens, tokens_path
from algos.suite.joining import join_results
from algos.suite.question_choice import Shard, merged_order
from algos.viewer.reading.report_files import save_report
from sage_env.argument_checks import is_whole
from sage_env.storage.atomic_file import atomic_path

LEFT_OUT = ("without video", "not for this control")
"""Counts of `results.json` that shards add up to."""


@dataclass(frozen=True, eq=False)
class _Part:
    """One shard of one entry."""

    folder: RunFolder
    name: str
    settings: dict[str, Any]
    positions: dict[str, int]
    result: EvalResult


def merge_shards(
    paths: Sequence[Path], out: RunFolder, about: Mapping[str, str]
) -> dict[str, EvalResult]:
    """Write the whole of an evaluation from its shards, and return its results by entry.

    Args:
        paths: the folders of all shards, in any order.
        out: no one else may write there meanwhile (`RunFolder.alone`).
        about: what the reports say instead of what the shards' say, e.g. of the command.

    Raises:
        RunFolderError: if a shard is missing, unfinished, there twice, or of another evaluation.
    """
    folders = [RunFolder(path) for path in paths]
    joint = {is_joint(folder) for folder in folders}
    if joint == {False}:
        return {"": _merge(folders, out, about)}
    entries = [read_entries(folder) for folder in folders]  # refuses one that is none
    if any(one != entries[0] for one in entries):
        raise RunFolderError("the shards have different entries: merge shards of one command")
    join_entries(out, entries[0])
    for entry in entries[0]:
        parts = [RunFolder(path / entry["name"]) for path in paths]
        _merge(parts, RunFolder(out.path / entry["name"]), about)
    told = _report_settings(next((f for f in folders if f.report_settings.exists()), folders[0]))
    named = str(told.get("dataset", "")), told.get("official")
    results, _ = join_results(out, {**told["about"], **about}, _size(told), *named)
    _copy_config(folders[0], out)
    return results


def _merge(folders: Sequence[RunFolder], out: RunFolder, about: Mapping[str, str]) -> EvalResult:
    """Merge the shards of one entry."""
    parts = [_part(folder) for folder in folders]
    _require_whole(parts)
    settings = {**parts[0].settings, "shard": None}
    require_settings(out, settings)
    order = merged_order([list(part.positions.values()) for part in parts])
    places = [list(part.positions) for part in parts]
    played = [{item.id: item for item in part.result.items} for part in parts]
    asked = [(shard, places[shard][place]) for shard, place in order]
    kept = [(shard, name) for shard, name in asked if name in played[shard]]
    if not kept:
        raise RunFolderError(
            f"no shard of {out.path.name} has a question: name --root when playing"
        )
    path = out.result_path(parts[0].name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)  # until its end it is not finished
    _write_lines(out.samples, parts, kept, lambda part: row_index(part.folder))
    lines = path.with_suffix(".jsonl")
    _write_lines(lines, parts, kept, lambda part: trajectory_index(part.folder, part.name))
    _merge_tokens(tokens_path(lines), parts, kept)
    items = [played[shard][name] for shard, name in kept]
    first = parts[0].result
    result = result_of_rows(first.name, items, out.samples, path, first.decoding)
    write_changed(path, result_text(result))
    told = [read_json(part.folder.summary) for part in parts]
    entry = told[0].get("entry")
    if not (isinstance(entry, dict) and is_entry({**entry, "name": "one"})):
        raise RunFolderError(f"{parts[0].folder.summary} does not say which entry it is of")
    more: dict[str, Any] = {"entry": entry, "asked": len(asked)}
    more |= {key: sum(one.get(key, 0) for one in told) for key in LEFT_OUT}
    prices = {price["name"]: price for one in told for price in one.get("prices", ())}
    more["prices"] = [prices[name] for name in sorted(prices)]
    videos = {item.video for part in parts for item in part.result.items}
    more["coverage"] = {**told[0]["coverage"], "questions": len(kept), "videos": len(videos)}
    write_json(out.summary, summary_of(result, more))
    sessions = [s for part in parts for s in read_json(part.folder.manifest)["sessions"]]
    write_json(out.manifest, {"kind": KIND, "settings": settings, "sessions": sessions})
    _copy_config(parts[0].folder, out)
    _report(next(part for part in parts if part.result.items), out, result, about, more["entry"])
    return result


def _part(folder: RunFolder) -> _Part:
    settings = read_settings(folder)
    positions = read_json(folder.manifest).get("positions")
    if not isinstance(positions, dict) or not all(map(is_whole, positions.values())):
        raise RunFolderError(f"{folder.path} is no shard: it was played without --shard i/n")
    return _Part(folder, only_result(folder), settings, positions, load_stored(folder))


def _require_whole(parts: Sequence[_Part]) -> None:
    """Refuse shards that are not all of one evaluation."""
    first = parts[0]
    for part in parts[1:]:
        differ = [
            key
            for key in {**first.settings, **part.settings}
            if key != "shard" and first.settings.get(key) != part.settings.get(key)
        ]
        if differ or part.name != first.name:
            raise RunFolderError(
                f"{part.folder.path} and {first.folder.path} are of two evaluations: they differ "
                f"in {', '.join(differ) or 'the policy'}"
            )
    shards = [Shard.parse(str(part.settings.get("shard"))) for part in parts]
    wanted = range(1, shards[0].count + 1)
    there = [shard.index for shard in shards]
    if lost := [str(Shard(k, len(wanted))) for k in wanted if k not in there]:
        raise RunFolderError(f"the shards {', '.join(lost)} are missing: give the folders of all")
    if len(there) > len(set(there)):
        raise RunFolderError(f"a shard is there twice, among {', '.join(map(str, shards))}")


def _write_lines(
    path: Path,
    parts: Sequence[_Part],
    order: Sequence[tuple[int, str]],
    index: Callable[[_Part], LineIndex],
) -> None:
    """Write lines of several files, in the order of the whole."""
    indices = [index(part) for part in parts]
    with atomic_path(path) as partial, partial.open("xb") as out:
        for shard, name in order:
            out.write(indices[shard].line(name))


def _merge_tokens(path: Path, parts: Sequence[_Part], order: Sequence[tuple[int, str]]) -> None:
    """Write the tokens that one process would have kept, of those that the shards have."""
    stored = [
        StoredTokens(tokens_path(part.folder.result_path(part.name).with_suffix(".jsonl")))
        for part in parts
    ]
    config = parts[0].folder.config
    most = read_json(config).get("record_tokens") if config.exists() else None
    whole = set(
        kept_questions([name for _, name in order], MOST_QUESTIONS if most is None else most)
    )
    chosen = [(k, name) for k, name in order if name in whole and name in stored[k].lines]
    if chosen:
        _write_lines(path, parts, chosen, lambda part: stored[parts.index(part)].lines)


def _report(
    part: _Part,
    out: RunFolder,
    result: EvalResult,
    about: Mapping[str, str],
    entry: Mapping[str, Any],
) -> None:
    """Write the report of the whole, as that of a shard."""
    told = _report_settings(part.folder)
    dataset = str(told["about"].get("dataset", "")).rpartition(", ")[0]
    whole = {"dataset": f"{dataset}, {len(result.items)} questions", **about}
    data = ReportData(
        told["title"],
        {**told["about"], **whole},
        {part.name: result},
        frame_size=_size(told),
        dataset=told.get("dataset", ""),
        official=told.get("official"),
        entries={part.name: entry},
    )
    save_report(out, data)


def _report_settings(folder: RunFolder) -> dict[str, Any]:
    told: dict[str, Any] = read_json(folder.report_settings)
    try:
        check_told(told)
        _ = told["about"], told["title"], _size(told)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        again = "run `sage-vqa eval` again"
        raise RunFolderError(
            f"{folder.report_settings} is not complete ({error}): {again}"
        ) from error
    return told


def _size(told: Mapping[str, Any]) -> tuple[int, int]:
    height, width = told["frame_size"]
    return int(height), int(width)


def _copy_config(shard: RunFolder, out: RunFolder) -> None:
    if shard.config.exists():
        write_json(out.config, {**read_json(shard.config), "shard": None, "out": str(out.path)})
