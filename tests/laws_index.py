"""The index of laws by module, made of the first lines of the test files.

A test file begins with whose laws it holds: "Laws of `package.room.module`, `sibling`: what holds."
A name is that of a module or a room, or of something in a module. A short name stands for a module
beside the one named before it, or in the room of the test file, or for the only one of the package.
The scripts of the page count as modules: `page/scripts/table` is that of `table.js`.

    python -m tests.laws_index      writes the table into tests/README.md
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.helpers.source_tree import PACKAGES, ROOT, modules

TESTS = ROOT / "tests"
README = TESTS / "README.md"
BEGIN, END = "<!-- laws by module -->", "<!-- end of laws by module -->"
SCRIPTS = ROOT / "algos/viewer/page/scripts"
_NAME = re.compile(r"`([\w./]+)`")


def law_files() -> list[Path]:
    """Return the test files in the folders of packages, whose laws are those of modules."""
    return sorted(path for name in PACKAGES for path in (TESTS / name).rglob("test_*.py"))


def first_line(path: Path) -> str:
    """Return the first line of a file's docstring, or ""."""
    doc = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return doc.partition("\n")[0]


def named_in(path: Path, known: Iterable[str]) -> list[str]:
    """Return the modules and rooms whose laws a test file holds, as its first line says."""
    return named(first_line(path), known, ".".join(path.relative_to(TESTS).parent.parts))


def named(line: str, known: Iterable[str], room: str = "") -> list[str]:
    """Return the modules and rooms that a first line names.

    Args:
        line: of a docstring; it names none if it does not begin as it should.
        known: all modules and rooms.
        room: that the file stands in.
    """
    known, found = list(known), list[str]()
    if not line.startswith("Laws of `"):
        return []
    for name in _NAME.findall(line):
        name = name.removesuffix(".js").replace("/", ".").strip(".")
        one = _resolved(name, known, [room, *found])
        if one and one not in found:
            found.append(one)
    return found


def _resolved(name: str, known: list[str], before: list[str]) -> str | None:
    """Return what a name stands for, after those before it in its line."""
    for candidate in (name, name.rpartition(".")[0]):  # or the module of a class or function
        if candidate in known and candidate not in PACKAGES:
            return candidate
    nearest = before[-1]
    for room in (nearest, nearest.rpartition(".")[0], before[0]):
        if f"{room}.{name}" in known:
            return f"{room}.{name}"
    package = nearest.partition(".")[0]
    alike = [one for one in known if one.startswith(f"{package}.") and one.endswith(f".{name}")]
    return alike[0] if len(alike) == 1 else None


def known_names() -> dict[str, Path]:
    """Return the modules and rooms, and the scripts of the page, with their files."""
    room = ".".join(SCRIPTS.relative_to(ROOT).parts)
    return modules() | {f"{room}.{path.stem}": path for path in sorted(SCRIPTS.glob("*.js"))}


def laws() -> dict[str, list[str]]:
    """Return the test files of each module and room that is named, relative to `tests/`."""
    index: dict[str, list[str]] = {}
    known = known_names()
    for path in [*law_files(), *sorted(TESTS.glob("test_*.py"))]:
        for name in named_in(path, known):
            index.setdefault(name, []).append(path.relative_to(TESTS).as_posix())
    return dict(sorted(index.items(), key=lambda pair: _place(pair[0])))


def _place(name: str) -> tuple[int, str]:
    return PACKAGES.index(name.partition(".")[0]), name


def without_laws() -> Iterator[str]:
    """Yield the modules that no test file names, by themselves or by a room around them."""
    index = laws()
    for name, path in known_names().items():
        parts = name.split(".")
        around = {".".join(parts[:k]) for k in range(2, len(parts) + 1)}
        if path.stem not in ("__init__", "__main__") and not around & set(index):
            yield name


def table() -> str:
    """Return the index as a table in Markdown, and below it the modules that are not in it."""
    rows = [
        f"| `{name}` | {', '.join(f'`{path}`' for path in paths)} |"
        for name, paths in laws().items()
    ]
    lines = ["| module or room | its laws |", "|---|---|", *rows]
    missing = ", ".join(f"`{name}`" for name in without_laws())
    return "\n".join([*lines, *([f"\nNo test file names {missing}."] if missing else [])])


def with_table(text: str) -> str:
    """Return the text of a page with the table of now between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    README.write_text(with_table(README.read_text(encoding="utf-8")), encoding="utf-8")
