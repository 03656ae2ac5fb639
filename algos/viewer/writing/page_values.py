"""What the template of the page is given: texts to be escaped, and HTML of ours that is not."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from algos.viewer.page.page_files import generator, script, styles
from algos.viewer.view_data import RunView
from algos.viewer.writing.plain_values import html_text, plain, said, script_json

VERSION = 1
# Questions, answers and file names are others' words. They are escaped; if one slipped through, it
# could neither run a script nor load or send anything.
_POLICY = (
    "default-src 'none'; img-src data: blob:{images}; media-src 'self' file: blob:{more}; "
    "style-src 'unsafe-inline'; script-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
)
_OF_A_SERVER = {"images": " 'self'", "more": "; connect-src 'self'"}
_OF_A_FILE = {"images": "", "more": ""}


@dataclass(frozen=True)
class Filled:
    """What a page holds of its run.

    Attributes:
        count: rows of the table.
        questions: how many the run has.
        detailed, pictured: how many of them have details and pictures.
        notes: what is left out, in sentences.
        served: whether rows, details and pictures are asked for at a server.
    """

    count: int
    questions: int
    detailed: int
    pictured: int
    notes: Sequence[str]
    served: bool = False


def run_json(run: RunView, filled: Filled) -> str:
    """Return what the scripts know of the run before a row is unpacked."""
    found = said(
        {
            "before": run.before,
            "about": {html_text(key): html_text(text) for key, text in run.about.items()},
            "notes": [html_text(note) for note in filled.notes],
            "curves": run.curves,
            "differences": run.differences,
        }
    )
    return script_json(
        found
        | {
            "version": VERSION,
            "title": html_text(run.title),
            "entries": plain(run.entries),
            "shown": run.shown,
            "columns": plain(run.columns),
            "count": filled.count,
            "questions": filled.questions,
            "detailed": filled.detailed,
            "pictured": filled.pictured,
            "frame_size": list(run.frame_size),
            "live": run.live,
            "served": filled.served,
        }
    )


def page_values(
    run: RunView,
    filled: Filled,
    *,
    table: str = "",
    blocks: Iterable[tuple[str, Iterable[str]]] = (),
    sheets: Iterable[tuple[int, str, str]] = (),
) -> dict[str, Any]:
    """Return the values of the template.

    Args:
        run: for its texts and sections.
        filled: what the page holds of it.
        table: HTML of ours: the questions, for readers without a script.
        blocks: id and content of each packed block; read once.
        sheets: number, caption and WebP in base64 of each sheet of pictures; read once.
    """
    from markupsafe import Markup

    code = script()
    digest = base64.b64encode(hashlib.sha256(code.encode()).digest()).decode()
    return {
        "title": html_text(run.title),
        "generator": generator(),
        "policy": _POLICY.format(digest=digest, **(_OF_A_SERVER if filled.served else _OF_A_FILE)),
        "styles": Markup(styles()),
        "script": Markup(code),
        "about": [(html_text(key), html_text(text)) for key, text in run.about.items()],
        "notes": [html_text(note) for note in filled.notes],
        "run_json": Markup(run_json(run, filled)),
        "sections": [
            (name, html_text(heading), Markup(content)) for name, heading, content in run.sections
        ],
        "table": Markup(table),
        "blocks": ((name, map(Markup, chunks)) for name, chunks in blocks),
        "sheets": ((number, html_text(text), Markup(data)) for number, text, data in sheets),
    }
