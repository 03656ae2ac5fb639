"""Laws of `benchmarks.provenance`: a report says how its figures can be had again."""

from __future__ import annotations

import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

from benchmarks.provenance import commit, header, publish, versions


def test_a_head_has_command_commit_machine_and_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ignored.py", "--match", "16 uniform", "--rounds", "3"])
    lines = header("T", "benchmarks.x.y", libraries=versions("numpy"), remark="one thread")
    assert lines[0] == "# T" and lines[1] == ""
    assert lines[2] == "- command: `python -m benchmarks.x.y --match '16 uniform' --rounds 3`"
    assert lines[3] == f"- commit: {commit()}"
    assert lines[4] == (
        f"- machine: {os.cpu_count()} cores ({platform.machine()}, {platform.system()}), "
        f"Python {platform.python_version()}, numpy {version('numpy')}, one thread"
    )
    assert len(lines) == 5


def test_a_command_without_arguments_ends_with_the_module(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["ignored.py"])
    assert header("T", "benchmarks.x")[2] == "- command: `python -m benchmarks.x`"


def test_a_package_that_is_not_there_has_no_version() -> None:
    with pytest.raises(PackageNotFoundError):
        versions("no-such-package")


def test_a_report_is_printed_and_written_where_a_folder_is_given(tmp_path, capsys) -> None:
    publish("text\n", None, "r.md")
    assert capsys.readouterr().out == "text\n\n" and not list(tmp_path.iterdir())
    publish("text\n", tmp_path / "new" / "folder", "r.md")
    assert (tmp_path / "new" / "folder" / "r.md").read_text(encoding="utf-8") == "text\n"
    assert capsys.readouterr().out == "text\n\n"
