"""A folder of several entries: each has a run folder of its own in it, and the table joins them.

```
OUT/manifest.json       kind "evaluations": the entries, in the order of the table
OUT/ENTRY/…             the run folder of one entry
OUT/results.json        the lines of the table
OUT/report.html         the table, and examples of the first entry
```
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from algos.runs.evaluation_manifest import KIND
from algos.runs.json_files import RunFolderError, read_json, write_json
from algos.runs.run_folder import RunFolder

JOINT = "evaluations"
"""What `manifest.json` says of a folder of several entries."""
_ENTRY: Mapping[str, Any] = {
    "policy": str | None,
    "control": str | None,
    "budget": int | None,
    "repeat": int | None,
}


def is_joint(folder: RunFolder) -> bool:
    """Return whether a folder joins several entries."""
    return folder.manifest.exists() and _kind(read_json(folder.manifest)) == JOINT


def entry_names(folder: RunFolder) -> list[str]:
    """Return the names of the entries of a joint folder, in the order of its table.

    Raises:
        RunFolderError: if it is none, or its manifest cannot be read.
    """
    return [entry["name"] for entry in read_entries(folder)]


def read_entries(folder: RunFolder) -> list[dict[str, Any]]:
    """Return what the manifest of a joint folder says of each entry; each has a `name`.

    Raises:
        RunFolderError: if it is none, or its manifest cannot be read.
    """
    data = read_json(folder.manifest)
    entries = data.get("entries") if _kind(data) == JOINT else None
    if not isinstance(entries, list) or not all(is_entry(one) for one in entries):
        raise RunFolderError(f"{folder.manifest} is not of several evaluations")
    return entries


def entry_folder(path: Path, name: str | None = None) -> RunFolder:
    """Return the run folder of one evaluation: `path` itself, or that of an entry in it.

    Args:
        path: what `sage-vqa eval` wrote.
        name: of the entry; needed where there are several.

    Raises:
        RunFolderError: if there is no such entry, or none is named; says which there are.
    """
    folder = RunFolder(path)
    if not is_joint(folder):
        if name is not None:
            raise RunFolderError(f"{path} is one evaluation, without entries: leave out --entry")
        return folder
    names = entry_names(folder)
    if name is None and len(names) == 1:
        name = names[0]
    if name not in names:
        given = "name one with --entry" if name is None else f"--entry {name!r} is none of them"
        raise RunFolderError(f"{path} holds the entries {', '.join(names)}: {given}")
    return RunFolder(path / name)


def join_entries(folder: RunFolder, entries: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Write the manifest of a joint folder, with these entries added to those that it has.

    Args:
        folder: of all entries.
        entries: plain JSON data with a `name` each, which no two share.

    Returns:
        All entries that it has now.

    Raises:
        RunFolderError: if the folder is that of one evaluation, or of another command.
    """
    own = "give these evaluations a folder of their own with --out"
    there: list[dict[str, Any]] = []
    if folder.manifest.exists():
        if _kind(read_json(folder.manifest)) == KIND:
            raise RunFolderError(f"{folder.path} holds one evaluation, without entries: {own}")
        there = read_entries(folder)
    elif any(path.exists() for path in (folder.config, folder.samples, folder.evaluations)):
        raise RunFolderError(f"{folder.path} holds a run of another command: {own}")
    names = {entry["name"] for entry in there}
    found = [*there, *(dict(entry) for entry in entries if entry["name"] not in names)]
    if found != there:
        write_json(folder.manifest, {"kind": JOINT, "entries": found})
    return found


def _kind(data: Any) -> Any:
    return data.get("kind") if isinstance(data, dict) else None


def is_entry(one: Any) -> bool:
    """Return whether a value says what an entry is: its name, policy, control, budget, repeat."""
    return (
        isinstance(one, dict)
        and isinstance(one.get("name"), str)
        and Path(one["name"]).name == one["name"] not in ("", "..")
        and all(isinstance(one.get(key), kinds) for key, kinds in _ENTRY.items())
    )
