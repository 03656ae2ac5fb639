"""A page of a run read back as its scripts read it: run, rows, questions and sheets."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

VOID = {"meta", "img", "br", "hr", "input", "link"}


@dataclass(frozen=True)
class ReadPage:
    """What a page holds.

    Attributes:
        run: the JSON of the run.
        rows: one object for each row, by the names of the columns.
        questions: those with details, by id, in order.
        sheets: bytes of the WebP files, by number.
        text: the whole file.
        tags: name and attributes of each, in order; those of `<noscript>` too.
        words: text of the page outside scripts and styles.
    """

    run: dict[str, Any]
    rows: list[dict[str, Any]]
    questions: dict[str, dict[str, Any]]
    sheets: dict[int, bytes]
    text: str
    tags: list[tuple[str, dict[str, str | None]]]
    words: str


def read_page(path: Path) -> ReadPage:
    """Read a page; its tags must be closed in order."""
    text = path.read_text("utf-8")
    parsed = _Tags(text)
    packed = {
        name: json.loads(gzip.decompress(base64.b64decode(content)))
        for name, content in parsed.packed.items()
    }
    rows = packed.pop("rows")
    run = json.loads(parsed.run)
    questions = {q["id"]: q for part in packed.values() for q in part["questions"]}
    assert list(questions) == rows["details"]["ids"]
    for name, part in zip(rows["details"]["ids"], rows["details"]["parts"], strict=True):
        assert any(q["id"] == name for q in packed[f"part-{part}"]["questions"])
    return ReadPage(
        run=run,
        rows=_rows(rows, [entry["key"] for entry in run["entries"]]),
        questions=questions,
        sheets=parsed.sheets,
        text=text,
        tags=parsed.tags,
        words=" ".join(parsed.words),
    )


def _rows(data: dict[str, Any], entries: list[str]) -> list[dict[str, Any]]:
    columns = {}
    for key, column in data["columns"].items():
        names = column.get("names")
        values = column.get("values")
        if names is not None:
            values = [None if code < 0 else names[code] for code in column["codes"]]
        assert len(values) == data["count"], key
        columns[key] = values
    assert data["columns"]["entry"]["names"] == entries
    return [{key: columns[key][k] for key in columns} for k in range(data["count"])]


class _Tags(HTMLParser):
    """Collects tags and texts; `<noscript>` is read as a browser without scripts does."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.packed: dict[str, str] = {}
        self.sheets: dict[int, bytes] = {}
        self.run = ""
        self._in: dict[str, str | None] = {}
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self._in = dict(attrs) if tag == "script" else {}
        if tag == "script" and self._in.get("class") == "packed":
            self.packed[str(self._in["id"])] = ""
        if tag == "figure" and "sheet" in str(dict(attrs).get("class")):
            self._sheet = int(str(dict(attrs)["id"]).removeprefix("sheet-"))
        if tag == "img" and str(dict(attrs).get("src")).startswith("data:image/webp"):
            coded = re.sub("^[^,]*,", "", str(dict(attrs)["src"]))
            self.sheets[self._sheet] = base64.b64decode(coded)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, tag
        self._in = {}

    def handle_data(self, data: str) -> None:
        if self._in.get("id") == "run":
            self.run += data
        elif self._in.get("class") == "packed":
            self.packed[str(self._in["id"])] += data
        elif not self.open or self.open[-1] not in ("script", "style"):
            self.words.append(data)
