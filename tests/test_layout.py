"""The shape of the project: who imports whom, what is imported when, and how long files are."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ["sage_env", "policies", "algos", "benchmarks"]
HEAVY = ["torch", "transformers", "peft", "google", "openai", "ray", "stable_baselines3", "pygame"]
FILES = sorted(path for name in ORDER for path in (ROOT / name).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found.add((node.module or "").split(".")[0])
    return found


def test_imports_point_one_way() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {later}"
        for path in FILES
        for later in ORDER[ORDER.index(path.relative_to(ROOT).parts[0]) + 1 :]
        if later in imports(path)
    ]
    assert FILES and not wrong


def test_no_file_imports_the_tests() -> None:
    assert not [path for path in FILES if "tests" in imports(path)]


@pytest.mark.parametrize(
    "modules", ["sage_env, policies, algos", "algos.cli, algos.report, policies.registry"]
)
def test_nothing_heavy_is_imported_before_it_is_used(modules: str) -> None:
    code = f"import sys, {modules}; print([m for m in {HEAVY} if m in sys.modules])"
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"


def test_files_are_short() -> None:
    lengths = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {str(path): n for path, n in lengths.items() if n > 350} == {}


def test_functions_are_short() -> None:
    long = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                docstring = ast.get_docstring(node)
                lines = (node.end_lineno or 0) - node.lineno + 1
                if lines - len((docstring or "").splitlines()) > 60:
                    long.append(f"{path.relative_to(ROOT)}: {node.name} has {lines} lines")
    assert not long


def test_no_file_is_named_like_the_standard_library_or_after_nothing() -> None:
    names = {path.stem for path in FILES} | {path.parent.name for path in FILES}
    assert not names & set(sys.stdlib_module_names)
    assert not names & {"utils", "common", "core", "manager", "helpers"}
