"""The README's Python runs as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_snippets_run_in_order(tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("SAGE_ENV_CACHE", str(tmp_path))
    snippets = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    said = []
    names: dict[str, object] = {}
    for snippet in snippets:  # a reader goes on with what the snippets before made
        exec(compile(snippet, str(README), "exec"), names)
        said.append(capsys.readouterr().out)
    assert "answered" in said[0]
    assert "Answer(" in said[1]
    assert "at 12.5 s" in "".join(said)
    assert "user (720, 960, 3)" in "".join(said)


@pytest.mark.parametrize("target", ["train", "test", "tiny"])
def test_the_commands_exist(target: str) -> None:
    makefile = README.with_name("Makefile").read_text(encoding="utf-8")
    assert f"make {target}" in README.read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
