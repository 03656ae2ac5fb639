"""The table of a trace: a flat row for each record, kept in a temporary file while it is read."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from typing import Any

from algos.viewer.foreign.traced import Traced
from algos.viewer.view_data import Column, QuestionView

_COLUMNS = (
    Column(key="question", title="Question", kind="text"),
    Column(key="duration", title="Length", kind="seconds", about="Seconds of the video."),
    Column(key="verdict", title="Verdict", kind="verdict", about="As the trace says it."),
    Column(key="prediction", title="Answer", kind="text"),
    Column(key="gold", title="Gold", kind="text"),
    Column(key="turns", title="Turns", kind="number"),
    Column(key="calls", title="Calls", kind="number", about="Turns that called a tool."),
    Column(key="frames", title="Frames", kind="number", about="Those whose time is known."),
    Column(key="evidence_recall", title="Evidence", kind="number"),
    Column(key="reward", title="Reward", kind="number"),
    Column(key="attempts", title="Attempts", kind="number"),
    Column(key="seconds", title="Time", kind="number", about="Seconds that it took."),
    Column(key="tokens", title="Tokens", kind="number", about="Written by the model."),
    Column(key="prompt_tokens", title="Read", kind="number", about="Tokens that it read."),
    Column(key="cost", title="Cost", kind="number", about="US dollars."),
    Column(key="error", title="Error", kind="text"),
)
_NO_CALLS = ("overview", "answer", "message")
_CHUNK = 2**16
_LONGEST = 2000  # characters of a text in the table


def row_of(traced: Traced, name: str, entry: str) -> dict[str, Any]:
    """Return the row of a record: what is known, under the keys of the columns.

    Args:
        traced: the record.
        name: id of its question in the run.
        entry: key of its entry.
    """
    question, episode = traced.question, traced.episode
    turns = [step for step in episode.steps if step.turn > 0]
    frames = sum(len(step.frames) for step in episode.steps)
    row: dict[str, Any] = {
        "question": question.question,
        "duration": question.duration,
        "verdict": episode.verdict,
        "prediction": episode.prediction,
        "gold": question.gold,
        "error": episode.error,
        **{f"group.{key}": value for key, value in question.group.items()},
        "turns": len(turns) or None,
        "calls": sum(step.action not in _NO_CALLS for step in turns) if turns else None,
        "frames": frames or None,
    }
    row |= {key: value for key, value in traced.row.items() if value is not None}
    known = {key: _short(value) for key, value in row.items() if value is not None}
    return {"id": name, "entry": entry, **known}


class KeptRows:
    """Rows in a temporary file without a name.

    Attributes:
        keys: of all rows, in the order in which they came.
        count: how many rows there are.
    """

    def __init__(self) -> None:
        """Open the file."""
        self._file = tempfile.TemporaryFile()
        self.keys: dict[str, None] = {}
        self.count = 0

    def add(self, row: Mapping[str, Any]) -> None:
        """Write a row at the end."""
        self._file.write(json.dumps(row).encode() + b"\n")
        self.keys |= dict.fromkeys(row)
        self.count += 1

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Yield the rows in order; several readers may be under way at once."""
        self._file.flush()
        place, rest = 0, b""
        while chunk := os.pread(self._file.fileno(), _CHUNK, place):
            place += len(chunk)
            *lines, rest = (rest + chunk).split(b"\n")
            yield from map(json.loads, lines)

    def columns(self) -> list[Column]:
        """Return the columns that any row has a value for."""
        groups = [key for key in self.keys if key.startswith("group.")]
        grouped = [
            Column(key=key, title=key.removeprefix("group.").replace("_", " "), kind="category")
            for key in groups
        ]
        named = [column for column in _COLUMNS if column.key in self.keys]
        return [*named[:1], *grouped, *named[1:]]


def known_of(question: QuestionView) -> dict[str, Any]:
    """Return the fields of a question that say something, for the one that several traces tell."""
    names = ("choices", "gold", "gold_choice", "evidence", "duration")
    values = {name: getattr(question, name) for name in names}
    return {name: value for name, value in values.items() if value not in (None, [], ())}


def _short(value: Any) -> Any:
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]} …"
    return value
