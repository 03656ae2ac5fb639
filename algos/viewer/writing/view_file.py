"""The page of a run as one file that needs nothing beside it.

It has all of the table, and details and pictures of as many questions as there is room for.

    write_view(run, Path("report.html"))

The same run gives the same bytes. No more of it is in memory than its columns and one part.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from algos.runs.rare_collections import rare_collections
from algos.viewer.page.page_files import script, styles, template
from algos.viewer.view_data import RunView
from algos.viewer.writing.no_script import MOST, plain_table
from algos.viewer.writing.packing import PackedBlock, letters, letters_size
from algos.viewer.writing.page_values import Filled, page_values, run_json
from algos.viewer.writing.question_parts import Bounds, Parts, fill_parts
from algos.viewer.writing.row_columns import RowColumns, details_json
from sage_env.storage.atomic_file import atomic_path

_HTML_AROUND = 20_000  # bytes of the template itself, and of what the last blocks need
_IN_MEMORY = 2**22  # bytes of a block before it goes to the disk


@dataclass(frozen=True, kw_only=True)
class WriteSettings:
    """How large a page may be.

    Attributes:
        max_bytes: of the file; the table of all questions and the sections are always whole.
        picture_bytes: of it, most for pictures.
        details: most questions with details.
        pictured: most questions whose pictures are drawn: each takes a while to decode.
        workers: videos that are decoded side by side.
        more: the command that shows what is left out, e.g. `sage-vqa view RUN`; "" for none.
    """

    max_bytes: int = 60_000_000
    picture_bytes: int = 3_300_000
    details: int = 10_000
    pictured: int = 400
    workers: int = 2
    more: str = ""


@dataclass(frozen=True)
class Written:
    """A page that was written.

    Attributes:
        path: of the file; `bytes`: how large it is.
        rows: of its table.
        questions: how many the run has; `detailed`, `pictured`: of them.
        notes: what the page says that it does not show.
    """

    path: Path
    bytes: int
    rows: int
    questions: int
    detailed: int
    pictured: int
    notes: Sequence[str]


@rare_collections()
def write_view(run: RunView, path: Path, settings: WriteSettings | None = None) -> Written:
    """Write the page of a run as one HTML file, whole or not at all.

    Args:
        run: what it shows; its rows are read once, its questions one after the other.
        path: of the file; folders are made.
        settings: how large it may be.

    Raises:
        OSError: if it cannot be written.
    """
    settings = settings or WriteSettings()
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        rows, parts, sheets = (stack.enter_context(_temporary()) for _ in range(3))
        columns, first = _read_rows(run)
        block = PackedBlock(rows)
        block.add(("{", *columns.json(), ","))
        table = plain_table(run, first)
        into = Parts(parts, sheets)
        fill_parts(run, path, _bounds(run, settings, letters_size(block.size) + len(table)), into)
        block.add((details_json(into.part_of), "}"))
        block.end()
        filled = _filled(run, columns.count, into, settings)
        values = page_values(
            run,
            filled,
            table=table,
            blocks=_blocks(block, into),
            sheets=_sheets(into),
        )
        size = _write(path, values)
    return Written(
        path, size, filled.count, filled.questions, filled.detailed, filled.pictured, filled.notes
    )


def page_of_a_server(run: RunView) -> bytes:
    """Return the page of a run whose rows, details and pictures a server hands out beside it."""
    count = len(run.order)
    columns, first = _read_rows(run)
    filled = Filled(columns.count, count, count, count, run.notes, served=True)
    values = page_values(run, filled, table=plain_table(run, first))
    return template().render(values).encode("utf-8", "backslashreplace")


def _temporary() -> IO[bytes]:
    # Closed with the stack of the caller; mypy knows the wrapper as an IO of bytes.
    return tempfile.SpooledTemporaryFile(_IN_MEMORY)


def _read_rows(run: RunView) -> tuple[RowColumns, Mapping[str, Mapping[str, Any]]]:
    """Return all rows by column, and those of the entry that is shown of the first questions."""
    columns = RowColumns([one.key for one in run.entries], [one.key for one in run.columns])
    first = dict.fromkeys(run.order[:MOST])
    found: dict[str, Mapping[str, Any]] = {}
    for row in run.rows():
        columns.add(row)
        if row.get("entry") == run.shown and row.get("id") in first:
            found[row["id"]] = row
    return columns, {name: found[name] for name in first if name in found}


def _bounds(run: RunView, settings: WriteSettings, taken: int) -> Bounds:
    """Return what is left for details and pictures beside so many bytes."""
    empty = Filled(run.count, len(run.order), 0, 0, run.notes)
    fixed = len(script().encode()) + len(styles().encode()) + len(run_json(run, empty))
    fixed += sum(len(content.encode("utf-8", "replace")) for _, _, content in run.sections)
    left = max(0, settings.max_bytes - taken - fixed - _HTML_AROUND)
    return Bounds(
        bytes=left,
        details=settings.details,
        pictured=settings.pictured,
        picture_bytes=min(settings.picture_bytes, left // 2),
        workers=settings.workers,
    )


def _filled(run: RunView, count: int, into: Parts, settings: WriteSettings) -> Filled:
    """Return what the page holds, with a sentence for everything that it does not."""
    questions, detailed = len(run.order), len(into.part_of)
    notes = list(run.notes)
    more = f": `{settings.more}` shows all" if settings.more else ""
    if detailed < questions:
        notes.append(
            f"The details of {detailed} of {questions} questions are in this page, the most "
            f"telling first{more}."
        )
    if into.without:
        notes.append(
            f"{into.without} of {detailed} questions have no pictures, for want of room in this "
            f"page{more}."
        )
    return Filled(count, questions, detailed, len(into.listed), notes)


def _blocks(rows: PackedBlock, into: Parts) -> Iterator[tuple[str, Iterator[str]]]:
    """Yield id and letters of each packed block."""
    yield "rows", rows.letters()
    into.parts.seek(0)
    for number, size in enumerate(into.sizes):
        yield f"part-{number}", iter((letters(into.parts.read(size)),))


def _sheets(into: Parts) -> Iterator[tuple[int, str, str]]:
    """Yield number, caption and letters of each sheet of pictures."""
    for number, sheet in enumerate(into.listed):
        into.sheets.seek(sheet.start)
        yield number, sheet.caption, letters(into.sheets.read(sheet.size))


def _write(path: Path, values: Mapping[str, Any]) -> int:
    """Write the template with its values; return the size in bytes."""
    with atomic_path(path) as partial:
        with partial.open("xb") as file:
            for text in template().generate(values):
                # A lone surrogate of some reply has no place in UTF-8; the page is about the rest.
                file.write(text.encode("utf-8", "backslashreplace"))
        return partial.stat().st_size
