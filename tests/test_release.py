"""What is installed says which release it is, and that it is typed."""

from __future__ import annotations

import tomllib
from importlib import import_module, metadata
from pathlib import Path

import pytest

from algos.cli import main
from sage_env.release import DISTRIBUTION, NOT_INSTALLED, installed_version

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8"))
PACKAGES = ["sage_env", "policies", "algos"]


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
