"""A page with one question whose every number the test chose, in the words of the scripts' JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

from algos.viewer.page.page_files import template
from algos.viewer.view_data import EntryView, RunView
from algos.viewer.writing.packing import letters, packed
from algos.viewer.writing.page_values import Filled, page_values

CELL = (8, 8)  # width and height of a picture, in pixels
ACROSS = 2  # pictures in a row of the sheet


def write_question(
    path: Path, question: Mapping[str, Any], *, pictures: Sequence[tuple[int, int, int]] = ()
) -> Path:
    """Write a page whose only question is this one.

    Args:
        path: of the file.
        question: as `question_json` makes it; its id is `q` where it says none. Its episodes are
            those of the entries, in their order.
        pictures: colour of each cell of its sheet; `question` is told of the sheet.
    """
    told: dict[str, Any] = {"id": "q", "question": "Which?", "duration": 100.0, **question}
    keys = [episode["entry"] for episode in told["episodes"]]
    sheets = []
    if pictures:
        told |= {"sheet": 0, "cell": list(CELL), "across": ACROSS}
        sheets.append((0, "pictures", letters(_sheet(pictures))))
    rows = {
        "count": len(keys),
        "columns": {
            "id": {"values": [told["id"]] * len(keys)},
            "entry": {"names": keys, "codes": list(range(len(keys)))},
            "question": {"values": [told["question"]] * len(keys)},
        },
        "details": {"ids": [told["id"]], "parts": [0]},
    }
    blocks = [("rows", rows), ("part-0", {"questions": [told]})]
    values = page_values(
        _run(keys, told["id"]),
        Filled(len(keys), 1, 1, len(sheets), ()),
        blocks=[(name, [letters(packed(json.dumps(block)))]) for name, block in blocks],
        sheets=sheets,
    )
    path.write_text("".join(template().generate(values)), "utf-8")
    return path


def _run(keys: Sequence[str], name: str) -> RunView:
    entries = [EntryView(key=key, title=f"Policy {key}") for key in keys]
    return RunView(
        title="One question",
        about={},
        entries=entries,
        shown=keys[0],
        rows=lambda: iter(()),
        count=len(keys),
        order=[name],
        question=lambda _: (_ for _ in ()).throw(KeyError(name)),
    )


def _sheet(colours: Sequence[tuple[int, int, int]]) -> bytes:
    width, height = CELL
    sheet = Image.new("RGB", (width * ACROSS, height * -(-len(colours) // ACROSS)))
    for k, colour in enumerate(colours):
        row, column = divmod(k, ACROSS)
        sheet.paste(Image.new("RGB", CELL, colour), (column * width, row * height))
    file = BytesIO()
    sheet.save(file, "WEBP", lossless=True)
    return file.getvalue()
