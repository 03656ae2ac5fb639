"""The item of a dataset: one question about one video. `validation` says when it can be asked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from sage_env.timeline import Span

KINDS = ("mcq", "open", "ground")
"""Multiple choice; a free text or number; a time or stretch of the video."""


@dataclass(frozen=True)
class QAItem:
    """One question about one video.

    Attributes:
        id: unique within its dataset.
        video: path of the video file.
        question: text.
        choices: the choices in order; `()` when open-ended.
        answer: the gold answer as text (for `mcq` one of `choices`).
        kind: `mcq`, `open` or `ground`.
        evidence: `[start, end)` spans in seconds that the answer rests on; `()` if not known.
        duration: seconds, or `None` to read it from the file.
        group: report keys and their values, all text, e.g. `{"family": "needle", "tier": "core"}`.
        tolerance: how far a numeric answer may be off, in its own unit; `None` for exact.
        aliases: other texts that count as `answer`.
        subtitles: path of what is said in the video, see `sage_env.subtitles`; `None` where there
            is none. Nobody is shown it who does not ask for it.
        subtitles_start: seconds at which the video begins on the clock of its subtitles, which may
            be those of a longer one that it was cut out of.
    """

    id: str
    video: Path
    question: str
    choices: tuple[str, ...] = ()
    answer: str = ""
    kind: str = "open"
    evidence: tuple[Span, ...] = ()
    duration: float | None = None
    group: Mapping[str, str] = field(default_factory=dict)
    tolerance: float | None = None
    aliases: tuple[str, ...] = ()
    subtitles: Path | None = None
    subtitles_start: float = 0.0


def item_digest(items: Iterable[QAItem]) -> str:
    """Return 16 hexadecimal digits for questions: BLAKE2b of all fields, files by their names."""
    digest = hashlib.blake2b(digest_size=8)
    for item in items:
        row = {one.name: _plain(getattr(item, one.name)) for one in fields(item)}
        digest.update(json.dumps(row, default=str, sort_keys=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return value.name
    return dict(value) if isinstance(value, Mapping) else value
