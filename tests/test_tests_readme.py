"""`tests/README.md` is true: the tests that it names exist, its index of laws is that of now."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.laws_index import (
    BEGIN,
    README,
    TESTS,
    known_names,
    law_files,
    named,
    named_in,
    with_table,
)

REFERENCE = re.compile(r"`([\w/]+\.py)(?:::(\w+))?`")
NAMES = [path.relative_to(TESTS).as_posix() for path in law_files()]
KNOWN = known_names()


@cache
def functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_every_test_that_it_names_exists() -> None:
    text = README.read_text(encoding="utf-8").partition(BEGIN)[0]
    references = REFERENCE.findall(text)
    stale = [
        f"{path}::{name}"
        for path, name in references
        if not (TESTS / path).exists() or (name and name not in functions(TESTS / path))
    ]
    assert len(references) > 60 and stale == [] and "`::" not in text


@pytest.mark.parametrize("name", NAMES)
def test_every_test_file_begins_with_whose_laws_it_holds(name: str) -> None:
    """And stands in the room of one of them."""
    found, folder = named_in(TESTS / name, KNOWN), Path(name).parent
    assert found, f'{name}: begin with "Laws of `package.room.module`: …"'
    rooms = {Path(*module.split(".")) for module in found}
    near = [folder in (room, *room.parents) or room in folder.parents for room in rooms]
    assert any(near), f"{name} stands in no room of {found}"


def test_the_index_is_that_of_now() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_table(text) == text, "run: python -m tests.laws_index"


def test_names_are_read_as_the_helper_says() -> None:
    one, two, three = "algos.a.one", "algos.a.two", "algos.b.three"
    known = ["algos.a", one, two, three, "algos.b.one", "policies.base"]
    for line, expected in {
        "Laws of `algos.a.one`, `two` and `three`: …": [one, two, three],
        "Laws of `algos.a`: `one`, `two`.": ["algos.a", one, two],
        "Laws of `policies.base.Policy` and `act`.": ["policies.base"],
        "Laws of `algos.b.three`, `.one`.": [three, "algos.b.one"],
        "Laws of the whole.": [],
        "Whose laws are `algos.a.one`'s?": [],
    }.items():
        assert named(line, known) == expected, line
    assert named("Laws of `one` and `three`.", known, "algos.b") == ["algos.b.one", three]
