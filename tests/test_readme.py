"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_snippets_run_in_order(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    assert len(snippets) == 2
    names: dict[str, object] = {}
    first, second = snippets
    exec(compile(first, str(README), "exec"), names)
    assert "answered" in capsys.readouterr().out
    # The first snippet closes its environment; a reader goes on with it, and that works.
    exec(compile(second, str(README), "exec"), names)
    assert "Answer(" in capsys.readouterr().out


@pytest.mark.parametrize("target", ["train", "test", "tiny"])
def test_the_commands_exist(target: str) -> None:
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    assert f"make {target}" in README.read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
