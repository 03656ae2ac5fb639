"""The project's own source as a graph: modules, rooms, and who imports whom."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PACKAGES = ("sage_env", "policies", "algos", "benchmarks")


class Function(NamedTuple):
    """A public function, or a public method of a public class.

    Attributes:
        name: as it is written after its module: `Class.method` or `function`.
        node: its syntax.
        doc: its docstring; a constructor's goes on with that of its class.
    """

    name: str
    node: ast.FunctionDef
    doc: str


def modules(root: Path = ROOT, packages: Iterable[str] = PACKAGES) -> dict[str, Path]:
    """Return every module by its dotted name; a package's name is that of its `__init__`."""
    found = {}
    for package in packages:
        for path in sorted((root / package).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imports(path: Path, known: Mapping[str, Path]) -> set[str]:
    """Return the modules of `known` that a file imports.

    Anywhere in it: inside functions and under `TYPE_CHECKING` too, because a reader has to follow
    those as well, and a circle through them is one that another import order runs into.
    """
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name in known}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module in known:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in known else node.module)
    return found


def import_graph(found: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return who imports whom, by dotted names."""
    return {name: imports(path, found) - {name} for name, path in found.items()}


def circles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Return the strongly connected components of more than one node (Tarjan 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(node: str) -> None:
        number[node] = lowest[node] = len(number)
        stack.append(node)
        for other in sorted(graph.get(node, ())):
            if other not in number:
                visit(other)
                lowest[node] = min(lowest[node], lowest[other])
            elif other in stack:
                lowest[node] = min(lowest[node], number[other])
        if lowest[node] == number[node]:
            start = stack.index(node)
            if len(stack) - start > 1:
                found.append(sorted(stack[start:]))
            del stack[start:]

    for node in graph:
        if node not in number:
            visit(node)
    return found


def rooms(packages: Iterable[str] = PACKAGES, root: Path = ROOT) -> list[Path]:
    """Return every folder with an `__init__.py`, the packages themselves included."""
    return sorted(p.parent for name in packages for p in (root / name).rglob("__init__.py"))


def public_functions(path: Path) -> Iterator[Function]:
    """Yield what a module offers: functions and methods whose names begin with no underscore."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield Function(node.name, node, ast.get_docstring(node) or "")
        elif isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from _methods(node)


def _methods(owner: ast.ClassDef) -> Iterator[Function]:
    for node in owner.body:
        if not isinstance(node, ast.FunctionDef) or "overload" in map(
            ast.unparse, node.decorator_list
        ):
            continue
        doc = ast.get_docstring(node) or ""
        if node.name == "__init__":
            yield Function(owner.name, node, f"{doc}\n{ast.get_docstring(owner) or ''}")
        elif not node.name.startswith("_") or node.name == "__call__":
            yield Function(f"{owner.name}.{node.name}", node, doc)


def parameters(node: ast.FunctionDef) -> list[ast.arg]:
    """Return the parameters that a caller names, without `self` and `cls`."""
    every = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return [argument for argument in every if argument.arg not in ("self", "cls")]
