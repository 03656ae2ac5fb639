"""Laws of `page/page_files`, and of the files of a page: all there, ours or as their makers made
them, and no text of others ever becomes HTML."""

from __future__ import annotations

import hashlib
import re
import tomllib
from pathlib import Path

import pytest

from algos.viewer.page import page_files
from algos.viewer.page.page_files import EARLY, HERE, SCRIPTS, STYLES, generator, script, styles

VENDORED = {
    "LICENSE": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
    "uPlot.iife.min.js": "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
}
OURS = sorted((HERE / "scripts").iterdir()) + sorted((HERE / "styles").iterdir())
FORBIDDEN = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser"
    r"|createContextualFragment|setHTMLUnsafe|srcdoc"
)
# A served page takes sections over from the next page of the same server, which escaped all texts.
ALLOWED = {"live.js": {"DOMParser"}}


def test_what_is_vendored_is_what_its_makers_published():
    found = {path.name: path.read_bytes() for path in (HERE / "vendor").iterdir()}
    assert {name: hashlib.sha256(data).hexdigest() for name, data in found.items()} == VENDORED
    assert b"MIT License" in found["LICENSE"]


def test_every_file_is_in_the_page_once_and_the_last_starts_it():
    listed = [EARLY, *SCRIPTS, *STYLES]
    assert len(set(listed)) == len(listed)
    there = {f"{path.parent.name}/{path.name}" for path in OURS} | {
        f"vendor/{name}" for name in VENDORED if name != "LICENSE"
    }
    assert set(listed) == there
    assert SCRIPTS[-1] == "scripts/main.js"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.name)
def test_our_files_are_short_and_make_no_html(path: Path):
    text = path.read_text("utf-8")
    assert len(text.splitlines()) <= 350
    assert set(FORBIDDEN.findall(text)) <= ALLOWED.get(path.name, set())
    assert "http://" not in text.replace("http://www.w3.org/2000/svg", "")
    assert "https://" not in text


def test_no_file_can_end_its_element():
    assert "</" not in styles()
    assert not re.search("</script|<!--|<script", script(), re.IGNORECASE)


def test_the_package_carries_every_file():
    root = Path(__file__).parents[4]
    data = tomllib.loads((root / "pyproject.toml").read_text())
    patterns = data["tool"]["setuptools"]["package-data"]["algos"]
    carried = {path for pattern in patterns for path in (root / "algos").glob(pattern)}
    files = {path for path in HERE.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    assert {path for path in files if path.suffix != ".py"} <= carried


def test_a_page_of_other_files_is_of_another_generator(monkeypatch: pytest.MonkeyPatch):
    before = generator()
    monkeypatch.setattr(page_files, "SCRIPTS", SCRIPTS[:-1])
    assert generator() != before
