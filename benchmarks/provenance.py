"""The head of every report: which command, which code, which machine, which versions."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path


def commit() -> str:
    """Return the commit of the code that runs, `-dirty` if it was changed; else "unknown"."""
    command = ["git", "describe", "--always", "--dirty"]
    folder = Path(__file__).parent
    found = subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)
    return found.stdout.strip() or "unknown"


def versions(*packages: str) -> list[str]:
    """Return "name version" of installed distributions, in the order of their names here.

    Raises:
        importlib.metadata.PackageNotFoundError: if one is not installed.
    """
    return [f"{package} {version(package)}" for package in packages]


def header(
    title: str, module: str, *, libraries: Sequence[str] = (), remark: str = ""
) -> list[str]:
    """Return the head of a report: title, command, commit, machine with Python and libraries.

    The command has the arguments of this process, as they were typed.

    Args:
        title: of the report.
        module: what `python -m` runs.
        libraries: "name version" of those that the figures depend on (`versions`).
        remark: what else holds for the machine, such as "one thread".

    Returns:
        Lines of Markdown; lines of the report's own list follow them.
    """
    machine = [
        f"{os.cpu_count()} cores ({platform.machine()}, {platform.system()})",
        f"Python {platform.python_version()}",
        *libraries,
        *([remark] if remark else []),
    ]
    return [
        f"# {title}",
        "",
        f"- command: `{shlex.join(['python', '-m', module, *sys.argv[1:]])}`",
        f"- commit: {commit()}",
        f"- machine: {', '.join(machine)}",
    ]


def publish(text: str, folder: Path | None, name: str) -> None:
    """Print a report, and write it to `folder / name` if a folder is given."""
    print(text)
    write(text, folder, name)


def write(text: str, folder: Path | None, name: str) -> None:
    """Write a report to `folder / name`, after making the folder; `None` writes nothing."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
