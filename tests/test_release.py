"""Laws of `sage_env.release`: what is installed says its version, and that it is typed."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest

from algos.cli import main
from sage_env.release import DISTRIBUTION, NOT_INSTALLED, installed_version

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = ["sage_env", "policies", "algos"]
IMPORTED_AS = {
    "google-genai": "google.genai",
    "pygame-ce": "pygame",
    "opencv-python-headless": "cv2",
}
"""Distributions whose module has another name than theirs."""
OF_OTHERS = {"lxml_html_clean"}
"""Distributions that another one imports and does not ask for."""


def test_the_distribution_is_the_projects() -> None:
    assert PROJECT["project"]["name"] == DISTRIBUTION


@pytest.mark.parametrize("package", PACKAGES)
def test_every_package_has_the_version_of_the_installation(package: str) -> None:
    assert import_module(package).__version__ == installed_version()
    assert "__version__" in import_module(package).__all__


def test_the_command_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"sage-vqa {installed_version()}\n"
    with pytest.raises(SystemExit):
        main(["--help"])
    assert "--version" in capsys.readouterr().out


def test_the_version_is_that_of_the_metadata_and_unknown_without(monkeypatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: {DISTRIBUTION: "9.8.7"}[name])
    assert installed_version() == "9.8.7"

    def missing(name: str) -> str:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert installed_version() == NOT_INSTALLED == "0+unknown"


@pytest.mark.parametrize("package", PACKAGES)
def test_the_types_of_every_package_are_shipped(package: str) -> None:
    marker = Path(str(import_module(package).__file__)).with_name("py.typed")
    assert marker.is_file()
    assert "py.typed" in PROJECT["tool"]["setuptools"]["package-data"][package]


@pytest.mark.parametrize("package", PACKAGES)
def test_an_installation_has_every_file_that_is_no_module(package: str) -> None:
    """A wheel holds modules and what `package-data` names: all else is missing in it."""
    shipped = PROJECT["tool"]["setuptools"]["package-data"][package]
    folder = ROOT / package
    files = [f for f in folder.rglob("*") if f.is_file() and not f.name.startswith(".")]
    others = [f for f in files if f.suffix not in {".py", ".pyc"}]
    named = {found for pattern in shipped for found in folder.glob(pattern)}
    assert others and not [f.relative_to(folder).as_posix() for f in others if f not in named]


def source(folders: list[str]) -> str:
    """Return all code of some folders."""
    files = [path for name in folders for path in sorted((ROOT / name).rglob("*.py"))]
    return "\n".join(path.read_text("utf-8") for path in files)


def test_every_extra_has_code_that_needs_it() -> None:
    """An extra that nothing imports promises what is not there."""
    ours, measured = source(PACKAGES), source(["benchmarks"])
    extras = PROJECT["project"]["optional-dependencies"]
    unused = []
    for extra in extras.keys() - {"dev", "docs"}:
        for requirement in extras[extra]:
            name = re.split(r"[\[<>=]", requirement)[0]
            module = re.escape(IMPORTED_AS.get(name, name.replace("-", "_")))
            if name not in OF_OTHERS and not re.search(
                rf"\b{module}\b", measured if extra == "bench" else ours
            ):
                unused.append((extra, requirement))
    assert extras and not unused


def test_types_are_not_asked_of_packages_that_nothing_imports() -> None:
    code = source([*PACKAGES, "benchmarks", "tests"])
    for override in PROJECT["tool"]["mypy"]["overrides"]:
        for pattern in override["module"]:
            assert re.search(rf"\b{re.escape(pattern.removesuffix('.*'))}\b", code), pattern
